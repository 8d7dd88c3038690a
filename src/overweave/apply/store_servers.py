"""Changes which hosts carry a server of the store, and waits until raft has taken it in."""

from __future__ import annotations

import contextlib
import json

from overweave.command import change_script
from overweave.errors import CommandFailed, DeadlineExceeded, StoreError
from overweave.facts import store as store_facts
from overweave.fleet import each
from overweave.ports import ClusterStore
from overweave.servers import upgrade
from overweave.steps import (
    AwaitAgent,
    CheckVersion,
    ForgetQuorum,
    RecoverQuorum,
    RemovePeer,
    RetireServer,
)
from overweave.waiting import wait_until

from .store_forms import forget, recover, refuse_dying
from .store_restore import agents_known
from .world import World

AGENT_SECONDS = 30.0
VOTES_SECONDS = 60.0
"""Autopilot lets a new server vote when it was steady for 10 s."""
GONE_SECONDS = 30.0
PATIENCE_SECONDS = 10.0
"""With a server that is to leave by itself: one that has no answer for anybody never will."""

VERSION = """\
docker -H unix:///var/run/docker.sock run --rm --network none --entrypoint consul "$1" version
"""

ServerStep = AwaitAgent | RetireServer | RemovePeer | ForgetQuorum | RecoverQuorum | CheckVersion


def change_servers(step: ServerStep, world: World) -> None:
    writer = world.writers[step.host]
    match step:
        case AwaitAgent():
            _await(step, world)
        case RetireServer():
            _retire(step, world)
        case RemovePeer():
            _remove(step, _at(step.host, world))
        case ForgetQuorum():
            writer.do(forget(step.run_as))
        case RecoverQuorum():
            peers = json.dumps([{"id": step.id, "address": step.address, "non_voter": False}])
            writer.do(recover(step.run_as, peers.encode()))
        case CheckVersion():
            _check(step, world)


def _at(host: str, world: World) -> ClusterStore:
    return world.consul(host)


def _await(step: AwaitAgent, world: World) -> None:
    """What it has to have is read before: a store in use is written to all the time."""
    target = max((_written(_at(host, world)) for host in step.others), default=0)
    store = _at(step.host, world)
    missing = "its agent does not answer"

    def there() -> bool:
        nonlocal missing
        try:
            agent = store_facts.agent(store)
        except StoreError:
            refuse_dying(world.writers[step.host])
            return False
        with contextlib.suppress(StoreError):
            missing = _missing(step, store, agent, target)
            if missing == UNKNOWN:
                agents_known(step.host, world)
        return not missing

    seconds = VOTES_SECONDS if step.votes else AGENT_SECONDS
    try:
        wait_until(there, what="", seconds=seconds, clock=world.clock, longest=0.5)
    except DeadlineExceeded as e:
        e.host, e.message = step.host, f"after {seconds:g} s {missing}"
        e.hint = f"see `{world.logs}` on the host"
        raise


UNKNOWN = "the store knows its agent under another id"


def _missing(step: AwaitAgent, store: ClusterStore, agent: store_facts.Agent, target: int) -> str:
    """Why an agent is not as it should be yet, "" where it is."""
    if not store.leader():
        return "its agent has no leader"
    if agent.server != step.votes:
        return f"its agent is {'a' if agent.server else 'no'} server"
    its = [node for node in store_facts.nodes(store) if node.name == agent.name]
    if not its:
        return "the store does not know its agent"
    if its[0].id != agent.id:
        return UNKNOWN
    if not step.votes:
        return ""
    if not any(peer.voter and peer.id == agent.id for peer in store_facts.peers(store)):
        return "its server does not vote"
    written = agent.raft.applied_index if agent.raft else 0
    return "" if written >= target else f"its server has written {written} of {target}"


def _written(store: ClusterStore) -> int:
    with contextlib.suppress(StoreError):
        raft = store_facts.agent(store).raft
        return raft.commit_index if raft else 0
    return 0


def _retire(step: RetireServer, world: World) -> None:
    """A server that answers takes itself out; one that does not is taken out by the others. One that has left
    stays for 5 s, for those that still ask it: its engine should not wait for that."""
    stop = forget(step.run_as)
    if not step.id:
        world.writers[step.host].do(stop)
        return

    def work(leaves: bool) -> None:
        if leaves:
            with contextlib.suppress(StoreError):
                _at(step.host, world).leave()
        else:
            _await_gone(step, world)
            world.writers[step.host].do(stop)

    each((True, False), work, cancel=world.cancel).all()


def _await_gone(step: RetireServer, world: World) -> None:
    since = world.clock.monotonic()

    def gone() -> bool:
        for other in step.others:
            with contextlib.suppress(StoreError):
                store = _at(other, world)
                counted = any(peer.id == step.id for peer in store_facts.peers(store))
                there = any(its.name == step.name and its.alive for its in store_facts.members(store))
                if (counted or there) and world.clock.monotonic() - since > PATIENCE_SECONDS:
                    _remove(step, store)
                return not (counted or there)
        return False

    wait_until(
        gone,
        what="the others still count on its server",
        seconds=GONE_SECONDS,
        clock=world.clock,
        host=step.host,
        hint="`fab store-status` shows who votes",
        longest=0.3,
    )


def _remove(step: RemovePeer | RetireServer, store: ClusterStore) -> None:
    if any(peer.id == step.id for peer in store_facts.peers(store)):
        store.remove_server(step.id)
    if step.name:
        store.force_leave(step.name)


def _check(step: CheckVersion, world: World) -> None:
    """Raises `Refused`."""
    output = ""
    with contextlib.suppress(CommandFailed):
        output = world.writers[step.host].do(change_script(VERSION, step.image)).stdout
    version = upgrade.said(output)
    if refused := upgrade.forbidden(step.running, version):
        refused.message = f"{step.image}: {refused.message}"
        raise refused
    world.progress(step.host, f"{step.image} is Consul {version}")
