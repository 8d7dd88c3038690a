"""Identity: is every host itself, and no clone of another?"""

from __future__ import annotations

from collections.abc import Mapping

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet

from .finding import Finding, error, warning


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


def machine_ids(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return _clones(
        {name: facts.hosts[name].identity.machine_id for name in fleet.names},
        "identity.machine-id",
        "machine-id",
        "one was made from the other's disk: DHCP may give both one address (moby/moby#19301)",
        "`rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup` on it, and reboot",
    )


def engine_ids(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    engines = {name: facts.hosts[name].engine for name in fleet.names}
    return _clones(
        {name: engine.id for name, engine in engines.items() if isinstance(engine, Engine)},
        "identity.engine-id",
        "engine ID",
        "/etc/docker/key.json was copied from one to the other (moby/moby#19301, docker/classicswarm#1573)",
        "`rm /etc/docker/key.json && systemctl restart docker` on it",
    )


def _clones(ids: Mapping[str, str], check: str, what: str, matters: str, fix: str) -> list[Finding]:
    """A warning at each host but the first of those that have an ID in common."""
    firsts: dict[str, str] = {}
    found = []
    for name, its in ids.items():
        if its and (first := firsts.setdefault(its, name)) != name:
            found.append(warning(check, f"it has the {what} of {first}", matters=matters, fix=fix, host=name))
    return found
