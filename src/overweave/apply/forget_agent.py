"""Takes an agent of a host that is gone out of the store, and waits until nobody counts on it."""

from __future__ import annotations

import contextlib

from overweave.errors import StoreError
from overweave.facts import store as store_facts
from overweave.steps import ForgetAgent
from overweave.waiting import wait_until

from .world import World

GONE_SECONDS = 30.0
"""An agent that was just killed counts as failed after 4 s (measured), and only then as one that has left."""


def forget_agent(step: ForgetAgent, world: World) -> None:
    """Again where that was done before: nothing. Raises `StoreError` where the store refuses it, and
    `DeadlineExceeded` where its node stays."""
    store = world.consul()
    if step.server and any(peer.id == step.server for peer in store_facts.peers(store)):
        store.remove_server(step.server)
    if any(its.name == step.agent and not its.gone for its in store_facts.members(store)):
        store.force_leave(step.agent)

    def gone() -> bool:
        # A leader that changes in between answers the next time.
        with contextlib.suppress(StoreError):
            known = {its.name for its in store_facts.members(store) if not its.gone}
            known |= {its.name for its in store_facts.nodes(store)}
            return step.agent not in known
        return False

    wait_until(
        gone,
        what=f"the store still counts on its agent {step.agent}",
        seconds=GONE_SECONDS,
        clock=world.clock,
        host=step.host,
        hint="does that host still run? `fab store-status` shows it",
    )
