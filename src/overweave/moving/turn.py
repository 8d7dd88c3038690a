"""A host's turn in a move, and what all turns need to know. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from overweave import anchor, backend
from overweave.advertise import Advertise
from overweave.backends.swarm import member_of
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.moving import MoveNote, Moving, Overlay, Seat, Wired
from overweave.facts.unit import Unit
from overweave.model import SWARM, Fleet
from overweave.overlay import addresses, users_containers
from overweave.steps import (
    Plan,
    RemoveContainer,
    RewireContainer,
    RunContainer,
    Stage,
    StartContainers,
    Step,
)

BESIDE = "container:"
"""What the network mode of a container begins with that uses another one's."""


@dataclass(frozen=True)
class Turn:
    """``host`` is "" for what is done on all of them. ``stops``: users' containers that stop meanwhile.
    ``proves``: the hosts whose pairs are to be green behind it, none if there is no pair yet."""

    host: str
    plan: Plan
    stops: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """What is there. ``fleet`` is that of the store, and ``seen`` has all of its hosts."""

    fleet: Fleet
    facts: FleetFacts
    seen: Mapping[str, Moving]

    @cached_property
    def advertise(self) -> Mapping[str, Advertise]:
        return addresses(self.fleet, self.facts)[0]

    @cached_property
    def notes(self) -> Mapping[str, MoveNote]:
        """Those of all hosts, as they are or as they are to be."""
        return {name: self._note(name) for name in self.fleet.names}

    @property
    def networks(self) -> Mapping[str, Overlay]:
        return next(iter(self.notes.values())).networks

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Hosts in a swarm first, then a manager, which begins it; those last that carry the store: it stops
        with their engines."""
        names = sorted(self.fleet.names, key=lambda name: (not self.joined(name), name in self.with_store))
        first = next((n for n in names if self.joined(n) and member_of(self.its(n)).manager), "")
        first = first or next((n for n in names if n in self.managers), names[0])
        return (first, *(n for n in names if n != first))

    @property
    def with_store(self) -> tuple[str, ...]:
        return self.fleet.servers if self.fleet.store.in_engine else ()

    @property
    def managers(self) -> tuple[str, ...]:
        return next(iter(self.notes.values())).managers

    def its(self, name: str) -> HostFacts:
        return self.facts.hosts[name]

    def joined(self, name: str) -> bool:
        return member_of(self.its(name)).there

    def has_flags(self, name: str) -> bool:
        """Whether its engine has a store, or is to have one from its next start on."""
        unit = self.its(name).unit
        return isinstance(unit, Unit) and unit.told_store

    def uses_store(self, name: str) -> bool:
        unit = self.its(name).unit
        return isinstance(unit, Unit) and unit.uses_store

    def runs(self, name: str) -> bool:
        engine = self.its(name).engine
        return isinstance(engine, Engine) and engine.running

    def stops(self, name: str) -> tuple[str, ...]:
        """Users' containers that a restart of its engine stops."""
        engine = self.its(name).engine
        return users_containers(engine) if isinstance(engine, Engine) else ()

    def _note(self, name: str) -> MoveNote:
        there = self.seen[name].note
        if there is not None:
            return there
        known = next((its.note for its in self.seen.values() if its.note), None)
        unit = self.its(name).unit
        networks = {its.name: its for seen in self.seen.values() for its in seen.networks}
        wanted = backend.settle(replace(self.fleet, backend=SWARM), self.facts.hosts)
        return MoveNote(
            networks=known.networks if known else networks,
            containers=dict(self.seen[name].containers),
            drop_in=unit.drop_in if isinstance(unit, Unit) else "",
            managers=known.managers if known else wanted.managers,
        )


def wired(site: Site, name: str, *, to_store: bool) -> list[RewireContainer]:
    """What puts the containers of a host on the networks of the store, or of the swarm."""
    note, now = site.notes[name], site.seen[name].containers
    steps = []
    for container, its in sorted(now.items()):
        before = note.containers.get(container)
        known = before.seats if before else {}
        leave, join = [], {}
        for network, seat in {**its.seats, **known}.items():
            there = its.seats.get(network)
            if there is not None and _sits(site, network, there, to_store=to_store):
                continue
            if there is not None:
                leave.append(network)
            join[network] = dict(seat.settings) if network in known or not to_store else _anywhere(seat)
        if join:
            why = "its aliases and addresses stay"
            steps.append(RewireContainer(name, why, container, tuple(leave), join))
    return steps


def seated(site: Site, name: str, rewired: Sequence[RewireContainer], *, stopped: bool) -> tuple[Stage, ...]:
    """Put containers on their networks while they are stopped, and start what ran before: those with an
    address of their own first, as long as that is free. ``stopped``: earlier steps stop what runs."""
    note, now = site.notes[name], site.seen[name].containers
    moved = {step.container for step in rewired}
    ran = [
        container
        for container, its in sorted(now.items())
        if its.running or ((before := note.containers.get(container)) and before.running)
        if stopped or container in moved or not its.running
    ]
    last = late(site, name)
    waves = (
        [c for c in ran if _fixed(note, now, c) and c not in last],
        [c for c in ran if not _fixed(note, now, c) and c not in last],
        [c for c in ran if c in last],
    )
    starts = (StartContainers(name, "they ran before", tuple(wave)) for wave in waves if wave)
    return (Stage("networks of containers", tuple(rewired)), *(Stage("containers", (s,)) for s in starts))


def late(site: Site, name: str) -> frozenset[str]:
    """Containers that start only when another one runs, whose network they use."""
    containers = site.seen[name].containers.values()
    return frozenset(its.name for its in containers if its.mode.startswith(BESIDE))


def anchored(site: Site, name: str, network: str, *, gone: bool) -> Iterator[Step]:
    """What gives a host its anchor on a network, by its id; "" for another than the store's. ``gone``:
    earlier steps remove those that are there."""
    engine = site.its(name).engine
    there = () if gone else anchor.there(site.fleet, engine)
    if not gone and isinstance(engine, Engine):
        on = {a.container: a.network for a in engine.attachments if a.running}
        old = site.networks[site.fleet.network.name].id
        if any(on.get(its.name, "") == network if network else on.get(its.name, old) != old for its in there):
            return
    own = anchor.name(site.fleet, name)
    for its in there:
        if its.name != own:
            yield RemoveContainer(name, "it is on the network of before", its.name)
    anew = any(its.name == own for its in there)
    yield RunContainer(name, "it keeps the host in the overlay", own, anchor.spec(site.fleet), replace=anew)


def _sits(site: Site, network: str, seat: Seat, *, to_store: bool) -> bool:
    """A container that is stopped may have been put on a network by its name alone."""
    old = site.networks[network].id if network in site.networks else None
    return seat.network == old if to_store else seat.network != old


def _fixed(note: MoveNote, now: Mapping[str, Wired], container: str) -> bool:
    its = note.containers.get(container) or now[container]
    return any(seat.fixed for seat in its.seats.values())


def _anywhere(seat: Seat) -> dict[str, object]:
    """A swarm's engine notes whatever address a container got as if it had been asked for (20.10)."""
    return {key: value for key, value in seat.settings.items() if key != "IPAMConfig"}
