"""The wanted network: is one of its name there that is another one?"""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.overlay import addresses, network_differences, users_containers
from overweave.printable import one_line

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


def in_use(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """What keeps a network from being replaced: users' containers on it."""
    if addresses(fleet, facts)[1]:
        return []
    name = fleet.network.name
    engines = {its.name: its.engine for its in facts.hosts.values() if isinstance(its.engine, Engine)}
    there = [network for engine in engines.values() if (network := engine.network(name))]
    if not any(network_differences(fleet, facts, network) for network in there):
        return []
    return [
        error(
            "network.in-use",
            f"network {name} can't be replaced: on it are {one_line(', '.join(used), 200)}",
            host=host,
            fix=f"`docker network disconnect {name} CONTAINER`, or remove them, and connect them again later",
        )
        for host, engine in engines.items()
        if (used := [c for c in users_containers(engine) if name in _networks(engine, c)])
    ]


def _networks(engine: Engine, container: str) -> tuple[str, ...]:
    found = engine.container(container)
    return found.networks if found else ()
