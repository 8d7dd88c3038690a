"""Which address a host had that can't be asked any more, from what the others know of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address

from .errors import Refused
from .facts.boot import UNIT_FILE
from .facts.live import Live
from .facts.store import Member
from .facts.typed import ipv4
from .model import Host
from .stores import consul

HINT = "name the one it had: --address ADDRESS"


def strangers(live: Live, members: Sequence[Member], among: Collection[str]) -> dict[str, frozenset[str]]:
    """Addresses that the store, the gossips and the hosts ``among`` know of engines that are on none of these
    hosts, each with the names that go with it there."""
    found: dict[str, set[str]] = {}

    def note(address: str, name: str = "") -> None:
        if ipv4(address):
            found.setdefault(address, set()).update({name} - {""})

    for node in live.records.nodes if live.records else ():
        note(node.rpartition(":")[0])
    for endpoint in live.records.endpoints if live.records else ():
        note(endpoint.locator)
    for name, view in live.fleet.views.items():
        for heard in view.members if name in among else ():
            note(str(heard.address), heard.name)
    for member in members:
        if not member.gone:
            note(member.address, member.name)
    own = set[str]()
    for name in among:
        its = live.fleet.hosts[name]
        own |= {str(a.ip) for i in its.interfaces.all for a in i.addresses}
        for word in re.findall(r"\d+\.\d+\.\d+\.\d+", its.boot.files.get(UNIT_FILE, "")):
            note(word)
        for address in consul.servers_of(its.store_config):
            note(address)
    return {address: frozenset(names) for address, names in found.items() if address not in own}


def find(
    name: str,
    host: Host | None,
    known: Mapping[str, frozenset[str]],
    given: str = "",
    *,
    moved: bool = False,
) -> str:
    """The address that a host advertised; "" where nobody knows of any. ``host`` is that of the inventory,
    ``known`` are `strangers`, ``given`` what somebody says. ``moved``: another machine has its name now, and
    may have another address.

    Raises `Refused` where it may be one of several.
    """
    said = [given, host.advertise or "" if host else "", host.access.address if host else "", name]
    for words in said:
        address = ipv4(words)
        if address and (address in known or words == given):
            return address
    called = {name, host.access.address if host else name}
    fitting = [address for address, names in known.items() if names & called]
    if len(fitting) == 1:
        return fitting[0]
    if not known or (any(map(ipv4, said)) and not moved):
        return ""
    these = ", ".join(
        f"{address} ({', '.join(sorted(names))})" if names else address
        for address, names in sorted(known.items(), key=lambda its: IPv4Address(its[0]))
    )
    raise Refused(
        f"which address it had is not known; of none of the other hosts are {these}", host=name, hint=HINT
    )
