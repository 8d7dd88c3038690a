"""A move from a cluster store to a swarm that is not at its end: some hosts have the one, some the other."""

from __future__ import annotations

from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from .finding import Finding, error


def under_way(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    names = [name for name, its in facts.hosts.items() if its.moving]
    if not names:
        return []
    return [
        error(
            "move.under-way",
            f"a move to a swarm is under way: {', '.join(names)}",
            fix="`fab migrate --to swarm` goes on with it, `--finish` ends it, `--to consul` leads back",
        )
    ]
