"""The health gate behind a restart of engines: is every host of it in order again?"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping

from overweave.command import query
from overweave.errors import ConnectionProblem, DeadlineExceeded, EngineError, StoreError
from overweave.facts.text import properties
from overweave.facts.unit import UNIT
from overweave.fleet import each
from overweave.ports import Engine, unless_gone
from overweave.steps import PassGate
from overweave.stores.consul import NODES
from overweave.waiting import wait_until

from .gossip import join_gossip
from .world import World

REGISTERED_SECONDS = 20.0
CONTAINERS_SECONDS = 20.0
STEADY_SECONDS = 5.0
"""How long an engine that died and was restarted by systemd must run to pass: one that keeps dying answers
for a moment each time. Its unit waits 2 s between starts, and gives up after the third in 60 s."""
UP_SECONDS = 30.0
_SHOW = query("systemctl", "show", "-p", "ActiveState,NRestarts,MainPID", UNIT)


def pass_gate(
    step: PassGate, world: World, ran: Mapping[str, Collection[str]] | None = None
) -> list[tuple[str, ...]]:
    """Wait until the hosts of a gate are in order. Returns the islands that the gossip had. ``ran``: what ran
    on each host when its engine was restarted.

    Raises `DeadlineExceeded` and other errors of the tree, naming the hosts that are not.
    """
    each(step.hosts, lambda host: _engine_answers(host, world), cancel=world.cancel).all()
    if step.nodes:
        _registered(step, world)
    islands = join_gossip(step.gossip, world) if step.gossip else []
    each(step.hosts, lambda host: _containers_back(host, step, world), cancel=world.cancel).all()
    if step.started:
        again = ran or {}
        each(step.hosts, lambda h: _start_again(h, again.get(h, ()), world), cancel=world.cancel).all()
    if step.prove:
        world.prove(step.hosts)
    each(step.hosts, lambda host: _stays_up(host, world), cancel=world.cancel).all()
    return islands


def _engine_answers(host: str, world: World) -> None:
    engine = world.writers[host].engine

    def answers() -> bool:
        try:
            engine.version()
        except EngineError:
            engine.hang_up()
            return False
        return True

    wait_until(
        answers,
        what="the engine does not answer",
        seconds=REGISTERED_SECONDS,
        clock=world.clock,
        host=host,
        hint="see `journalctl -u docker` on the host",
    )


def _registered(step: PassGate, world: World) -> None:
    missing = list(step.nodes)

    def all_there() -> bool:
        # A store that has just restarted may not answer yet.
        with contextlib.suppress(StoreError, ConnectionProblem):
            nodes = {key.removeprefix(NODES) for key in world.store.keys(NODES)}
            missing[:] = [host for host, node in step.nodes.items() if node not in nodes]
        return not missing

    try:
        wait_until(all_there, what="", seconds=REGISTERED_SECONDS, clock=world.clock)
    except DeadlineExceeded as e:
        who = ", ".join(missing)
        e.message = f"not registered in the store after {REGISTERED_SECONDS:g} s: the engine of {who}"
        e.hint = f"is the store's port open from {who}? `fab preflight` measures it"
        raise


def _containers_back(host: str, step: PassGate, world: World) -> None:
    engine = world.writers[host].engine
    missing = list(step.containers.get(host, ()))

    def back() -> bool:
        missing[:] = [name for name in missing if _should_run(engine, name)]
        return not missing

    try:
        wait_until(back, what="", seconds=CONTAINERS_SECONDS, clock=world.clock)
    except DeadlineExceeded as e:
        e.host = host
        e.message = f"containers that ran before the engine restarted don't run: {', '.join(missing)}"
        e.hint = f"see `docker logs {missing[0]}` on the host"
        raise


def _start_again(host: str, names: Collection[str], world: World) -> None:
    """Start what ran before and no policy starts. One that does not start is told, and holds nothing up."""
    engine = world.writers[host].engine
    for name in sorted(names):
        found = unless_gone(engine.container, name)
        if found is None or (found.get("State") or {}).get("Running"):  # gone: it removed itself
            continue
        world.progress(host, f"start container {name} again: it has no restart policy")
        try:
            engine.start_container(name)
        except EngineError as e:
            world.progress(host, f"warning: container {name} did not start again: {e.message}")


def _stays_up(host: str, world: World) -> None:
    runs = ""
    since = world.clock.monotonic()
    restarts = "0"

    def steady() -> bool:
        nonlocal runs, since, restarts
        (shown,) = world.writers[host].ask(_SHOW)
        state = properties(shown.stdout)
        restarts = state.get("NRestarts", "0")
        if state.get("ActiveState") != "active":
            runs = ""
            return False
        if state.get("MainPID", "") != runs:
            runs, since = state.get("MainPID", ""), world.clock.monotonic()
        return restarts in ("", "0") or world.clock.monotonic() - since >= STEADY_SECONDS

    try:
        wait_until(steady, what="", seconds=UP_SECONDS, clock=world.clock)
    except DeadlineExceeded as e:
        e.host = host
        e.message = f"the engine does not stay up; systemd has restarted it {restarts} times"
        e.hint = "see `journalctl -u docker` on the host"
        raise


def _should_run(engine: Engine, name: str) -> bool:
    """Whether a container does not run that its restart policy starts with the engine."""
    found = unless_gone(engine.container, name)
    if not isinstance(found, dict):  # it removed itself when it stopped
        return False
    policy = ((found.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name")
    running = (found.get("State") or {}).get("Running")
    return policy in ("always", "unless-stopped") and not running
