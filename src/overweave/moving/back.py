"""From a swarm back to the store that is still there: those that were moved last come first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from overweave import anchor, boot
from overweave.backends.swarm import member_of
from overweave.facts.record import MOVE
from overweave.facts.unit import DROP_IN, Unit
from overweave.overlay import left_over_probes
from overweave.steps import (
    AwaitLeader,
    ChangeRole,
    LeaveSwarm,
    PassGate,
    RemoveContainer,
    RemoveFile,
    RemoveNode,
    RestartEngine,
    Stage,
    Step,
    StopContainers,
    WriteFile,
    make_plan,
)

from .forth import holds
from .turn import Site, Turn, anchored, seated, wired

WHY = "it goes back to the store"


def to_store(site: Site) -> tuple[Turn, ...]:
    """What is left to do; none where no host has a note of a move."""
    if not any(its.note for its in site.seen.values()):
        return ()
    turns = []
    back = [n for n in site.order if site.uses_store(n) and not site.joined(n)]
    left = [n for n in reversed(site.order) if site.joined(n)]
    for name in reversed(site.order):
        stages = _turn(site, name, back, left)
        left = [n for n in left if n != name]
        back += [name] if name not in back else []
        stops = site.stops(name) if _restarts(site, name) else ()
        turn = Turn(name, make_plan(*stages), stops, tuple(sorted(back)) if len(back) > 1 else ())
        turns += [turn] if turn.plan else []
    notes = [RemoveFile(n, "it is as it was", MOVE) for n in site.fleet.names if site.seen[n].note]
    return (*turns, Turn("", make_plan(Stage("notes", tuple(notes)))))


def _turn(site: Site, name: str, back: Collection[str], left: list[str]) -> list[Stage]:
    restarts = _restarts(site, name)
    rewired = wired(site, name, to_store=True)
    network = site.networks[site.fleet.network.name].id
    anchors = list(anchored(site, name, network, gone=restarts))
    units = boot.install(
        name,
        site.its(name).boot,
        site.advertise[name].address,
        {n: a.address for n, a in site.advertise.items()},
    )
    whole = not (restarts or rewired or anchors)
    return [
        Stage("boot unit", tuple(units)),
        Stage("containers that stop", tuple(_stop(site, name)) if restarts else ()),
        *(Stage("the swarm", (step,)) for step in _leave(site, name, left)),
        Stage("its engine", tuple(_restart(site, name)) if restarts else ()),
        Stage("gate", (_gate(site, name, back),) if restarts else ()),
        *(() if whole else seated(site, name, rewired, stopped=restarts)),
        Stage("anchor", tuple(anchors)),
    ]


def _restarts(site: Site, name: str) -> bool:
    """A run that was broken off may have taken the flags from the unit, and not from the engine."""
    unit = site.its(name).unit
    whole = isinstance(unit, Unit) and unit.drop_in == site.notes[name].drop_in
    return not (whole and site.uses_store(name))


def _stop(site: Site, name: str) -> Iterator[Step]:
    # As on the way forth.
    yield from left_over_probes(site.its(name))
    for its in anchor.there(site.fleet, site.its(name).engine):
        yield RemoveContainer(name, "its network goes with the swarm", its.name)
    if name == site.order[0]:
        for hold in holds(site):
            yield RemoveContainer(name, WHY, hold)
    if names := site.stops(name):
        yield StopContainers(name, "their networks go with the swarm, and the engine restarts", names)


def _leave(site: Site, name: str, left: list[str]) -> Iterator[Step]:
    if not site.joined(name):
        return
    its = member_of(site.its(name))
    via = next((n for n in reversed(left) if n != name and member_of(site.its(n)).manager), "")
    if via and its.manager:
        yield ChangeRole(via, WHY, its.node, name, False)
    yield LeaveSwarm(name, WHY)
    if via:
        yield RemoveNode(via, WHY, its.node, name)


def _restart(site: Site, name: str) -> Iterator[Step]:
    its, text = site.its(name), site.notes[name].drop_in
    there = its.unit.drop_in if isinstance(its.unit, Unit) else ""
    if there != text:
        yield WriteFile(
            name, "its engine needs the cluster flags", DROP_IN, text, there, not its.drop_in_folder
        )
    yield RestartEngine(name, "with the cluster flags")
    if name in site.with_store:
        yield AwaitLeader(name, "Consul restarts with its engine")


def _gate(site: Site, name: str, back: Collection[str]) -> PassGate:
    gossip = {n: site.advertise[n].address for n in site.fleet.names if n in back or n == name}
    return PassGate(
        "",
        "its engine restarts",
        (name,),
        {name: site.advertise[name].node},
        gossip,
        {},
    )
