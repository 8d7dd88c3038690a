"""The rows that lead to containers on other hosts: half missing, leading elsewhere, or of nobody.

Measured on engines of 20.10. An engine makes both rows of a container, a neighbour and a forwarding row, when
the container joins, and else when the first packet to it finds no neighbour: an address without any row is no
fault while the gossip is whole. But an engine that was not in the gossip yet when a container joined, as
after a boot, never tells where that container is (measured), and nobody sees that from outside: so rows that
are not there are a note, and are written. An address with a neighbour row alone is dead for ever, because
nothing is asked then. Rows that were made at the first packet stay when the container goes (it is another
entry in the engine's books), and the engine does not take the address's next place from the gossip then. They
are told and left alone: who deletes them leaves the entry, and of the next container on the host that they
lead to, which was reached with them, the engine makes the neighbour row alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from overweave.facts.libnetwork import Network
from overweave.facts.live import Live
from overweave.facts.namespaces import FOLDER, Link, Namespace, newest
from overweave.gossip.islands import unseen
from overweave.model import Fleet
from overweave.preflight.finding import error, note
from overweave.steps import MendRows, Row

from .fault import Fault
from .places import Place, Places

DOWN = "its containers reach no other host"
NOBODYS = "00:00:00:00:00:00"
NOWHERE = "packets for it go nowhere (moby#35807)"
ELSEWHERE = "packets for it go to another host, and those that come from it are dropped (moby#52661)"
ASKS = "its engine asks the others at the first packet, and one that was late in the gossip does not answer"
STALE = "a container that gets this address on another host is dead to this one (moby#52661)"
KEEP = "leave it, the engine has it in its books; `fab repair` mends it once a container has the address"


def rows(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One fault for each row of each host's namespace of an overlay."""
    found = []
    # Rows to these come with the gossip.
    missing = unseen(live.fleet.views)
    for network in live.records.networks.values() if live.records else ():
        there = _alone(places.on(network.id))
        known = _known(network.id, places)
        for host in live.hosts:
            for space, device, subnet in _devices(network, live, host):
                if device.up and not space.forwarding:
                    # The kernel has rows of its own there, so these were not read.
                    continue
                its = tuple(p for p in there if _of(p, subnet))
                look = _Look(host, network.name, space, device, its)
                found += look.faults(known, places.others)
                if device.up:
                    found += look.not_there(without=missing.get(host, ()))
    return found


def devices(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """A device that is down has lost its neighbour rows, too: they come again with the first packets."""
    found = []
    for network in live.records.networks.values() if live.records else ():
        for host in live.hosts:
            for space, device, _ in _devices(network, live, host):
                if not device.up:
                    seen = f"vxlan device {device.name} of {network.name} is down"
                    fix = f"`nsenter --net={FOLDER}/{space.name} ip link set {device.name} up` on the host"
                    found.append(Fault(error("vxlan.down", seen, matters=DOWN, fix=fix, host=host)))
    return found


def lacking(live: Live, places: Places, without: Mapping[str, Iterable[str]]) -> list[MendRows]:
    """Rows that hosts lack for containers on hosts that their engine did not see while these joined."""
    steps = []
    for host, others in without.items():
        for network in live.records.networks.values() if live.records else ():
            for space, device, subnet in _devices(network, live, host):
                write = tuple(
                    Row(p.attachment.address, p.attachment.mac, p.vtep)
                    for p in _alone(places.on(network.id))
                    if p.host in others and _of(p, subnet) and space.vtep_of(p.attachment.address) != p.vtep
                )
                if write:
                    why = "its engine did not see them join"
                    steps.append(MendRows(host, why, network.name, space.name, device.name, write))
    return steps


def _devices(network: Network, live: Live, host: str) -> Iterator[tuple[Namespace, Link, IPv4Network]]:
    """A network has one vxlan device for each of its subnets, which the VNI tells."""
    space = newest(live.hosts[host].docker, network.id)
    for device in space.vxlans() if space else ():
        for its in network.subnets:
            if space and its.vni == device.vni:
                yield space, device, its.subnet


def _of(place: Place, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(place.attachment.address) in subnet
    except ValueError:
        return False


def _alone(there: Sequence[Place]) -> tuple[Place, ...]:
    """Those whose rows can be judged. Of two containers with one address or one MAC neither row is right:
    that is a fault of its own."""
    its = [place for place in there if place.vtep]
    addresses = Counter(place.attachment.address for place in there)
    macs = Counter(place.attachment.mac for place in there)
    return tuple(
        p for p in its if p.attachment.mac and addresses[p.attachment.address] == macs[p.attachment.mac] == 1
    )


def _known(network: str, places: Places) -> frozenset[str]:
    """Addresses and MACs that are somebody's, or may be: of endpoints whose engine was not asked, of those
    that start, and of hosts that may come back."""
    maybe = [
        *(e for its in places.unseen.values() for e in its),
        *places.starting,
        *(e for e in places.stale if e.locator not in places.asked),
    ]
    words = {word for e in maybe if e.network == network for word in (e.address, e.mac)}
    return frozenset(
        words | {w for p in places.on(network) for w in (p.attachment.address, p.attachment.mac)}
    )


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

    def faults(self, known: frozenset[str], others: frozenset[str]) -> list[Fault]:
        """``known`` are addresses and MACs that are somebody's, ``others`` the VTEPs of engines that nobody
        asked: rows to these may be right."""
        found: list[Fault] = []
        for place in self._there:
            found += self._of_local(place) if place.host == self._host else self._of_remote(place)
        return [*found, *self._of_nobody(known, others)]

    def not_there(self, *, without: Iterable[str]) -> Iterable[Fault]:
        """Containers on other hosts, but for those ``without``, that have no neighbour row."""
        others = {self._host, *without}
        places = [
            p for p in self._there if p.host not in others and p.attachment.address not in self._neighbours
        ]
        write = tuple(Row(p.attachment.address, p.attachment.mac, p.vtep) for p in places)
        if write:
            which = f"{places[0].attachment.container} on {places[0].host} ({write[0].address})"
            more = f" and {len(write) - 1} more" if len(write) > 1 else ""
            seen = f"no neighbour row yet on {self._network} for {which}{more}"
            yield self._fault("rows.neighbour", seen, ASKS, write=write)

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

    def _of_nobody(self, known: frozenset[str], others: frozenset[str]) -> Iterable[Fault]:
        """Notes: nothing is broken until somebody gets the address, and nothing but that can be mended."""
        away = {mac for mac, leads in self._forwarding.items() if not others.isdisjoint(leads)}
        nobodys = {
            mac: tuple(vtep for vtep, permanent in leads.items() if permanent)
            for mac, leads in self._forwarding.items()
            if mac not in known | away and any(leads.values())
        }

        def told(what: str, leads: tuple[str, ...]) -> Fault:
            to = f" to {', '.join(leads)}" if leads else ""
            seen = f"{what}{to} on {self._network}, which no container has"
            return Fault(note("rows.stale", seen, matters=STALE, fix=KEEP, host=self._host))

        for address, neighbour in self._neighbours.items():
            if neighbour.permanent and address not in known and neighbour.mac not in away:
                rows = nobodys.pop(neighbour.mac, ())
                yield told(f"{'rows' if rows else 'a neighbour row'} for {address}", rows)
        for mac, rows in nobodys.items():
            yield told(f"a forwarding row for {mac}", rows)

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
        tell = note if check == "rows.neighbour" else error
        fix = "`fab repair` writes it anew" if write else "`fab repair` deletes it"
        return Fault(tell(check, seen, matters=matters, fix=fix, host=self._host), (step,))
