"""The rows that lead to containers on other hosts: missing, stale, or leading elsewhere.

An engine learns where a container is from the gossip, when it joins or when somebody first asks for it
(libnetwork, ``watchMiss``). It makes a permanent neighbour row and a permanent forwarding row for each; the
kernel learns more from what comes in, and forgets those again after minutes.
"""

from __future__ import annotations

from collections import Counter

from overweave.facts.live import Live
from overweave.facts.namespaces import Link, Namespace
from overweave.model import Fleet
from overweave.preflight.finding import error
from overweave.steps import MendRows, Row

from .fault import Fault
from .places import Place, Places, namespaces_of

NOBODYS = "00:00:00:00:00:00"
NOWHERE = "packets for it go nowhere (moby#35807)"
ELSEWHERE = "packets for it go to another host, and those that come from it are dropped (moby#52661)"
STALE = "a new container that gets this address is dead to this host (moby#52661)"

_Mending = tuple[tuple[Row, ...], tuple[str, ...], tuple[tuple[str, str], ...]]
"""What to write, and which neighbours and which forwarding rows to drop."""


def rows(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One fault for each row of each host's namespace of an overlay."""
    found = []
    if live.records is None:
        return []
    for network in live.records.networks.values():
        there = places.on(network.id)
        for host in live.hosts:
            spaces = namespaces_of(network.id, live, host)
            device = spaces[0].vxlans()[0] if spaces and spaces[0].vxlans() else None
            if device is not None:
                found += _of_namespace(
                    host, network.name, spaces[0], device, there, _unsure(network.id, places)
                )
    return found


def missing(live: Live, places: Places) -> dict[str, dict[str, tuple[str, ...]]]:
    """Addresses of containers that a host has no rows for, by host and name of the namespace."""
    wanted: dict[str, dict[str, tuple[str, ...]]] = {}
    for place in places.live.values():
        for host in live.hosts:
            spaces = namespaces_of(place.attachment.network, live, host)
            if host != place.host and spaces and not spaces[0].vtep_of(place.attachment.address):
                its = wanted.setdefault(host, {})
                its[spaces[0].name] = (*its.get(spaces[0].name, ()), place.attachment.address)
    return wanted


def _unsure(network: str, places: Places) -> frozenset[str]:
    """Addresses and MACs of endpoints whose engine was not asked: rows of these may be right."""
    endpoints = [e for its in places.unseen.values() for e in its if e.network == network]
    return frozenset(word for e in endpoints for word in (e.address, e.mac))


def _of_namespace(
    host: str, network: str, space: Namespace, device: Link, there: tuple[Place, ...], unsure: frozenset[str]
) -> list[Fault]:
    neighbours = {n.address: n for n in space.neighbours if n.device == device.name and n.mac}
    forwarding: dict[str, dict[str, bool]] = {}
    for row in space.forwarding:
        if row.device == device.name and row.vtep and row.mac != NOBODYS:
            forwarding.setdefault(row.mac, {})[row.vtep] = row.permanent
    addresses = Counter(place.attachment.address for place in there)
    found = []

    def fault(check: str, seen: str, matters: str, mends: _Mending) -> None:
        step = MendRows(host, seen, network, space.name, device.name, *mends)
        fix = "`fab repair` writes it anew" if mends[0] else "`fab repair` deletes it"
        found.append(Fault(error(check, seen, matters=matters, fix=fix, host=host), (step,)))

    for place in there:
        its = place.attachment
        # Of two containers with one address neither row is the right one: that is told as a fault of its own.
        if place.host == host or not place.vtep or addresses[its.address] > 1:
            continue
        what = f"{its.container} on {place.host} ({its.address} on {network})"
        write = (Row(its.address, its.mac, place.vtep),)
        neighbour, leads = neighbours.get(its.address), forwarding.get(its.mac, {})
        wrong = tuple((its.mac, vtep) for vtep in leads if vtep != place.vtep)
        if neighbour is None:
            fault("rows.neighbour", f"no neighbour row for {what}", NOWHERE, (write, (), ()))
        elif neighbour.mac != its.mac:
            seen = f"the neighbour row for {what} has the MAC {neighbour.mac}, not {its.mac}"
            fault("rows.mac", seen, "packets for it go to another container or nowhere", (write, (), ()))
        if not leads:
            fault("rows.forwarding", f"no forwarding row for {what}", NOWHERE, (write, (), ()))
        elif wrong:
            seen = f"the forwarding row for {what} leads to {wrong[0][1]}, not to {place.vtep}"
            fault("rows.vtep", seen, ELSEWHERE, (write, (), wrong))
    known = unsure | {word for p in there for word in (p.attachment.address, p.attachment.mac)}
    for address, neighbour in neighbours.items():
        if neighbour.permanent and address not in known:
            seen = f"a neighbour row for {address} on {network}, which no container has"
            fault("rows.stale", seen, STALE, ((), (address,), ()))
    # An engine that is asked for a container of its own host makes rows for it, too: they lead to itself.
    local = {p.attachment.mac: p.vtep for p in there if p.host == host}
    for mac, vteps in forwarding.items():
        for vtep, permanent in vteps.items():
            if mac in local and vtep != local[mac]:
                seen = (
                    f"a forwarding row for {mac} to {vtep} on {network}, which a container on this host has"
                )
            elif mac not in known and permanent:
                seen = f"a forwarding row for {mac} to {vtep} on {network}, which no container has"
            else:
                continue
            fault("rows.stale", seen, STALE, ((), (), ((mac, vtep),)))
    return found
