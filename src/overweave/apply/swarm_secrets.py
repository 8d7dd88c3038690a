"""Steps of a swarm that are about its secrets: certificates, join tokens, the key of its managers' disks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from overweave.command import change_script
from overweave.errors import DeadlineExceeded, EngineError
from overweave.facts import boot, swarm
from overweave.facts.swarm import Cluster, Node, SwarmFacts
from overweave.ports import Engine, Json
from overweave.steps import (
    ChangeAutolock,
    RenewAuthority,
    RenewJoinTokens,
    RenewUnlockKey,
    UnlockSwarm,
    some,
)
from overweave.waiting import wait_until

from .world import World

SECONDS = 30.0
FINISH = """\
if systemctl --quiet is-enabled "$1" 2> /dev/null; then systemctl --no-block restart "$1"; fi
"""
AUTHORITY_SECONDS = 120.0
"""Managers let 30 nodes at a time ask for another certificate, and look again every 3 s (swarmkit)."""


def renew(step: RenewAuthority | RenewJoinTokens | RenewUnlockKey, world: World) -> None:
    """Raises `EngineError` where an engine refuses, and `DeadlineExceeded` where it does not get there."""
    engine = world.writers[step.host].engine
    match step:
        case RenewAuthority():
            _renew_authority(step, engine, world)
        case RenewJoinTokens():
            change(engine, lambda its: dict(its.spec), world, join_tokens=True)
        case RenewUnlockKey():
            change(engine, lambda its: dict(its.spec), world, unlock_key=True)


def change_lock(step: ChangeAutolock | UnlockSwarm, world: World) -> None:
    """Raises as `renew`."""
    writer = world.writers[step.host]
    if isinstance(step, ChangeAutolock):
        change(writer.engine, lambda its: _with_autolock(its, on=step.on), world)
        return
    engine = writer.engine
    if swarm.member(engine).state != swarm.LOCKED:
        return
    try:
        engine.unlock_swarm(step.key or world.writers[step.via].engine.unlock_key())
    except EngineError as e:
        e.hint = "the key may have been renewed since: `fab swarm-unlock-key` gets that of an open manager"
        raise
    wait_until(
        lambda: swarm.member(engine).active,
        what="the engine is not back in its swarm",
        seconds=SECONDS,
        clock=world.clock,
        host=step.host,
        hint="see `journalctl -u docker` on the host: does TCP 2377 of another manager answer?",
    )
    # Docker has given up its containers on the swarm's networks by then, and the unit may have, too.
    writer.do(change_script(FINISH, boot.UNIT))


def _with_autolock(its: Cluster, *, on: bool) -> Mapping[str, Json]:
    now = its.spec.get("EncryptionConfig") or {}
    return {**its.spec, "EncryptionConfig": {**now, "AutoLockManagers": on}}


def change(
    engine: Engine,
    to: Callable[[Cluster], Mapping[str, Json]],
    world: World,
    *,
    join_tokens: bool = False,
    unlock_key: bool = False,
) -> SwarmFacts:
    """Change the swarm's specification, read again where somebody else changes it meanwhile. Returns what
    it was before."""

    def changed() -> SwarmFacts | None:
        seen = swarm.look(engine)
        try:
            engine.change_cluster(
                seen.cluster.version, to(seen.cluster), join_tokens=join_tokens, unlock_key=unlock_key
            )
        except EngineError as e:
            if "out of sequence" not in e.message:
                raise
            return None
        return seen

    return wait_until(
        changed, what="others change the swarm all the time", seconds=SECONDS, clock=world.clock
    )


def _renew_authority(step: RenewAuthority, engine: Engine, world: World) -> None:
    """One that is under way already is waited for: another one behind it would be of no use."""
    before = swarm.look(engine)
    if not before.cluster.rotating:
        before = change(engine, _with_new_authority, world)
    told = len(before.nodes) + 1
    behind: list[Node] = []

    def renewed() -> bool:
        nonlocal told
        try:
            seen = swarm.look(engine)
        except EngineError as e:
            # Managers that take their new certificate may elect another leader.
            if e.status not in (500, 503):
                raise
            return False
        its = seen.cluster
        behind[:] = [node for node in seen.nodes.values() if node.authority == before.cluster.authority]
        if len(behind) < told:
            told = len(behind)
            world.progress(
                step.host, f"{len(seen.nodes) - told} of {len(seen.nodes)} nodes have their new certificate"
            )
        return not its.rotating and all(node.authority == its.authority for node in seen.nodes.values())

    try:
        wait_until(renewed, what="", seconds=AUTHORITY_SECONDS, clock=world.clock)
    except DeadlineExceeded:
        raise DeadlineExceeded(
            f"not all nodes know the new authority within {AUTHORITY_SECONDS:g} s"
            + (f": no certificate of it on {some(node.name for node in behind)}" if behind else ""),
            host=step.host,
            hint="the swarm goes on by itself when they answer, and the same command waits for it again; "
            "`docker node rm` on a manager takes away what is gone for good",
        ) from None


def _with_new_authority(its: Cluster) -> Mapping[str, Json]:
    """As `docker swarm ca --rotate` does it: a number that is another one, and no certificate given."""
    now = its.spec.get("CAConfig") or {}
    kept = {key: value for key, value in now.items() if key not in ("SigningCACert", "SigningCAKey")}
    return {**its.spec, "CAConfig": kept | {"ForceRotate": (now.get("ForceRotate") or 0) + 1}}
