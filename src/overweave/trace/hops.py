"""Each kind of hop from what a host shows: what it is, how it is, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from overweave.facts.containers import ContainerFact, Endpoint
from overweave.facts.namespaces import Link, Namespace
from overweave.facts.way import FOLDER, RouteTo, Side
from overweave.firewall.judge import drops
from overweave.firewall.remedy import remedy, ruler
from overweave.firewall.rules import Packet
from overweave.model import VXLAN_OVERHEAD
from overweave.printable import one_line

from .model import Hop, Kind, Network, Problem, Space

OWN = "/proc/self/ns/net"
"""The host's own namespace, for a program of the host."""
REFUSED_BY = {
    "Invalid argument": "a blackhole route",
    "No route to host": "an unreachable route",
    "Permission denied": "a prohibit route",
}
"""What the kernel answers for routes that drop on purpose."""


@dataclass(frozen=True)
class End:
    """A container on the common network, and the host that it is on."""

    container: ContainerFact
    endpoint: Endpoint
    side: Side

    @property
    def told(self) -> str:
        return f"{self.container.name} on {self.container.host}"

    @property
    def sandbox(self) -> Namespace | None:
        return self.side.sandboxes.get(self.container.id)

    @property
    def link(self) -> Link | None:
        """The interface on the common network: by its MAC, else by its address."""
        links = self.sandbox.links if self.sandbox else ()
        by_mac = (link for link in links if self.endpoint.mac and link.mac == self.endpoint.mac)
        owned = (link for link in links if self.endpoint.address in _plain(link.addresses))
        return next(by_mac, None) or next(owned, None)


@dataclass(frozen=True)
class Switch:
    """The bridge of a network on a host, and the namespace that it is in."""

    side: Side
    space: Space
    namespace: Namespace | None
    name: str

    @property
    def link(self) -> Link | None:
        return self.namespace.link(self.name) if self.namespace else None

    def port(self, end: End) -> Link | None:
        """The other end of a container's veth pair."""
        eth = end.link
        links = self.namespace.links if self.namespace else ()
        return next((x for x in links if eth and x.index == eth.peer and x.peer == eth.index), None)

    @property
    def vxlan(self) -> Link | None:
        """The one in the bridge, else the only one."""
        found = self.namespace.vxlans() if self.namespace else ()
        return next((v for v in found if v.master == self.name), found[0] if len(found) == 1 else None)


def own_space(side: Side) -> Space:
    return Space(side.host, "the host's own network", "", side.own.inode if side.own else 0)


def switch(side: Side, network: Network, endpoint: Endpoint) -> Switch:
    """``endpoint`` is that of a container on it, which tells the bridges of several subnets apart."""
    if network.driver != "overlay":
        links = side.own.links if side.own else ()
        gateways = (b.name for b in links if b.kind == "bridge" and endpoint.gateway in _plain(b.addresses))
        return Switch(side, own_space(side), side.own, next(gateways, f"br-{network.id[:12]}"))
    its = side.overlay
    name = f"{its.name}" if its else f"of {network.name}"
    space = Space(
        side.host,
        f"overlay {name}",
        f"{FOLDER}/{its.name}" if its else "",
        its.inode if its else 0,
    )
    bridges = [link for link in its.links if link.kind == "bridge"] if its else []
    of_subnet = (b for b in bridges if any(_within(endpoint.address, a) for a in b.addresses))
    bridge = next(of_subnet, None) or (bridges[0] if bridges else None)
    return Switch(side, space, its, bridge.name if bridge else "br0")


def enter(space: Space, command: str) -> str:
    """A command for an operator on the host, inside of a namespace."""
    inside = f"nsenter --net={space.path} {command}" if space.path else command
    return f"`{inside}` on {space.host}"


def container(end: End, *, first: bool) -> Hop:
    its = end.container
    shares = f", in the sandbox of {its.shares}" if its.shares else ""
    what = (
        f"a process with a network namespace of its own, its sandbox{shares}"
        if first
        else f"the process that the packet is for{shares}"
    )
    gone = Problem("its network namespace is gone", f"`docker restart {its.name}` on {its.host}")
    return Hop(
        Kind.CONTAINER,
        sandbox_space(end),
        its.name,
        what,
        (f"id {its.id[:12]}", f"pid {its.pid}", f"endpoint {end.endpoint.id[:12]}"),
        () if end.sandbox else (gone,),
    )


