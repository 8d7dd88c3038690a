"""Identity: is every host itself, and no clone of another?"""

from __future__ import annotations

from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from .finding import Finding, error


def host_names(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    by_name: dict[str, list[str]] = {}
    for name in fleet.names:
        by_name.setdefault(facts.hosts[name].identity.hostname, []).append(name)
    return [
        error(
            "identity.host-name",
            f"{' and '.join(names)} both call themselves '{hostname}'",
            matters="gossip goes by host names",
            fix="give each its own with `hostnamectl set-hostname NAME` (docker/classicswarm#1573)",
        )
        for hostname, names in by_name.items()
        if len(names) > 1
    ]
