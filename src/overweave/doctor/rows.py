"""The rows that lead to containers on other hosts: half missing, leading elsewhere, or of nobody.

Measured on engines of 20.10. An engine makes both rows of a container, a neighbour and a forwarding row, when
the container joins, and else when the first packet to it finds no neighbour: an address without any row is no
fault while the gossip is whole. An address with a neighbour row alone is dead for ever, because nothing is
asked then. Rows that were made at the first packet stay when the container goes (it is another entry in the
engine's books), and while they are there the engine does not take the address's next place from the gossip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from overweave.facts.live import Live
from overweave.facts.namespaces import Link, Namespace
from overweave.model import Fleet
from overweave.preflight.finding import error, warning
from overweave.steps import MendRows, Row

from .fault import Fault
from .places import Place, Places, namespaces_of

NOBODYS = "00:00:00:00:00:00"
NOWHERE = "packets for it go nowhere (moby#35807)"
ELSEWHERE = "packets for it go to another host, and those that come from it are dropped (moby#52661)"
STALE = "a container that gets this address on another host is dead to this one (moby#52661)"


def rows(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One fault for each row of each host's namespace of an overlay."""
    found = []
    for network in live.records.networks.values() if live.records else ():
        there = places.on(network.id)
        unsure = _unsure(network.id, places)
        for host in live.hosts:
            space, device = _namespace(network.id, live, host)
            if space and device:
                found += _Look(host, network.name, space, device, there).faults(unsure)
    return found


def lacking(live: Live, places: Places, unseen: Mapping[str, Iterable[str]]) -> list[MendRows]:
    """Rows that hosts lack for containers on hosts that their engine did not see while these joined."""
    steps = []
    for host, others in unseen.items():
        for network in live.records.networks.values() if live.records else ():
            space, device = _namespace(network.id, live, host)
            if not space or not device:
                continue
            write = tuple(
                Row(p.attachment.address, p.attachment.mac, p.vtep)
                for p in places.on(network.id)
                if p.host in others and p.vtep and space.vtep_of(p.attachment.address) != p.vtep
            )
            if write:
                why = "its engine did not see them join"
                steps.append(MendRows(host, why, network.name, space.name, device.name, write))
    return steps


def _namespace(network: str, live: Live, host: str) -> tuple[Namespace | None, Link | None]:
    spaces = namespaces_of(network, live, host)
    devices = spaces[0].vxlans() if spaces else ()
    return (spaces[0], devices[0]) if devices else (None, None)


def _unsure(network: str, places: Places) -> frozenset[str]:
    """Addresses and MACs of endpoints whose engine was not asked: rows of these may be right."""
    endpoints = [e for its in places.unseen.values() for e in its if e.network == network]
    return frozenset(word for e in endpoints for word in (e.address, e.mac))


class _Look:
    """At one host's namespace of one network, with the containers ``there``."""

    def __init__(
        self, host: str, network: str, space: Namespace, device: Link, there: tuple[Place, ...]
    ) -> None:
        self._host, self._network, self._space, self._device = host, network, space.name, device.name
        self._there = there
        self._neighbours = {n.address: n for n in space.neighbours if n.device == device.name and n.mac}
        self._forwarding: dict[str, dict[str, bool]] = {}
        for row in space.forwarding:
            if row.device == device.name and row.vtep and row.mac != NOBODYS:
                self._forwarding.setdefault(row.mac, {})[row.vtep] = row.permanent

    def faults(self, unsure: frozenset[str]) -> list[Fault]:
        twice = Counter(place.attachment.address for place in self._there)
        found: list[Fault] = []
        for place in self._there:
            # Of two containers with one address neither row is right: that is a fault of its own.
            if place.vtep and twice[place.attachment.address] == 1:
                found += self._of_local(place) if place.host == self._host else self._of_remote(place)
        return [*found, *self._of_nobody(unsure)]

    def _of_remote(self, place: Place) -> Iterable[Fault]:
        its = place.attachment
        what = f"{its.container} on {place.host} ({its.address} on {self._network})"
        write = (Row(its.address, its.mac, place.vtep),)
        neighbour, leads = self._neighbours.get(its.address), self._forwarding.get(its.mac, {})
        wrong = tuple((its.mac, vtep) for vtep in leads if vtep != place.vtep)
        if neighbour is not None and neighbour.mac != its.mac:
            seen = f"the neighbour row for {what} has the MAC {neighbour.mac}, not {its.mac}"
            matters = "packets for it go to another container or nowhere"
            yield self._fault("rows.mac", seen, matters, write=write)
        if neighbour is not None and not leads:
            yield self._fault("rows.forwarding", f"no forwarding row for {what}", NOWHERE, write=write)
        elif neighbour is not None and not any(leads.values()):
            seen = f"the forwarding row for {what} is only one that the kernel forgets"
            yield self._fault("rows.forwarding", seen, f"in some minutes {NOWHERE}", write=write)
        if wrong:
            seen = f"the forwarding row for {what} leads to {wrong[0][1]}, not to {place.vtep}"
            yield self._fault("rows.vtep", seen, ELSEWHERE, write=write, drop_forwarding=wrong)

    def _of_local(self, place: Place) -> Iterable[Fault]:
        """An engine that is asked for a container of its own host makes rows for it, too, to itself."""
        its = place.attachment
        away = tuple((its.mac, vtep) for vtep in self._forwarding.get(its.mac, ()) if vtep != place.vtep)
        if away:
            what = f"{its.container} on this very host ({its.address} on {self._network})"
            seen = f"a forwarding row for {what} leads to {away[0][1]}"
            matters = "containers beside it reach another host, or nobody (moby#52661)"
            neighbour = (its.address,) if its.address in self._neighbours else ()
            yield self._fault("rows.vtep", seen, matters, drop_neighbours=neighbour, drop_forwarding=away)

    def _of_nobody(self, unsure: frozenset[str]) -> Iterable[Fault]:
        """A warning: nothing is broken until somebody gets the address."""
        known = unsure | {w for p in self._there for w in (p.attachment.address, p.attachment.mac)}
        nobodys = {
            mac: tuple((mac, vtep) for vtep, permanent in leads.items() if permanent)
            for mac, leads in self._forwarding.items()
            if mac not in known and any(leads.values())
        }

        def told(what: str, address: str, leads: tuple[tuple[str, str], ...]) -> Fault:
            to = f" to {', '.join(vtep for _, vtep in leads)}" if leads else ""
            seen = f"{what}{to} on {self._network}, which no container has"
            drop = (address,) if address else ()
            return self._fault("rows.stale", seen, STALE, drop_neighbours=drop, drop_forwarding=leads)

        for address, neighbour in self._neighbours.items():
            if neighbour.permanent and address not in known:
                rows = nobodys.pop(neighbour.mac, ())
                yield told(f"{'rows' if rows else 'a neighbour row'} for {address}", address, rows)
        for mac, rows in nobodys.items():
            yield told(f"a forwarding row for {mac}", "", rows)

    def _fault(
        self,
        check: str,
        seen: str,
        matters: str,
        *,
        write: tuple[Row, ...] = (),
        drop_neighbours: tuple[str, ...] = (),
        drop_forwarding: tuple[tuple[str, str], ...] = (),
    ) -> Fault:
        step = MendRows(
            self._host,
            seen,
            self._network,
            self._space,
            self._device,
            write,
            drop_neighbours,
            drop_forwarding,
        )
        tell = warning if check == "rows.stale" else error
        fix = "`fab repair` writes it anew" if write else "`fab repair` deletes it"
        return Fault(tell(check, seen, matters=matters, fix=fix, host=self._host), (step,))
