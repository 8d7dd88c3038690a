"""The store: may it be where it is wanted, and are all of its hosts named?"""

from __future__ import annotations

from overweave.advertise import ENGINE_PORT
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import SPEC_LABEL, Fleet
from overweave.store_host import told_store
from overweave.stores import consul

from .finding import Finding, error, warning


def strangers(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Hosts that belong to an overlay whose store is none of these hosts: only a part of it was named."""
    owned = {str(a.ip) for its in facts.hosts.values() for i in its.interfaces.all for a in i.addresses}
    return [
        error(
            "store.elsewhere",
            f"it is in an overlay whose store is at {told}, which is none of the hosts given",
            host=name,
            fix="name all hosts of that overlay, the one with the store too",
        )
        for name in fleet.names
        if (told := told_store(facts.hosts[name])) and told not in owned
    ]


def others(facts: FleetFacts, nodes: frozenset[str]) -> list[Finding]:
    """For a teardown: engines that are registered in the store and were not named. ``nodes`` are the
    fleet's own, as a deployment would choose them now."""
    # An engine is registered as what it was told to announce, then.
    own = {f"{its.advertised}:{ENGINE_PORT}" for its in facts.hosts.values()}
    found = sorted(facts.store.nodes - nodes - own) if facts.store else []
    if not found:
        return []
    return [
        error(
            "store.others",
            f"other engines use this store: {', '.join(found)}",
            fix="name all hosts of the overlay: without the store theirs is gone too",
        )
    ]


def place(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    name = fleet.store_host.name
    for other in fleet.names:
        its = facts.hosts[other].engine
        container = its.container(consul.CONTAINER) if isinstance(its, Engine) else None
        if other != name and container and SPEC_LABEL in container.labels:
            return [
                error(
                    "store.place",
                    "the store is there already, and two would part the fleet",
                    matters=f"{name} was asked to carry it",
                    host=other,
                    fix=f"mark {other} with `store: true` in the inventory, or destroy-overlay first",
                )
            ]
    engine = facts.hosts[name].engine
    there = engine.container(consul.CONTAINER) if isinstance(engine, Engine) else None
    if there and SPEC_LABEL not in there.labels:
        return [
            error(
                "store.name",
                f"a container named {consul.CONTAINER} is there that Overweave did not make",
                host=name,
                fix=f"rename it with `docker rename {consul.CONTAINER} other`, or choose another store host",
            )
        ]
    return []


def servers(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return quorum(sum(host.store for host in fleet.hosts) or 1)


def quorum(count: int) -> list[Finding]:
    """Of an even number of servers one more may not fail than of the odd number below it."""
    if count % 2:
        return []
    return [
        warning(
            "store.servers",
            f"{count} servers are to carry the store",
            matters=f"no more of them may fail than of {count - 1}, and one more can (docker/libnetwork#651)",
            fix="mark an odd number of hosts with `store: true`",
        )
    ]
