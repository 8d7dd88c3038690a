"""Steps of a swarm: who is in it, and who manages it."""

from __future__ import annotations

from overweave.errors import DeadlineExceeded, EngineError
from overweave.facts import swarm
from overweave.ports import Engine
from overweave.steps import ChangeRole, InitSwarm, JoinSwarm, LeaveSwarm, RemoveNode, TakeOverSwarm
from overweave.waiting import wait_until

from .world import World

SwarmStep = InitSwarm | JoinSwarm | ChangeRole | LeaveSwarm | RemoveNode | TakeOverSwarm
SECONDS = 30.0
"""An engine gives up a join after 20 s, and goes on with it behind that."""


def change_swarm(step: SwarmStep, world: World) -> None:
    """Raises `EngineError` where an engine refuses, and `DeadlineExceeded` where it does not get there."""
    engine = world.writers[step.host].engine
    match step:
        case InitSwarm():
            engine.init_swarm(step.address, port=step.port, pool=step.pool)
        case JoinSwarm():
            _join(step, engine, world)
        case ChangeRole():
            _change_role(step, engine, world)
        case LeaveSwarm():
            engine.leave_swarm()
        case RemoveNode():
            engine.remove_node(step.node)
        case TakeOverSwarm():
            _take_over(step, engine, world)


def _join(step: JoinSwarm, engine: Engine, world: World) -> None:
    token = world.writers[step.via].engine.join_token(manager=step.manager)
    late: list[EngineError] = []
    try:
        engine.join_swarm(step.address, step.remotes, token)
    except EngineError as e:
        if e.status != 503 or "background" not in e.message:
            raise
        late.append(e)
    try:
        wait_until(
            lambda: swarm.member(engine).active,
            what="the engine is no node of the swarm",
            seconds=SECONDS,
            clock=world.clock,
            hint="see `journalctl -u docker` on the host: does TCP 2377 of a manager answer?",
        )
    except DeadlineExceeded as e:
        raise late[0] if late else e from None


def _take_over(step: TakeOverSwarm, engine: Engine, world: World) -> None:
    if not swarm.member(engine).there:
        raise EngineError(
            "the engine is in no swarm any more: it would begin another one",
            host=step.host,
            hint="name a manager that is left: --from HOST",
        )
    engine.take_over_swarm(step.address)

    def leads() -> bool:
        try:
            return any(node.leader and node.ready for node in swarm.look(engine).nodes.values())
        except EngineError as e:
            if e.status not in (500, 503):
                raise
            return False

    wait_until(
        leads,
        what="the engine leads no swarm",
        seconds=SECONDS,
        clock=world.clock,
        host=step.host,
        hint="see `journalctl -u docker` on the host; the same command again goes on",
    )


def _change_role(step: ChangeRole, engine: Engine, world: World) -> None:
    """The specification is read again where somebody else has changed it meanwhile. A manager that has just
    become one does not answer for a moment ("Manager is being prepared", measured)."""
    role = "manager" if step.manager else "worker"
    late: list[EngineError] = []

    def changed() -> bool:
        try:
            node = swarm.look(engine).nodes.get(step.node)
        except EngineError as e:
            if e.status != 503:
                raise
            late[:] = [e]
            return False
        late.clear()
        if node is None:
            return True
        if node.role == role:
            return bool(node.manager) == step.manager
        try:
            engine.change_node(node.id, node.version, {**node.spec, "Role": role})
        except EngineError as e:
            if "out of sequence" not in e.message:
                raise
        return False

    try:
        wait_until(
            changed,
            what=f"{step.name} is no {role} yet",
            seconds=SECONDS,
            clock=world.clock,
            hint="see `docker node ls` on a manager",
        )
    except DeadlineExceeded as e:
        raise late[0] if late else e from None
