"""All checks. A new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from . import (
    addresses,
    configuration,
    data_lost,
    engine,
    external,
    firewall,
    identity,
    kernel,
    moving,
    network,
    pairs,
    resources,
    running,
    store,
    store_program,
    swarm,
    travel,
)
from .finding import Finding, Severity

Check = Callable[[Fleet, FleetFacts], list[Finding]]

CHECKS: tuple[Check, ...] = (
    moving.under_way,
    addresses.advertised,
    engine.engines,
    configuration.configurations,
    addresses.subnets,
    store.kinds,
    store.strangers,
    external.ours,
    external.reached,
    data_lost.records,
    identity.host_names,
    store.place,
    store_program.programs,
    addresses.nat,
    addresses.ways,
    addresses.resolvers,
    addresses.room,
    identity.machine_ids,
    identity.engine_ids,
    running.engines,
    running.services,
    kernel.links,
    kernel.encryption,
    kernel.settings,
    kernel.neighbours,
    kernel.checksums,
    firewall.rules,
    firewall.flavours,
    firewall.engine_chains,
    store.servers,
    resources.disks,
    resources.clocks,
    resources.names,
    pairs.ports,
    pairs.measured,
    pairs.paths,
    travel.sizes,
    travel.loss,
    travel.round_trips,
    travel.echoes,
)


OF_A_STORE = frozenset(
    {
        engine.engines,
        configuration.configurations,
        store.kinds,
        store.strangers,
        external.ours,
        external.reached,
        data_lost.records,
        store.place,
        store_program.programs,
        store.servers,
    }
)
"""Checks that say nothing of a swarm, which needs no change of an engine's configuration."""
OF_A_SWARM: tuple[Check, ...] = (swarm.engines, swarm.members, swarm.encryption)


def findings(fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False) -> list[Finding]:
    """Everything that was found, the gravest first, and else in the order of the checks."""
    chosen = (*OF_A_SWARM, *(c for c in CHECKS if c not in OF_A_STORE)) if fleet.in_swarm else CHECKS
    checks = (*chosen, network.in_use if replace_network else network.attributes)
    found = [finding for check in checks for finding in check(fleet, facts)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))
