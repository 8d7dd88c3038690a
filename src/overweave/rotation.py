"""What `fab rotate-gossip-key` does: the store's agents gossip with a new key, and nothing restarts; and
whether `fab rotate-certificates` may begin."""

from __future__ import annotations

from dataclasses import replace

from .advertise import ENGINE_PORT
from .credentials import file_of, fresh
from .errors import Refused
from .facts.fleet import FleetFacts
from .model import Fleet
from .steps import GrantAccess, Plan, Stage, WriteSecret, make_plan
from .stores.consul import SECRETS, TLS

WHY = "the key of the store's gossip is changed"


def gossip_key(fleet: Fleet, facts: FleetFacts) -> Plan:
    """All agents take the new key, and forget the one before; then each host's file has it for later starts.

    In this order: agents that don't answer make it fail before anything is written. Broken off in between,
    agents go on with the new key, which they keep themselves, and the next run gives all another one.

    Raises `Refused` where the store has no leader, or has no key yet.
    """
    store, theirs = facts.store, facts.credentials
    if store is None or not store.leader:
        raise Refused("the store has no leader: its agents can't be told", hint="see `fab store-status`")
    if theirs is None or not store.admits or facts.hosts[fleet.store_host.name].credentials.known is None:
        raise Refused("the store has no key yet", hint="`fab deploy-overlay` gives it one")
    new = replace(theirs, gossip=fresh().gossip)
    files = (
        WriteSecret(name, WHY, SECRETS, file_of(new, server=name in fleet.servers), there=True)
        for name in fleet.agents
    )
    return make_plan(
        Stage("key", (GrantAccess(fleet.store_host.name, WHY, new),)), Stage("files", tuple(files))
    )


def refuse_part(fleet: Fleet, facts: FleetFacts) -> None:
    """Raises `Refused` where there is nothing that new certificates could take over from, or where some hosts
    would be left with those of an authority that all others have forgotten."""
    if fleet.store.external:
        raise Refused(
            f"the store at {fleet.store.place} is somebody else's",
            hint="who runs it has its certificates",
        )
    if facts.store is None or not facts.store.leader:
        raise Refused("the store has no leader: its agents can't be changed", hint="see `fab store-status`")
    lacking = [name for name in fleet.names if not facts.hosts[name].credentials.text(TLS)]
    if lacking:
        raise Refused(
            f"no certificate of the store's is on {', '.join(lacking)}",
            hint="`fab deploy-overlay` gives each host one",
        )
    own = {f"{its.advertised}:{ENGINE_PORT}" for its in facts.hosts.values()}
    if others := sorted(facts.store.nodes - own):
        raise Refused(
            f"other engines use this store: {', '.join(others)}",
            hint="name all hosts of the overlay: the others would know nobody any more",
        )
