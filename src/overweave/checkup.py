"""Looks at a network that is in use, says what is wrong, and mends it: `fab doctor` and `fab repair`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from .apply.run import apply
from .apply.world import Done, World
from .doctor.everything import faults
from .doctor.fault import Checkup, Fault
from .doctor.places import doubtful
from .doctor.remedy import apart
from .doctor.remedy import repair as remedies
from .errors import DeadlineExceeded, UsageError
from .facts import libnetwork, live
from .facts.fleet import FleetFacts
from .facts.libnetwork import Records
from .facts.live import Live
from .fleet import each
from .overlay import addresses
from .ports import Clock
from .preflight.finding import Severity
from .session import Session, look
from .steps import JoinGossip, MendRows, Plan, Stage, Step, make_plan
from .waiting import wait_until

ROUNDS = 6
"""Plans that may follow each other: what an engine that was restarted lacks shows only then."""

LONG_SECONDS = 1.0
"""Of a question: what was seen before it may not be so any more."""

Show = Callable[[Checkup, Plan], None]
Ask = Callable[[Plan], bool]


@dataclass(frozen=True)
class Repair:
    """What was found before and after, and what was done in between: ``plan`` has the stages of all rounds.
    ``refused`` is why the rest was not done, where somebody said no, or nobody could be asked."""

    before: Checkup
    plan: Plan
    done: Done
    after: Checkup
    refused: UsageError | None = None


def examine(session: Session) -> tuple[Checkup, Live]:
    """Everything that is wrong, and the facts it was seen in. Changes nothing.

    What looks wrong is looked at again for its `Fault.moment`, and told only if it was wrong every time.
    """
    started = session.clock.monotonic()
    facts = look_at_all(session)

    def again() -> list[Fault]:
        nonlocal facts
        facts = look_at_all(session, quiet=True)
        return faults(session.fleet, facts)

    found = faults(session.fleet, facts)
    if any(map(_counts, found)):
        session.progress("", "something looks wrong: look again")
    told = lasting(found, again, session.clock)
    return Checkup(session.fleet.names, told, session.clock.monotonic() - started), facts


def lasting(found: Sequence[Fault], again: Callable[[], Sequence[Fault]], clock: Clock) -> tuple[Fault, ...]:
    """Those of the faults that are there at every look for as long as their `Fault.moment`."""
    suspects = {fault.key: fault.moment for fault in found if _counts(fault)}
    started = clock.monotonic()

    def settled() -> bool:
        nonlocal found, suspects
        found = again()
        there = {fault.key for fault in found}
        suspects = {key: moment for key, moment in suspects.items() if key in there}
        return max(suspects.values(), default=0) <= clock.monotonic() - started

    if suspects:
        with contextlib.suppress(DeadlineExceeded):
            wait_until(settled, what="", seconds=max(suspects.values()), clock=clock, interval=0.3)
    return tuple(fault for fault in found if fault.key in suspects or not _counts(fault))


def look_at_all(session: Session, *, quiet: bool = False) -> Live:
    """All facts of hosts, store and gossip, and what is on the overlays. Hosts side by side."""
    facts = look(session)
    if not quiet:
        session.progress("", "looking at the containers, the rows and the store's records")
    hosts = each(
        session.fleet.names, lambda name: live.look(session.hosts[name]), cancel=session.cancel
    ).all()
    advertise, _ = addresses(session.fleet, facts)
    chosen = {name: its.address for name, its in advertise.items()}
    found = Live(facts, hosts, _records(session, facts), chosen)
    doubts = doubtful(found)
    if not doubts:
        return found
    inspected = each(
        doubts, lambda name: live.inspect(session.hosts[name], sorted(doubts[name])), cancel=session.cancel
    ).all()
    more = {name: replace(hosts[name], inspected=its) for name, its in inspected.items()}
    return replace(found, hosts={**hosts, **more})


def _records(session: Session, facts: FleetFacts) -> Records | None:
    if facts.store is None or not facts.store.leader:
        return None
    return libnetwork.parse(session.store().tree(libnetwork.ROOT))


def _counts(fault: Fault) -> bool:
    """Whether a second look is due: what has no remedy and breaks nothing is of what lasts."""
    return bool(fault.remedies) or fault.finding.severity is Severity.ERROR


def make_repair(session: Session, found: Checkup, facts: Live, gone: Collection[str] = ()) -> Plan:
    """What would mend the faults that were found; empty where none of them has a remedy. ``gone``: addresses
    of hosts that won't come back."""
    return remedies(session.fleet, facts, found.faults, gone)


def mend_rows(session: Session, world: World) -> Plan:
    """Mend only what misleads packets, the gossip and the rows: nobody notices. Returns what was done."""
    found, facts = examine(session)
    plan = make_repair(session, found, facts)
    rows = make_plan(*(stage for stage in plan.stages if _of_rows(stage)))
    if rows:
        apply(rows, world)
    return rows


def _of_rows(stage: Stage) -> bool:
    return all(isinstance(step, JoinGossip | MendRows) for step in stage.steps)


def repair(
    session: Session,
    world: World,
    show: Show,
    ask: Ask,
    gone: Callable[[Checkup], Collection[str]] = lambda found: (),
) -> Repair:
    """Mend what is wrong and can be explained, and look again; see `mend`.

    ``gone`` says which of the hosts that nobody knows any more won't come back, by address: only their
    endpoints are disconnected.
    """

    def examined() -> tuple[Checkup, Plan]:
        found, facts = examine(session)
        asked = session.clock.monotonic()
        never = gone(found)
        if session.clock.monotonic() - asked > LONG_SECONDS:
            found, facts = examine(session)
        return found, make_repair(session, found, facts, never)

    return mend(examined, lambda plan: apply(plan, world), show, ask)


def mend(
    examined: Callable[[], tuple[Checkup, Plan]], act: Callable[[Plan], Done], show: Show, ask: Ask
) -> Repair:
    """What nobody notices is done first, then what ``ask`` allows, as long as there is anything to do.

    ``show`` is shown what was found, and what is to be done about it, before that. ``ask`` is given what
    stops something for a moment: it raises `UsageError` for a no, and returns whether somebody had to
    answer. Nobody knows how long that took: then it is done only if another look comes to the same.
    """
    first, left = examined()
    now, done, stages = first, Done(), list[Stage]()
    tried: list[Step] = []
    agreed: Plan | None = None
    shown: Plan | None = None
    rounds = 0
    while left and rounds < ROUNDS:
        quiet, stopping = apart(left)
        plan = quiet if any(step not in tried for step in quiet.steps) else stopping
        if not plan:
            break
        if plan is stopping and plan != agreed:
            if plan != shown:
                show(now, plan)
            try:
                answered = ask(plan)
            except UsageError as e:
                return Repair(first, Plan(tuple(stages)), done, now, e)
            if answered:
                agreed = shown = plan
                now, left = examined()
                continue
        elif plan is quiet:
            show(now, left)
            # The question for the rest is put without all of it again, if nothing else is found.
            shown = stopping
        tried = [*tried, *plan.steps] if plan is quiet else []
        agreed = agreed if plan is quiet else None
        step_done = act(plan)
        rounds += 1
        stages += plan.stages
        done.steps += step_done.steps
        done.islands = done.islands or step_done.islands
        now, left = examined()
    return Repair(first, Plan(tuple(stages)), done, now)
