"""Runs a plan, stage by stage, and takes back what did not pass its gate."""

from __future__ import annotations

import re
from collections.abc import Iterable

from overweave import undo
from overweave.audit import FAILED, OK, ROLLED_BACK
from overweave.errors import ConnectionProblem, EngineError, FleetError, Interrupted, OverweaveError
from overweave.fleet import each
from overweave.journal import SINCE_THE_CHANGE, Cause, causes
from overweave.steps import JoinGossip, PassGate, Plan, RemoveFile, RestartEngine, Stage, Step

from .gate import pass_gate
from .gossip import join_gossip
from .perform import perform
from .world import Done, World


def apply(plan: Plan, world: World, done: Done | None = None, *, go_on: bool = False) -> Done:
    """Do all steps. Raises the error of the first stage in which a host failed; later stages don't run,
    unless they are to ``go_on``. ``done`` is filled also where that ends with an error.

    What was done in guarded stages is taken back then, on every host that has not passed its gate: the
    error says how that went. The same is done after Ctrl-C.
    """
    done = Done() if done is None else done
    failed: list[OverweaveError] = []
    hosts = list(dict.fromkeys(step.host for step in plan.steps if step.host)) or list(world.writers)
    each(hosts, lambda host: _begin(host, plan, world), cancel=world.cancel).all()
    outcome = FAILED
    try:
        for stage in plan.stages:
            try:
                _run(stage, world, done)
            except Interrupted:
                raise
            except OverweaveError as e:
                if not go_on:
                    raise
                failed.append(e)
        if failed:
            failed[0].also += [f"and then: {e}" for e in failed[1:]]
            raise failed[0]
        # Also where this run left no notes: what an earlier one could not take back is wanted now, or gone.
        whole = any(stage.guarded for stage in plan.stages) or any(
            isinstance(s, RemoveFile) for s in plan.steps
        )
        _settle(hosts if whole else [], world, done)
        outcome = OK
    except OverweaveError as e:
        _take_back(e, world, done)
        raise
    except KeyboardInterrupt:
        error = Interrupted("interrupted")
        world.cancel.set()
        _take_back(error, world, done)
        raise error from None
    finally:
        with world.cancel.lifted():
            each(hosts, lambda host: world.audit.end(host, outcome), cancel=world.cancel)
    return done


def _begin(host: str, plan: Plan, world: World) -> None:
    world.audit.begin(host, plan.digest, [str(step) for step in plan.steps if step.host in (host, "")])


def _run(stage: Stage, world: World, done: Done) -> None:
    by_host: dict[str, list[Step]] = {}
    for step in stage.steps:
        by_host.setdefault(step.host, []).append(step)

    def work(host: str) -> None:
        for step in by_host[host]:
            world.cancel.check()
            world.progress(host, f"{step}: {step.why}" if step.restarts else str(step))
            started = world.clock.monotonic()
            try:
                _do(step, world, done, guarded=stage.guarded)
            except OverweaveError as e:
                e.host = e.host or host
                world.audit.step(host, str(step), FAILED, world.clock.monotonic() - started, e.message)
                raise
            world.audit.step(host, str(step), OK, world.clock.monotonic() - started)
            done.steps.append(step)

    if "" in by_host:
        work("")
    each([host for host in by_host if host], work, cancel=world.cancel).all()


def _do(step: Step, world: World, done: Done, *, guarded: bool) -> None:
    if isinstance(step, JoinGossip):
        islands = join_gossip(step.addresses, world)
        done.islands = done.islands or islands
    elif isinstance(step, PassGate):
        islands = pass_gate(step, world, done.ran)
        done.islands = done.islands or islands
        _settle([host for host in step.hosts if host in done.unsettled], world, done)
    else:
        world.lock(step.host)
        if guarded:
            _note(step, world, done)
        if isinstance(step, RestartEngine) and step.same:
            done.ran[step.host] = _running(step, world)
        perform(step, world)


def _running(step: RestartEngine, world: World) -> frozenset[str]:
    """Which of the containers that are said to stop do still run: a job may have ended by itself."""
    try:
        listed = world.writers[step.host].engine.containers()
    except EngineError:
        return frozenset(step.stops)
    names = {
        str(name).lstrip("/") for c in listed if c.get("State") == "running" for name in c.get("Names") or ()
    }
    return frozenset(names & {*step.stops})


def _note(step: Step, world: World, done: Done) -> None:
    """Note on the host how a step is taken back, and put away what it replaces."""
    writer = world.writers[step.host]
    if note := undo.note_of(step):
        done.unsettled.add(step.host)
        writer.do(undo.write_down(note))
    if aside := undo.set_aside(step):
        put_away, remove_it = aside
        writer.do(undo.write_down(remove_it))
        writer.do(put_away)


def _settle(hosts: list[str], world: World, done: Done) -> None:
    """From here on the changes of these hosts stay."""

    def forget(host: str) -> None:
        # Whoever has lost the lock must not touch what may be another run's notes.
        world.lock(host)
        world.writers[host].do(undo.forget())

    outcome = each(hosts, forget, cancel=world.cancel)
    for host in outcome.values:
        done.unsettled.discard(host)
    outcome.all()


def _causes(error: OverweaveError, world: World, hosts: list[str]) -> list[str]:
    """What the journals since the first change say, and what the error says itself."""
    logs = each(hosts, lambda host: world.writers[host].ask(SINCE_THE_CHANGE), cancel=world.cancel)
    said = []
    for host in hosts:
        spoken_of = re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", str(error)) is not None
        of_journal = causes(logs.values[host][0].stdout) if host in logs.values else ()
        found = [*(causes(error.message) if host == error.host else ()), *of_journal]
        told = dict.fromkeys(cause for cause in found if spoken_of or not cause.passing)
        said += _told(host, list(told)[:2])
    return said


def _told(host: str, found: Iterable[Cause]) -> list[str]:
    return [line for its in found for line in (f"cause on {host}: {its.text}", f"  -> {its.remedy}")]


def _take_back(error: OverweaveError, world: World, done: Done) -> None:
    """Put all unsettled hosts back, and tell in the error why it happened and how the hosts are now."""
    hosts = [host for host in world.writers if host in done.unsettled]
    if not hosts:
        for its in error.failures if isinstance(error, FleetError) else (error,):
            error.also += _told(its.host, causes(its.message)[:2]) if its.host else []
        return

    def one(host: str) -> None:
        world.progress(host, "take back what was changed")
        started = world.clock.monotonic()
        writer = world.writers[host]
        try:
            # A host that this run has lost takes its changes back by itself; by now another may have it.
            world.lock(host)
            writer.do(undo.take_back())
        except OverweaveError as e:
            world.audit.step(host, "take back", FAILED, world.clock.monotonic() - started, e.message)
            raise
        finally:
            writer.engine.hang_up()
        world.audit.step(host, "take back", ROLLED_BACK, world.clock.monotonic() - started)

    with world.cancel.lifted() as cancelled:
        if not cancelled:
            error.also += _causes(error, world, hosts)
        outcome = each(hosts, one, cancel=world.cancel)
    if outcome.values:
        error.also.append(f"taken back: {', '.join(outcome.values)}: as it was before")
    for host, e in outcome.errors.items():
        error.also.append(
            f"{host} is out of reach: it takes its changes back by itself when it misses this connection, "
            "or at its next boot"
            if isinstance(e, ConnectionProblem)
            else f"NOT taken back: {e}"
        )
