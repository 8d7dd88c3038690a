"""Hops between hosts: the vxlan device, the rows that lead it, and the hosts' own cards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from overweave.facts.way import RouteTo, Side
from overweave.firewall.judge import drops
from overweave.firewall.remedy import remedy, ruler
from overweave.firewall.rules import Packet
from overweave.model import VXLAN_OVERHEAD
from overweave.printable import one_line

from .ends import End, Switch, down, enter, link_hop, own_space, plain, unplugged
from .model import Hop, Kind, Network, Problem

REFUSED_BY = {
    "Invalid argument": "a blackhole route",
    "No route to host": "an unreachable route",
    "Permission denied": "a prohibit route",
}
"""What the kernel answers for routes that drop on purpose."""


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
    problems = [*down(link, at.space), *unplugged(link, at)]
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
    return link_hop(Kind.VXLAN, at.space, link, what, shows, problems)


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
    mine = [row for row in rows if row.mac == mac and row.vtep]
    found = sorted({row.vtep for row in mine})
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
    elif not any(row.permanent for row in mine):
        fix = enter(at.space, f"bridge fdb replace {mac} dev {device} dst {vtep} self permanent")
        seen = "the row was learned from a packet and goes again after minutes; the engine has made none"
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
        *down(link, space),
        *dropped(side, way.source, vtep, side.port, link.name, outgoing=True),
    ]
    shows = [f"from {way.source}", by, f"MTU {link.mtu}"]
    return link_hop(Kind.UNDERLAY, space, link, what, shows, problems, VXLAN_OVERHEAD)


def arriving(at: Switch, sender: str, vtep: str) -> Hop:
    """The far host's own card, and the socket behind it. ``sender`` is the address that packets come from."""
    side = at.side
    space = own_space(side)
    what = f"the card of {side.host}: its kernel takes UDP {side.port} for the vxlan device"
    links = side.own.links if side.own else ()
    link = next((x for x in links if vtep in plain(x.addresses)), None)
    if link is None:
        seen = f"{side.host} does not have the address {vtep} that its engine tells peers"
        fix = "deploy with the right `advertise` for it in the inventory"
        return Hop(Kind.UNDERLAY, space, "(none)", what, (), (Problem(seen, fix),))
    problems = list(down(link, space))
    # A vxlan device that is down has no socket: that is told of there.
    if side.port not in side.listens and at.vxlan and at.vxlan.up:
        fix = f"restart the engine of {side.host}, or make the network anew"
        problems.append(Problem(f"no socket takes UDP {side.port}", fix))
    problems += dropped(side, sender, vtep, side.port, link.name, outgoing=False) if sender else ()
    shows = [*link.addresses[:2], f"UDP {side.port} {'open' if side.port in side.listens else 'closed'}"]
    return link_hop(Kind.UNDERLAY, space, link, what, [*shows, f"MTU {link.mtu}"], problems, VXLAN_OVERHEAD)


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


def _device(at: Switch) -> str:
    return at.vxlan.name if at.vxlan else "vxlan0"
