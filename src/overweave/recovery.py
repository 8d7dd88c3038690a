"""Writes the store's keys anew from what the hosts know: what `fab store-rebuild` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .apply.run import apply
from .apply.world import Done, World
from .backends import cluster_store
from .errors import OverweaveError, Refused
from .facts import libnetwork, remembered
from .facts.fleet import FleetFacts
from .facts.remembered import Remembered
from .fleet import each
from .model import Fleet
from .overlay import addresses, data_are_gone
from .plan import refuse
from .preflight import store
from .preflight.finding import refusals
from .rebuild.rebuild import rebuild
from .session import Session, look_for_store
from .steps import Plan

ROUNDS = 3
"""Plans that may follow each other: the store first where it is down, and what came in between."""


@dataclass(frozen=True)
class Rebuilt:
    """``plan`` has what was done, empty where nothing was missing."""

    plan: Plan
    done: Done
    facts: FleetFacts


def make(session: Session) -> tuple[Plan, FleetFacts]:
    """What is missing in the store, looked at now. Raises `Refused`, or `FleetError` of several, with
    everything that forbids to write it."""
    facts = look_for_store(session)
    _, refused = addresses(session.fleet, facts)
    found = [*store.strangers(session.fleet, facts), *store.place(session.fleet, facts)]
    refuse([*refused, *refusals(found)])
    session.progress("", "looking at what the hosts know of their overlays")
    first = _know(session, facts)
    if facts.store is not None and facts.store.leader:
        tree = session.keys().tree(libnetwork.ROOT)
        if session.fleet.store.in_etcd:
            # Engines write their keys with a slash at the end, which only Consul keeps.
            tree = {f"{key}/": value for key, value in tree.items()}
        # A container that ended meanwhile has taken its records along.
        again = _know(session, facts)
        plan, refused = rebuild(session.fleet, facts, _both(first, again), tree)
        refuse(refused)
        return plan, facts
    return with_store(session.fleet, facts, first), facts


def with_store(fleet: Fleet, facts: FleetFacts, hosts: Mapping[str, Remembered]) -> Plan:
    """The same where no store answers: it has to run first, and is looked at then if it has data. Raises
    `Refused`."""
    begin = cluster_store.store(fleet, facts)
    if not begin:
        raise Refused(
            "no store runs, and the engine that is to run it is down",
            host=fleet.store_host.name,
            hint="`systemctl start docker` there",
        )
    if not data_are_gone(fleet, facts):
        return begin
    plan, refused = rebuild(fleet, facts, hosts, {})
    refuse(refused)
    return Plan(begin.stages + plan.stages) if plan else plan


def run(session: Session, world: World, before: Callable[[Plan], bool]) -> Rebuilt:
    """Write what is missing, until nothing is: see `until_whole`."""
    return until_whole(lambda: make(session), lambda plan, done: apply(plan, world, done), before)


def until_whole(
    look_and_plan: Callable[[], tuple[Plan, FleetFacts]],
    act: Callable[[Plan, Done], object],
    before: Callable[[Plan], bool],
) -> Rebuilt:
    """``before`` is shown each plan and may raise: then nothing has changed. Where it says that somebody had
    to answer, which takes long, the plan is done only if another look comes to the same; else that one is
    shown."""
    done, made = Done(), Plan()
    plan, facts = look_and_plan()
    for _ in range(ROUNDS):
        while plan and before(plan):
            shown = plan
            plan, facts = look_and_plan()
            if plan == shown:
                break
        if not plan:
            return Rebuilt(made, done, facts)
        act(plan, done)
        made = Plan(made.stages + plan.stages)
        plan, facts = look_and_plan()
    if plan:
        raise OverweaveError(
            "after the changes the store still lacks records:\n"
            + "\n".join(f"    {step}" for step in plan.steps),
            hint="run the same command again: containers come and go",
        )
    return Rebuilt(made, done, facts)


def _know(session: Session, facts: FleetFacts) -> dict[str, Remembered]:
    return each(
        session.fleet.names,
        lambda name: remembered.look(session.hosts[name], facts.hosts[name]),
        cancel=session.cancel,
    ).all()


def _both(first: dict[str, Remembered], again: dict[str, Remembered]) -> dict[str, Remembered]:
    """Containers that were there both times."""
    return {
        host: replace(its, joined=tuple(j for j in its.joined if j in first[host].joined))
        for host, its in again.items()
    }
