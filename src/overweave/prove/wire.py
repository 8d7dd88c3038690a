"""The proof of a network on the hosts' own wire: what is tried outside of it, and why it is red. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from overweave.wanted import MACVLAN, WantedNetwork

from .matrix import Cause, Matrix, Outside

CHECKS = ("icmp", "udp", "connect", "tcp", "mtu")
"""Engines know no names of containers on other hosts here, and there is no vxlan device."""
RULE = "frames-dropped"


@dataclass(frozen=True)
class Target:
    """An address outside. ``host`` is whose it is; ``on_link``: it is in the network's subnet; ``shim``: it
    is that host's own on the network."""

    host: str
    address: str
    on_link: bool
    shim: bool = False

    @property
    def told(self) -> str:
        return f"{self.host} itself ({self.address})" if self.shim else f"{self.host} ({self.address})"


def targets(network: WantedNetwork, held: Mapping[str, Mapping[str, str]]) -> list[Target]:
    """What is tried: an address of each host, one in the network's subnet if it has any, and the shims.
    ``held``: addresses of each host with their interfaces, the one that its peers reach first."""
    found = []
    for host, addresses in held.items():
        inside = [a for a in addresses if _on_link(network, a)]
        shims = {str(its.shims[host]) for its in network.subnets if network.shim and host in its.shims}
        for address in [a for a in inside if a not in shims][:1] or list(addresses)[:1]:
            found.append(Target(host, address, address in inside))
        found += [Target(host, address, True, shim=True) for address in sorted(shims)]
    return found


def _on_link(network: WantedNetwork, address: str) -> bool:
    return any(IPv4Address(address) in its.subnet for its in network.subnets)


def judged(matrix: Matrix, network: WantedNetwork, tried: list[Target]) -> Matrix:
    """With what was tried as `Outside`, and with causes. A container never reaches the interface of its own
    host that it is on; beyond its subnet the gateway decides."""
    by_name = {its.told: its for its in tried}
    outside = []
    for its in matrix.isolation:
        target = by_name[its.target]
        own = target.host == its.source
        if target.shim and not own:
            continue
        wanted = target.on_link and own is target.shim
        outside.append(Outside(its.source, its.target, bool(its.reached), wanted))
    made = replace(matrix, isolation=(), outside=tuple(outside), evidence={})
    return replace(made, causes=_causes(made, network))


def _causes(matrix: Matrix, network: WantedNetwork) -> tuple[Cause, ...]:
    """Pairs that nothing came back through; a datagram needs one direction only."""
    dead = tuple(
        (p.source, p.target)
        for p in matrix.red
        if not any(verdict.ok for check, verdict in p.checks.items() if check != "udp")
    )
    if not dead:
        return ()
    hosts = sorted({name for pair in dead for name in pair}, key=matrix.hosts.index)
    if network.driver == MACVLAN:
        seen = "nothing passes between containers: frames of other MACs than the hosts' own may be dropped"
        fix = (
            "let the hypervisor or the switch pass them (promiscuous mode, forged transmits, MAC spoofing, "
            "no port security, the VLAN on each port), or take `driver: ipvlan`"
        )
    else:
        seen = "nothing passes between containers: other addresses than the hosts' own may be dropped"
        fix = "let the hypervisor or the switch pass them, and the VLAN on each port"
    return (Cause(RULE, ", ".join(hosts), seen, fix, (), dead),)
