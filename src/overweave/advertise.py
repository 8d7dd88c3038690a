"""Which address of a host its peers reach: the VTEP's, the gossip's and the store's. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface

from .errors import Refused
from .facts.interfaces import Interfaces
from .model import Host

ENGINE_PORT = 2376
"""Only announced, never listened on: the name of a node in the store is ``address:port``."""


@dataclass(frozen=True)
class Advertise:
    """``given``: the interface where the inventory names one, else the address."""

    interface: str
    address: str
    mtu: int
    given: str

    @property
    def flag(self) -> str:
        return f"{self.given}:{ENGINE_PORT}"

    @property
    def node(self) -> str:
        return f"{self.address}:{ENGINE_PORT}"


def choose(
    hosts: Mapping[str, tuple[Host, Interfaces, str]],
) -> tuple[dict[str, Advertise], list[Refused]]:
    """The advertise address of every host, and a refusal for each that has none.

    ``hosts`` gives for each name the wanted host, its interfaces, and the address ssh reaches it at.
    In this order: what the inventory says; the address that ssh reaches, if the host owns it and no
    other host has the same; the only address in a subnet that all hosts share. The NAT address that
    Vagrant gives to every machine (10.0.2.15) falls out, because all hosts have it.
    """
    owners = Counter(str(a.ip) for _, interfaces, _ in hosts.values() for a in _addresses(interfaces))
    chosen: dict[str, Advertise] = {}
    refused: list[Refused] = []
    for name, (host, interfaces, reached_at) in hosts.items():
        if host.advertise is not None:
            found = _as_given(name, host.advertise, interfaces)
        elif owners[reached_at] == 1 and (interface := interfaces.holding(reached_at)):
            found = Advertise(interface.name, reached_at, interface.mtu, reached_at)
        else:
            found = _in_shared_subnet(name, interfaces, owners, hosts)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            chosen[name] = found
    twins = Counter(a.address for a in chosen.values())
    for address, count in twins.items():
        if count > 1:
            who = ", ".join(name for name, a in chosen.items() if a.address == address)
            refused.append(
                Refused(
                    f"{who} would all advertise {address}",
                    hint="give each host an address of its own with `advertise:` in the inventory",
                )
            )
    return chosen, refused


def _addresses(interfaces: Interfaces) -> list[IPv4Interface]:
    return [a for interface in interfaces.all if not interface.is_dockers for a in interface.addresses]


def _as_given(name: str, given: str, interfaces: Interfaces) -> Advertise | Refused:
    if given[0].isdigit() and given.count(".") == 3:
        if interface := interfaces.holding(given):
            return Advertise(interface.name, given, interface.mtu, given)
        own = ", ".join(f"{a.ip} ({i.name})" for i in interfaces.all for a in i.addresses)
        return Refused(
            f"advertise address {given} is not one of this host's", host=name, hint=f"its own are: {own}"
        )
    interface = interfaces.named(given)
    if interface is None:
        names = ", ".join(i.name for i in interfaces.all if not i.is_dockers and i.name != "lo")
        return Refused(f"there is no interface {given}", host=name, hint=f"it has: {names}")
    if not interface.addresses:
        return Refused(
            f"interface {given} has no IPv4 address", host=name, hint=f"see `ip address show {given}`"
        )
    return Advertise(given, str(interface.addresses[0].ip), interface.mtu, given)


def _in_shared_subnet(
    name: str,
    interfaces: Interfaces,
    owners: Counter[str],
    hosts: Mapping[str, tuple[Host, Interfaces, str]],
) -> Advertise | Refused:
    others = [other for key, (_, other, _) in hosts.items() if key != name]
    fitting = [
        (interface, address)
        for interface in interfaces.all
        if not interface.is_dockers
        for address in interface.addresses
        if owners[str(address.ip)] == 1
        and all(any(a.ip in address.network for a in _addresses(other)) for other in others)
    ]
    if len(fitting) == 1:
        interface, address = fitting[0]
        return Advertise(interface.name, str(address.ip), interface.mtu, str(address.ip))
    choice = ", ".join(f"{a.ip} ({i.name})" for i, a in fitting) or "none is in a subnet of all hosts"
    return Refused(
        "it is not clear which address the other hosts reach",
        host=name,
        hint=f"give it with `advertise:` in the inventory; candidates: {choice}",
    )
