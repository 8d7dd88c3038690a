"""Looks at a network that is in use, says what is wrong, and mends it: `fab doctor` and `fab repair`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from .apply.run import apply
from .apply.world import Done, World
from .doctor.everything import faults
from .doctor.fault import Checkup, Fault
from .doctor.places import doubtful
from .doctor.remedy import apart
from .doctor.remedy import repair as remedies
from .errors import DeadlineExceeded, Interrupted, OverweaveError, UsageError
from .facts import libnetwork, live, swarm_records
from .facts.fleet import FleetFacts
from .facts.libnetwork import Records
from .facts.live import Live
from .facts.swarm_records import Own
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
    ``refused`` is why the rest was not done, where somebody said no, or nobody could be asked; ``failed`` is
    what it ended with else, and then ``after`` is as it was seen last."""

    before: Checkup
    plan: Plan
    done: Done
    after: Checkup
    refused: UsageError | None = None
    failed: OverweaveError | None = None


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
        whose = "swarm" if session.fleet.in_swarm else "store"
        session.progress("", f"looking at the containers, the rows and the {whose}'s records")
    hosts = each(
        session.fleet.names, lambda name: live.look(session.hosts[name]), cancel=session.cancel
    ).all()
    advertise, _ = addresses(session.fleet, facts)
    chosen = {name: its.address for name, its in advertise.items()}
    if session.fleet.in_swarm:
        return _of_swarm(session, Live(facts, hosts, None, chosen))
    found = Live(facts, hosts, _records(session, facts), chosen)
    doubts = doubtful(found)
    if not doubts:
        return found
    inspected = each(
        doubts, lambda name: live.inspect(session.hosts[name], sorted(doubts[name])), cancel=session.cancel
    ).all()
    more = {name: replace(hosts[name], inspected=its) for name, its in inspected.items()}
    return replace(found, hosts={**hosts, **more})


def _of_swarm(session: Session, live: Live) -> Live:
    """With what its engines know, in place of a store's records."""

    def of_host(name: str) -> Own:
        its = live.fleet.hosts[name]
        return swarm_records.own(session.hosts[name].engine, its.engine, its.advertised)

    running = [name for name, its in live.hosts.items() if its.attachments is not None]
    found = each(running, of_host, cancel=session.cancel).all()
    endpoints = tuple(endpoint for its in found.values() for endpoint in its.endpoints)
    hosts = dict(live.hosts)
    for name, own in found.items():
        # They are no container's, and not stale.
        there = frozenset(endpoint.id for endpoint in own.endpoints)
        hosts[name] = replace(hosts[name], inspected=there, peers=own.peers)
    return replace(live, hosts=hosts, records=swarm_records.records(live.fleet, endpoints))


def _records(session: Session, facts: FleetFacts) -> Records | None:
    if facts.store is None or not facts.store.leader:
        return None
    return libnetwork.parse(session.keys().tree(libnetwork.ROOT))


def _counts(fault: Fault) -> bool:
    """Whether a second look is due: what has no remedy and breaks nothing is of what lasts."""
    return bool(fault.remedies) or fault.finding.severity is Severity.ERROR


def make_repair(
    session: Session, found: Checkup, facts: Live, gone: Collection[str] = (), done: Iterable[Step] = ()
) -> Plan:
    """What would mend the faults that were found; empty where none of them has a remedy. ``gone``: addresses
    of hosts that won't come back; ``done``: what this run has done."""
    return remedies(session.fleet, facts, found.faults, gone, done)


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

    def examined(done: Iterable[Step]) -> tuple[Checkup, Plan]:
        found, facts = examine(session)
        asked = session.clock.monotonic()
        never = gone(found)
        if session.clock.monotonic() - asked > LONG_SECONDS:
            found, facts = examine(session)
        return found, make_repair(session, found, facts, never, done)

    def act(plan: Plan, done: Done) -> None:
        apply(plan, world, done, go_on=not apart(plan)[1])

    return mend(examined, act, show, ask, lambda: examine(session)[0])


def mend(
    examined: Callable[[Iterable[Step]], tuple[Checkup, Plan]],
    act: Callable[[Plan, Done], object],
    show: Show,
    ask: Ask,
    look: Callable[[], Checkup],
) -> Repair:
    """What nobody notices is done first, then what ``ask`` allows, as long as there is anything to do.

    ``show`` is shown what was found, and what is to be done about it, before that. ``ask`` is given what
    stops something for a moment: it raises `UsageError` for a no, and returns whether somebody had to
    answer. Nobody knows how long that took: then it is done only if another look comes to the same.

    Ctrl-C ends it, and an error of what stops something; what fails before that may be mended by it.
    What was found and done is returned with it, and how it is then, by a last ``look``. Raises only what the
    first look does.
    """
    now, left = examined(())
    mending = _Mending(now, now)
    try:
        refused = _mend(mending, left, examined, act, show, ask)
    except (OverweaveError, KeyboardInterrupt) as e:
        failed = _as_error(e)
        if not isinstance(failed, Interrupted):
            try:
                mending.now = look()
            except (OverweaveError, KeyboardInterrupt) as last:
                failed = _as_error(last) if isinstance(_as_error(last), Interrupted) else failed
        return mending.ended(failed=failed)
    return mending.ended(refused=refused, failed=mending.failed)


def _as_error(error: OverweaveError | KeyboardInterrupt) -> OverweaveError:
    return error if isinstance(error, OverweaveError) else Interrupted("interrupted")


@dataclass
class _Mending:
    first: Checkup
    now: Checkup
    done: Done = field(default_factory=Done)
    stages: list[Stage] = field(default_factory=list)
    failed: OverweaveError | None = None

    def ended(self, *, refused: UsageError | None = None, failed: OverweaveError | None = None) -> Repair:
        return Repair(self.first, Plan(tuple(self.stages)), self.done, self.now, refused, failed)


def _mend(
    its: _Mending,
    left: Plan,
    examined: Callable[[Iterable[Step]], tuple[Checkup, Plan]],
    act: Callable[[Plan, Done], object],
    show: Show,
    ask: Ask,
) -> UsageError | None:
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
                show(its.now, plan)
            try:
                answered = ask(plan)
            except UsageError as e:
                return e
            if answered:
                agreed = shown = plan
                its.now, left = examined(its.done.steps)
                continue
        elif plan is quiet:
            show(its.now, left)
            # The question for the rest is put without all of it again, if nothing else is found.
            shown = stopping
        tried = [*tried, *plan.steps] if plan is quiet else []
        agreed = agreed if plan is quiet else None
        its.stages += plan.stages
        try:
            act(plan, its.done)
        except Interrupted:
            raise
        except OverweaveError as e:
            if plan is not quiet:
                raise
            its.failed = its.failed or e
        rounds += 1
        its.now, left = examined(its.done.steps)
    return None
