"""Makes the store know who may use it."""

from __future__ import annotations

import contextlib

from overweave.credentials import AGENT_RULES, ENGINE_RULES, Credentials
from overweave.errors import StoreError
from overweave.waiting import wait_until

from .world import World

NAMES = ("overweave-agent", "overweave-engine")
SECONDS = 20.0


def grant_access(credentials: Credentials, world: World) -> None:
    """Raises `StoreError` where the store does not take it, or `DeadlineExceeded` where it is not ready for
    it: a leader makes the management token known a moment after it was elected."""
    agent, engine = NAMES

    def ready() -> bool:
        with contextlib.suppress(StoreError):
            return world.consul().admits(credentials.best)
        return False

    wait_until(
        ready,
        what="the store does not know its management token",
        seconds=SECONDS,
        clock=world.clock,
        hint=f"see `{world.logs}` on its host",
    )
    world.consul().grant(agent, AGENT_RULES, credentials.agent)
    world.consul().grant(engine, ENGINE_RULES, credentials.engine)
    world.consul().gossip_with(credentials.gossip)
