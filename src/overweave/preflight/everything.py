"""All checks. A new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from . import (
    addresses,
    configuration,
    engine,
    firewall,
    identity,
    kernel,
    network,
    pairs,
    resources,
    running,
    store,
    travel,
)
from .finding import Finding, Severity

Check = Callable[[Fleet, FleetFacts], list[Finding]]

CHECKS: tuple[Check, ...] = (
    addresses.advertised,
    engine.engines,
    configuration.configurations,
    addresses.subnets,
    store.strangers,
    identity.host_names,
    store.place,
    addresses.nat,
    addresses.ways,
    addresses.resolvers,
    addresses.room,
    identity.machine_ids,
    identity.engine_ids,
    running.engines,
    running.services,
    kernel.links,
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


def findings(fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False) -> list[Finding]:
    """Everything that was found, the gravest first, and else in the order of the checks."""
    checks = (*CHECKS, network.in_use if replace_network else network.attributes)
    found = [finding for check in checks for finding in check(fleet, facts)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))
