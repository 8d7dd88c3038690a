"""The gossip: engines that say nothing, and islands."""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.live import Live
from overweave.gossip.exchange import PORT
from overweave.gossip.islands import islands, unseen
from overweave.model import Fleet
from overweave.preflight.finding import error
from overweave.steps import JoinGossip

from . import rows
from .engines import restart
from .fault import Fault
from .places import Places

MATTERS = "containers that start while it is split are dead to each other (moby#35807)"


def whole(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One fault for all islands, and one for engines of one island that do not see each other."""
    views = live.fleet.views
    missing = unseen(views)
    if not missing:
        return []
    parts = islands(views)
    joins = JoinGossip(
        "", "the gossip is not whole", {name: str(view.address) for name, view in views.items()}
    )
    if len(parts) > 1:
        seen = "the gossip is split: " + " | ".join(", ".join(part) for part in parts)
    else:
        seen = "not all engines see each other: " + "; ".join(
            f"{name} does not see {', '.join(others)}" for name, others in missing.items()
        )
    fix = "`fab repair` tells each engine of those it misses, without a restart"
    parted: dict[str, set[str]] = {}
    for name, others in missing.items():
        for other in others:
            parted.setdefault(name, set()).add(other)
            parted.setdefault(other, set()).add(name)
    lacking = rows.lacking(live, places, parted)
    return [Fault(error("gossip.islands", seen, matters=MATTERS, fix=fix), (joins, *lacking))]


def silent(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Engines that run with the flags of a cluster and do not answer at the gossip's port."""
    found = []
    for host, its in live.fleet.hosts.items():
        engine = its.engine
        at = live.vteps.get(host)
        if host in live.fleet.views or host not in live.carrying or not isinstance(engine, Engine):
            continue
        if not at:
            seen = "its engine takes no part in the gossip, and announces no address that this host has"
            fix = "see `--cluster-advertise` in `systemctl cat docker` and `ip address` there, then deploy"
            found.append(Fault(error("gossip.silent", seen, matters=MATTERS, fix=fix, host=host)))
            continue
        seen = f"its engine takes no part in the gossip: nothing answers at {at}:{PORT}, seen from the host"
        fix, steps = restart(live, host, seen, engine)
        found.append(Fault(error("gossip.silent", seen, matters=MATTERS, fix=fix, host=host), steps))
    return found
