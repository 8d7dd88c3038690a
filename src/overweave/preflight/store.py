"""The store: may it be where it is wanted, and are all of its hosts named?"""

from __future__ import annotations

from overweave import store_part
from overweave.advertise import ENGINE_PORT
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import SPEC_LABEL, Fleet
from overweave.store_host import told_kind, told_store
from overweave.stores import consul, etcd

from .finding import Finding, error, warning


def strangers(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Hosts that belong to an overlay whose store is none of these hosts: only a part of it was named."""
    owned = {str(a.ip) for its in facts.hosts.values() for i in its.interfaces.all for a in i.addresses}
    found = []
    for name in fleet.names:
        told = told_store(facts.hosts[name])
        if missing := [a for a in told if a not in owned and a != fleet.store.external]:
            which = "which is none" if len(missing) == 1 else "which are none"
            found.append(
                error(
                    "store.elsewhere",
                    f"it is in an overlay whose store is at {', '.join(missing)}, {which} of the hosts given",
                    host=name,
                    fix=f"`fab destroy-overlay` with `store: external: {missing[0]}` first"
                    if fleet.store.external
                    else "name all hosts of that overlay, those with the store too; where somebody else runs "
                    "it, give `store: external:`",
                )
            )
    return found


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
    found: list[Finding] = []
    if fleet.store.external:
        return found
    for name in fleet.names:
        found += _of_etcd(fleet, facts, name) if fleet.store.in_etcd else []
        there = store_part.there(facts.hosts[name])
        if there is None or (fleet.store.in_etcd and not there.ours):
            continue
        if not there.ours:
            if name in fleet.agents and fleet.store.in_engine:
                found.append(_strange(name, consul.CONTAINER, several=len(fleet.agents) > 1))
        elif name not in fleet.servers and _carries(fleet, facts, name):
            found.append(
                error(
                    "store.place",
                    "the store is there already, and two would part the fleet",
                    matters=f"asked to carry it: {', '.join(fleet.servers)}",
                    host=name,
                    fix=f"mark {name} with `store: true` in the inventory; one of several servers is taken "
                    f"away by `fab store-remove-server {name}`, the only one by destroy-overlay",
                )
            )
    return found


def _carries(fleet: Fleet, facts: FleetFacts, name: str) -> bool:
    """Whether its store container, which is ours, is a server. One without a file is of an earlier version,
    which had servers only."""
    config = facts.hosts[name].store_config
    return consul.is_server(config) or not config or (fleet.store.in_etcd and etcd.is_config(config))


def _of_etcd(fleet: Fleet, facts: FleetFacts, name: str) -> list[Finding]:
    """A container of somebody else's, and a server that the others know nothing of: they have to be told
    before it starts."""
    its = facts.hosts[name]
    if name not in fleet.servers or not isinstance(its.engine, Engine) or not its.engine.running:
        return []
    found = its.engine.container(etcd.CONTAINER)
    if found is not None and SPEC_LABEL not in found.labels:
        return [_strange(name, etcd.CONTAINER, several=len(fleet.servers) > 1)]
    with_data = [n for n in fleet.servers if etcd.VOLUME in store_part.volumes(facts.hosts[n])]
    if not with_data or name in with_data:
        return []
    lacking = ",".join(n for n in fleet.servers if n not in with_data)
    return [
        error(
            "store.member",
            f"it is to carry a server of etcd, and has no data of it, as {', '.join(with_data)} has",
            matters="the others have to know it before it starts",
            host=name,
            fix=f"`fab store-add-server {lacking}`, also where its data are lost",
        )
    ]


def kinds(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Engines that use another kind of store than the one that is wanted."""
    found = {name: told_kind(facts.hosts[name]) for name in fleet.names}
    return [
        error(
            "store.kind",
            f"its engine has its store in {kind}, and one in {fleet.store.kind} is wanted",
            matters="networks can't move from one to the other",
            host=name,
            fix="`fab destroy-overlay` first, or leave the kind out",
        )
        for name, kind in found.items()
        if kind not in ("", fleet.store.kind)
    ]


def _strange(name: str, container: str, *, several: bool) -> Finding:
    rename = f"rename it with `docker rename {container} other`"
    return error(
        "store.name",
        f"a container named {container} is there that Overweave did not make",
        host=name,
        fix=rename if several else f"{rename}, or choose another store host",
    )


def servers(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [] if fleet.store.external else quorum(len(fleet.servers))


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