def sandbox_space(end: End) -> Space:
    its = end.sandbox
    return Space(
        end.side.host, f"sandbox of {end.container.name}", end.container.sandbox, its.inode if its else 0
    )


def interface(end: End, other: End, *, first: bool) -> Hop:
    """A container's end of its veth pair. ``first``: the packet leaves by it, and needs a route."""
    space, link = sandbox_space(end), end.link
    what = "its network card: one end of a veth pair, a cable in software"
    again = f"`docker restart {end.container.name}` on {space.host} makes it anew"
    if link is None:
        seen = f"no interface has the MAC {end.endpoint.mac} or the address {end.endpoint.address}"
        return Hop(Kind.INTERFACE, space, "(none)", what, (), (Problem(seen, again),))
    problems = list(_down(link, space))
    if problems:
        problems = [Problem(p.seen, f"{p.fix}; {again}, with its routes") for p in problems]
    if end.endpoint.address not in _plain(link.addresses):
        has = ", ".join(link.addresses) or "none"
        if not problems or link.addresses:
            seen = f"its address is {has}, and the engine gave {end.endpoint.address}"
            problems.append(Problem(seen, again))
    if link.mac != end.endpoint.mac:
        problems.append(Problem(f"its MAC is {link.mac}, and the engine gave {end.endpoint.mac}", again))
    shows = [*link.addresses, link.mac, f"MTU {link.mtu}"]
    if first and not problems and end.sandbox:
        device = _route(end.sandbox, other.endpoint.address)
        if device != link.name:
            seen = f"the route to {other.endpoint.address} goes by {device or 'nothing'}, not by {link.name}"
            problems.append(Problem(seen, again))
    return _link_hop(Kind.INTERFACE, space, link, what, shows, problems)


def port(at: Switch, end: End) -> Hop:
    """The host's end of a veth pair, which is plugged into the bridge."""
    what = f"the other end of the pair, plugged into {at.name}"
    link, eth = at.port(end), end.link
    if link is None:
        seen = f"the other end of {eth.name if eth else 'the pair'} is not in {at.space.name}"
        fix = f"`docker restart {end.container.name}` on {at.space.host} makes the pair anew"
        return Hop(Kind.VETH, at.space, "(none)", what, (), (Problem(seen, fix),))
    # A pair is without carrier on both ends as soon as one is down: that one is told of.
    problems = [*_down(link, at.space, carrier=bool(eth and eth.up)), *_unplugged(link, at)]
    shows = [f"MTU {link.mtu}", f"in {link.master or 'no bridge'}"]
    return _link_hop(Kind.VETH, at.space, link, what, shows, problems)


def bridge(at: Switch, network: Network) -> Hop:
    what = "a switch in software: what comes in at one port leaves at another"
    link = at.link
    if link is None:
        seen = f"there is no bridge {at.name}"
        if at.namespace is None:
            seen = f"there is no network namespace of {network.name} here"
        fix = f"restart a container that is on it, or the engine of {at.space.host}"
        return Hop(Kind.BRIDGE, at.space, at.name, what, (), (Problem(seen, fix),))
    problems = list(_down(link, at.space, carrier=False))
    # What the option enable_icc=false of a network, or icc=false of an engine, comes to.
    apart = f"-i {at.name} -o {at.name} -j DROP"
    rules = (
        rule.text
        for table in at.side.firewall.tables
        for chain in table.chains.values()
        for rule in chain.rules
    )
    if not at.space.path and any(rule.endswith(apart) for rule in rules):
        problems.append(
            Problem(
                f"`{apart}`: the engine keeps the containers of {network.name} from each other",
                "connect them to a network that was made without enable_icc=false",
            )
        )
    hop = _link_hop(Kind.BRIDGE, at.space, link, what, [*link.addresses, f"MTU {link.mtu}"], problems)
    # A frame from port to port is held against the MTU of the ports, not of the bridge.
    return replace(hop, mtu=0)


