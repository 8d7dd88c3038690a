"""How long it takes to read the gossip of all engines, over connections that are open."""

from __future__ import annotations

import time
from statistics import median

import fabric

from overweave.apply.gossip import view
from overweave.errors import GossipError
from overweave.fleet import each
from overweave.model import Fleet
from overweave.session import connect

READINGS = 5


def read(fleet: Fleet) -> float:
    """Seconds, the median of `READINGS`. Raises `GossipError` where an engine does not answer."""
    with connect(fleet, fabric.Config()) as session:

        def once() -> float:
            start = time.monotonic()
            views = each(
                fleet.names,
                lambda name: view(session.hosts[name], fleet.host(name).access.address),
                cancel=session.cancel,
            ).all()
            seconds = time.monotonic() - start
            if silent := [name for name, its in views.items() if its is None]:
                raise GossipError(f"no gossip from {', '.join(silent)}")
            return seconds

        return median(once() for _ in range(READINGS))
