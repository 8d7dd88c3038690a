"""The wanted network: is one of its name there that is another one?"""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.overlay import addresses, network_differences

from .finding import Finding, error


def attributes(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    if addresses(fleet, facts)[1]:
        return []
    found = []
    for its in facts.hosts.values():
        network = its.engine.network(fleet.network.name) if isinstance(its.engine, Engine) else None
        if network and (differences := network_differences(fleet, facts, network)):
            found.append(
                error(
                    "network.attributes",
                    f"network {network.name} is there with other attributes: {'; '.join(differences)}",
                    host=its.name,
                    fix="ask for it as it is, choose another --network name, or --replace-network",
                )
            )
    return found