def vxlan(at: Switch, far: Switch, network: Network, *, first: bool) -> Hop:
    """The device that packs frames (``first``) or unpacks them."""
    what = (
        "packs the frame into UDP, marked with the network's VNI"
        if first
        else "unpacks the frame, where it knows the VNI"
    )
    link, other = at.vxlan, far.vxlan
    if link is None:
        seen = "there is no vxlan device of this network here"
        fix = f"disconnect and connect the container, or restart the engine of {at.space.host}"
        return Hop(Kind.VXLAN, at.space, "(none)", what, (), (Problem(seen, fix),))
    problems = [*_down(link, at.space), *_unplugged(link, at)]
    if not link.up:
        # The kernel throws them away, also those that are permanent.
        seen = f"{link.name} is down, and its neighbour rows went with it"
        problems[0] = replace(problems[0], seen=seen)
    if not first and other and (link.vni, link.port) != (other.vni, other.port):
        problems.append(
            Problem(
                f"VNI {link.vni}, UDP {link.port}; {far.space.host} sends VNI {other.vni}, UDP {other.port}",
                f"remove and make {network.name} anew, or restart the engine whose device is left over",
            )
        )
    shows = [f"VNI {link.vni}", f"UDP {link.port}", f"MTU {link.mtu}", f"in {link.master or 'no bridge'}"]
    return _link_hop(Kind.VXLAN, at.space, link, what, shows, problems)


def neighbour(at: Switch, target: End) -> Hop:
    """The row that answers ARP in place of the far container."""
    address, mac = target.endpoint.address, target.endpoint.mac
    what = f"who has {address}? The vxlan device answers from this row, no broadcast goes out"
    rows = [n for n in at.namespace.neighbours if n.address == address and n.mac] if at.namespace else []
    fix = enter(at.space, f"ip neigh replace {address} lladdr {mac} dev {_device(at)} nud permanent")
    problems = []
    if not rows:
        problems.append(Problem(f"there is no row for {address}: {at.space.host} does not know its MAC", fix))
    elif rows[0].mac != mac:
        problems.append(Problem(f"the row says {rows[0].mac}, and {target.told} has {mac}", fix))
    shows = [f"{n.mac}", "permanent" if n.permanent else "learned"] if (n := next(iter(rows), None)) else []
    return Hop(Kind.NEIGHBOUR, at.space, address, what, tuple(shows), tuple(problems))


def forwarding(at: Switch, target: End, vtep: str, known: Mapping[str, str]) -> Hop:
    """The row that tells the far host. ``known`` are names of hosts by address."""
    mac = target.endpoint.mac
    what = "which host has that MAC? This row names its VTEP, the other end of the tunnel"
    rows = at.namespace.forwarding if at.namespace else ()
    found = sorted({row.vtep for row in rows if row.mac == mac and row.vtep})
    wrong = [v for v in found if v not in target.side.addresses and v != vtep]
    device = _device(at)
    problems = []
    if not found:
        fix = enter(at.space, f"bridge fdb replace {mac} dev {device} dst {vtep} self permanent")
        problems.append(Problem(f"there is no row for {mac}: the frame has nowhere to go", fix))
    elif wrong:
        leads = ", ".join(f"{v} ({known[v]})" if v in known else v for v in wrong)
        seen = f"the row leads to {leads}, and {target.container.name} is on {target.side.host} ({vtep})"
        if len(found) == len(wrong):
            fix = enter(at.space, f"bridge fdb replace {mac} dev {device} dst {vtep} self permanent")
        else:
            fix = enter(at.space, f"bridge fdb del {mac} dev {device} dst {wrong[0]} self")
        problems.append(Problem(seen, fix))
    shows = [f"-> {v} ({known[v]})" if v in known else f"-> {v}" for v in found]
    return Hop(Kind.FORWARDING, at.space, mac, what, tuple(shows), tuple(problems))


def leaving(side: Side, far: Side, vtep: str) -> Hop:
    """The host's own card, by which the UDP packet leaves."""
    space = own_space(side)
    what = f"the card of {side.host}: the UDP packet leaves by the route to {vtep}"
    way = side.routes.get(vtep) or RouteTo("", "", "", problem="it was not asked for")
    if way.problem or way.local:
        seen = f"no route to {vtep}: the kernel says {way.problem}"
        if way.problem in REFUSED_BY:
            seen = f"{REFUSED_BY[way.problem]} drops what goes to {vtep}"
        if way.local:
            seen = f"{vtep} is an address of {side.host} itself, and should be one of {far.host}"
        fix = f"`ip route get {vtep}` on {side.host} must name an interface; see `ip route show table all`"
        return Hop(Kind.UNDERLAY, space, "(none)", what, (), (Problem(seen, fix),))
    link = side.own.link(way.device) if side.own else None
    if link is None:
        seen = f"the route goes by {way.device}, which is not there"
        fix = f"see `ip link` on {side.host}"
        return Hop(Kind.UNDERLAY, space, way.device, what, (), (Problem(seen, fix),))
    by = f"by the gateway {way.gateway}" if way.gateway else "on the same link"
    problems = [
        *_down(link, space),
        *dropped(side, way.source, vtep, side.port, link.name, outgoing=True),
    ]
    shows = [f"from {way.source}", by, f"MTU {link.mtu}"]
    return _link_hop(Kind.UNDERLAY, space, link, what, shows, problems, VXLAN_OVERHEAD)


