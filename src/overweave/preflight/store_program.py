"""The hosts' own Consul, where the store is to run as a service: is it there, and does it fit the others'?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.steps import some

from .finding import Finding, error, warning

MOST = 2
"""Second numbers of a version between two agents of one store, as Consul's upgrade instructions have it."""


def programs(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    if fleet.store.in_engine:
        return []
    return [*_missing(fleet, facts), *_versions(facts)]


def _missing(fleet: Fleet, facts: FleetFacts) -> Iterator[Finding]:
    for name in fleet.agents:
        if not facts.hosts[name].service.program:
            yield error(
                "store.program",
                "there is no program consul, and the store is to run as a service",
                host=name,
                fix="`apt-get install consul`, or remove `run_as: service` from the inventory",
            )


def _versions(facts: FleetFacts) -> Iterator[Finding]:
    by_version: dict[str, list[str]] = {}
    for name, version in facts.programs.items():
        if version:
            by_version.setdefault(version, []).append(name)
    known = sorted(by_version, key=_numbers)
    if len({_numbers(version)[:2] for version in known}) < 2:
        return
    old, new = _numbers(known[0]), _numbers(known[-1])
    seen = "hosts have Consul " + ", ".join(f"{version} ({some(by_version[version])})" for version in known)
    fix = "bring the same version to all of them"
    if old[0] != new[0] or new[1] - old[1] > MOST:
        matters = "agents so far apart don't understand each other"
        yield error("store.versions", seen, matters=matters, fix=fix)
    else:
        matters = "only while an upgrade is on its way one store may have several"
        yield warning("store.versions", seen, matters=matters, fix=fix)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
