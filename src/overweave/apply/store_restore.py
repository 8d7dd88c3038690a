"""Puts the store back to a snapshot, and waits until its agents and engines have taken up with it."""

from __future__ import annotations

import contextlib

from overweave.errors import DeadlineExceeded, StoreError
from overweave.facts import store as store_facts
from overweave.facts.libnetwork import NODES
from overweave.steps import RestoreStore
from overweave.waiting import wait_until

from .store_access import grant_access
from .world import World

LEADER_SECONDS = 30.0
REGISTERED_SECONDS = 45.0
"""Two heartbeats of the largest fleet: an engine that has not come back then needs a restart."""


def restore_store(step: RestoreStore, world: World) -> None:
    """Raises `StoreError` where the store takes the snapshot for none, and `DeadlineExceeded` where it has no
    leader behind that. An engine that does not come back is told, and left for the checkup behind it."""
    world.consul().restore(step.snapshot)
    wait_until(
        lambda: world.consul().leader(),
        what="the restored store has elected no leader",
        seconds=LEADER_SECONDS,
        clock=world.clock,
        host=step.host,
        hint=f"see `{world.logs}` on the host",
    )
    if step.credentials:
        grant_access(step.credentials, world)
    wait_until(
        lambda: agents_known(step.host, world),
        what="the restored store does not take its own agents in",
        seconds=LEADER_SECONDS,
        clock=world.clock,
        host=step.host,
        hint=f"see `{world.logs}` on the host",
    )
    _engines_back(step, world)


def agents_known(host: str, world: World) -> bool:
    """A server that was made anew has another id than the one that the store knows by its name. What is done
    for it is told as ``host``'s."""
    store = world.consul()
    with contextlib.suppress(StoreError):
        for member in store_facts.stale_nodes(store_facts.nodes(store), store_facts.members(store)):
            world.progress(host, f"register the store's agent on {member.name} under its new id")
            store.register_anew(member.name, member.id, member.address)
        return True
    return False


def _engines_back(step: RestoreStore, world: World) -> None:
    missing = list(step.engines)

    def back() -> bool:
        with contextlib.suppress(StoreError):
            # A key of the snapshot is there without its engine until its session lapses.
            held = world.consul().holders(NODES)
            missing[:] = [host for host, node in step.engines.items() if f"{NODES}{node}" not in held]
        return not missing

    try:
        wait_until(back, what="", seconds=REGISTERED_SECONDS, clock=world.clock)
    except DeadlineExceeded:
        for host in missing:
            world.progress(host, f"its engine is not registered after {REGISTERED_SECONDS:g} s")