def arriving(at: Switch, sender: str, vtep: str) -> Hop:
    """The far host's own card, and the socket behind it. ``sender`` is the address that packets come from."""
    side = at.side
    space = own_space(side)
    what = f"the card of {side.host}: its kernel takes UDP {side.port} for the vxlan device"
    links = side.own.links if side.own else ()
    link = next((x for x in links if vtep in _plain(x.addresses)), None)
    if link is None:
        seen = f"{side.host} does not have the address {vtep} that its engine tells peers"
        fix = "deploy with the right `advertise` for it in the inventory"
        return Hop(Kind.UNDERLAY, space, "(none)", what, (), (Problem(seen, fix),))
    problems = list(_down(link, space))
    # A vxlan device that is down has no socket: that is told of there.
    if side.port not in side.listens and at.vxlan and at.vxlan.up:
        fix = f"restart the engine of {side.host}, or make the network anew"
        problems.append(Problem(f"no socket takes UDP {side.port}", fix))
    problems += dropped(side, sender, vtep, side.port, link.name, outgoing=False) if sender else ()
    shows = [*link.addresses[:2], f"UDP {side.port} {'open' if side.port in side.listens else 'closed'}"]
    return _link_hop(Kind.UNDERLAY, space, link, what, [*shows, f"MTU {link.mtu}"], problems, VXLAN_OVERHEAD)


def dropped(
    side: Side, source: str, target: str, number: int, interface: str, *, outgoing: bool
) -> Iterator[Problem]:
    """Rules of a host's firewall that certainly drop the UDP packet."""
    try:
        packet = Packet("udp", IPv4Address(source), IPv4Address(target), number, interface, outgoing)
    except ValueError:
        return
    mine, other = (source, target) if outgoing else (target, source)
    links = side.own.links if side.own else ()
    own = next((a for x in links for a in x.addresses if a.partition("/")[0] == mine), mine)
    for found in drops(side.firewall.tables, packet):
        if found.certain:
            rule = f"the policy of {one_line(found.chain.name, 60)}"
            if found.rule:
                rule = f"`{one_line(found.rule.text, 200)}`"
            fix = remedy(found, [packet], own=IPv4Interface(own), tool=side.firewall.tool)
            yield Problem(
                f"{rule} ({ruler(found)}) drops UDP {number} {'to' if outgoing else 'from'} {other}",
                f"`{fix}` on {side.host}",
            )


def _link_hop(
    kind: Kind,
    space: Space,
    link: Link,
    what: str,
    shows: list[str],
    problems: list[Problem],
    overhead: int = 0,
) -> Hop:
    state = [] if link.up else ["DOWN"]
    return Hop(
        kind, space, link.name, what, (*shows, *state), tuple(problems), link.index, link.mtu, overhead
    )


def _down(link: Link, space: Space, *, carrier: bool = True) -> Iterator[Problem]:
    if not link.up:
        yield Problem(f"{link.name} is down", enter(space, f"ip link set {link.name} up"))
    elif carrier and not link.carrier:
        yield Problem(f"{link.name} has no carrier: its other end is down or gone", "bring its other end up")


def _unplugged(link: Link, at: Switch) -> Iterator[Problem]:
    if link.master != at.name:
        into = f"into {link.master}" if link.master else "into nothing"
        yield Problem(
            f"{link.name} is plugged {into}, not into {at.name}",
            enter(at.space, f"ip link set {link.name} master {at.name}"),
        )


def _device(at: Switch) -> str:
    return at.vxlan.name if at.vxlan else "vxlan0"


def _plain(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(a.partition("/")[0] for a in addresses)


def _within(address: str, network: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Interface(network).network
    except ValueError:
        return False


def _route(namespace: Namespace, address: str) -> str:
    """The device of the longest prefix that fits, "" where none does."""
    best, device = -1, ""
    for route in namespace.routes:
        try:
            network = IPv4Network("0.0.0.0/0" if route.destination == "default" else route.destination)
        except ValueError:
            continue
        if IPv4Address(address) in network and network.prefixlen > best:
            best, device = network.prefixlen, route.device
    return device
