"""Puts the store back to a snapshot, and waits until its agents and engines have taken up with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from overweave.errors import DeadlineExceeded, StoreError
from overweave.facts import store as store_facts
from overweave.facts.libnetwork import ENDPOINTS, NETWORKS, NODES, OVERLAYS, ROOT
from overweave.facts.libnetwork_keys import COUNTS
from overweave.steps import KeyWrite, RestoreKeys, RestoreStore
from overweave.waiting import wait_until

from .store_access import grant_access
from .world import World

LEADER_SECONDS = 30.0
ROUNDS = 5
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
    # A key of the snapshot is there without its engine until its session lapses.
    _engines_back(step.engines, world, lambda: world.consul().holders(NODES))


def restore_keys(step: RestoreKeys, world: World) -> None:
    """Key by key, each only where it is still as it was read, and again until all are: engines write
    meanwhile. Raises `StoreError` where that does not end; an engine that does not come back is told."""
    for _ in range(ROUNDS):
        there = {k: v for k, v in world.store.tree(ROOT).items() if not k.startswith(NODES)}
        if there == step.keys:
            break
        changed = [write for write in to_write(there, step.keys) if not _written(write, world)]
        if changed:
            world.progress(step.host, f"{len(changed)} keys have changed meanwhile: look again")
    else:
        raise StoreError(
            f"the store has not stayed as the backup is: engines write to it all the time ({ROUNDS} tries)",
            host=step.host,
            hint="run the same command again when no containers come and go",
        )
    _engines_back(step.engines, world, lambda: world.store.tree(NODES))


def to_write(there: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> list[KeyWrite]:
    """What makes one of the other. What goes, goes from the network down; what comes, comes in the order in
    which engines look: what is given out, so that nobody else gets it, then the parts of a network, and the
    network itself last."""
    gone = sorted(there.keys() - wanted.keys(), key=_rank, reverse=True)
    come = sorted((key for key, value in wanted.items() if there.get(key) != value), key=_rank)
    return [
        *(KeyWrite(key, there[key], None) for key in gone),
        *(KeyWrite(key, there.get(key), wanted[key]) for key in come),
    ]


def _rank(key: str) -> tuple[int, str]:
    order = (OVERLAYS, ENDPOINTS, COUNTS, NETWORKS)
    return next((n for n, prefix in enumerate(order, 1) if key.startswith(prefix)), 0), key


def _written(write: KeyWrite, world: World) -> bool:
    return world.store.swap(write.key, write.old, write.new)


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


def _engines_back(
    engines: Mapping[str, str], world: World, registered: Callable[[], Mapping[str, object]]
) -> None:
    missing = list(engines)

    def back() -> bool:
        with contextlib.suppress(StoreError):
            held = registered()
            missing[:] = [host for host, node in engines.items() if f"{NODES}{node}" not in held]
        return not missing

    try:
        wait_until(back, what="", seconds=REGISTERED_SECONDS, clock=world.clock)
    except DeadlineExceeded:
        for host in missing:
            world.progress(host, f"its engine is not registered after {REGISTERED_SECONDS:g} s")
