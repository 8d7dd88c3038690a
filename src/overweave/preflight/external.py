"""A store that somebody else runs: does every host reach it, and is it one?"""

from __future__ import annotations

from overweave import store_part
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from .finding import Finding, error

CHECK = "store.external"
MATTERS = "an engine without its store has no overlay networks (moby#18841)"


def reached(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    found = []
    place = fleet.store.place
    for host, its in facts.external.items():
        if its.unreached:
            seen = f"the Consul at {place} can't be reached: {its.unreached}"
            fix = f"open TCP {fleet.store.port} from {host} to it, or correct `store: external:`"
            found.append(error(CHECK, seen, matters=MATTERS, fix=fix, host=host))
        elif not its.leader:
            seen = f"what answers at {place} is no Consul, or has no leader"
            fix = f"`consul operator raft list-peers -http-addr={place}` shows its servers"
            found.append(error(CHECK, seen, matters=MATTERS, fix=fix, host=host))
        elif its.refuses:
            seen = f"the Consul at {place} does not let its keys and sessions be read: {its.refuses}"
            fix = "allow keys under docker/ and sessions to the engines"
            found.append(error(CHECK, seen, matters=MATTERS, fix=fix, host=host))
    leaders = sorted({its.leader for its in facts.external.values() if its.leader})
    if len(leaders) > 1:
        seen = f"hosts see other leaders at {place}: {', '.join(leaders)}"
        matters = "engines with another store are in another overlay"
        fix = "see whether it has one address on all hosts"
        found.append(error(CHECK, seen, matters=matters, fix=fix))
    return found


def ours(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """A store of ours on hosts that are to use somebody else's."""
    if not fleet.store.external:
        return []
    return [
        error(
            CHECK,
            f"a store of Overweave's is there, and the Consul at {fleet.store.place} is to be used",
            matters="networks don't move from one store to another",
            fix="`fab destroy-overlay` first, without `store: external:`; or remove that",
            host=host,
        )
        for host, its in facts.hosts.items()
        if store_part.ours(its)
    ]
