"""Where a way begins and ends, and the bridge between: looked up among the links of a host. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from overweave.facts.containers import ContainerFact, Endpoint
from overweave.facts.namespaces import FOLDER, Link, Namespace
from overweave.facts.way import Side

from .model import Hop, Kind, Network, Problem, Space

OWN = "/proc/self/ns/net"
"""The host's own namespace, for a program of the host."""


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
        its = self.endpoint
        return self.sandbox.interface(its.mac, its.address) if self.sandbox else None


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
        return self.namespace.other_end(eth) if self.namespace and eth else None

    @property
    def vxlan(self) -> Link | None:
        """The one in the bridge, else the only one."""
        found = self.namespace.vxlans() if self.namespace else ()
        return next((v for v in found if v.master == self.name), found[0] if len(found) == 1 else None)


def own_space(side: Side) -> Space:
    return Space(side.host, "the host's own network", "", side.own.inode if side.own else 0)


def sandbox_space(end: End) -> Space:
    its = end.sandbox
    return Space(
        end.side.host, f"sandbox of {end.container.name}", end.container.sandbox, its.inode if its else 0
    )


def switch(side: Side, network: Network, endpoint: Endpoint) -> Switch:
    """``endpoint`` is that of a container on it, which tells the bridges of several subnets apart."""
    if network.driver != "overlay":
        links = side.own.links if side.own else ()
        gateways = (b.name for b in links if b.kind == "bridge" and endpoint.gateway in plain(b.addresses))
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


def link_hop(
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


def down(link: Link, space: Space, *, carrier: bool = True) -> Iterator[Problem]:
    if not link.up:
        yield Problem(f"{link.name} is down", enter(space, f"ip link set {link.name} up"))
    elif carrier and not link.carrier:
        yield Problem(f"{link.name} has no carrier: its other end is down or gone", "bring its other end up")


def unplugged(link: Link, at: Switch) -> Iterator[Problem]:
    if link.master != at.name:
        into = f"into {link.master}" if link.master else "into nothing"
        yield Problem(
            f"{link.name} is plugged {into}, not into {at.name}",
            enter(at.space, f"ip link set {link.name} master {at.name}"),
        )


def plain(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(a.partition("/")[0] for a in addresses)


def _within(address: str, network: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Interface(network).network
    except ValueError:
        return False
