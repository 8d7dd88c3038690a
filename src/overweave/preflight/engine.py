"""The engine: is it one that can have a cluster store?"""

from __future__ import annotations

import re

from overweave.facts.absent import Absent
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.model import Fleet

from .finding import Finding, error

FIRST_WITHOUT_A_STORE = (22, 6)
"""As its betas called themselves: 23.0 came without one."""


def engines(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_engine(fleet, facts.hosts[name])]


def _of_engine(fleet: Fleet, its: HostFacts) -> list[Finding]:
    engine = its.engine
    if isinstance(engine, Absent) or isinstance(its.unit, Absent):
        return missing(its)
    if version(engine.version) >= FIRST_WITHOUT_A_STORE:
        return [
            error(
                "engine.version",
                f"Docker {engine.version} has no cluster store",
                matters="it was removed after 20.10",
                host=its.name,
                fix="the engines' own swarm carries an overlay there: `--backend swarm`",
            )
        ]
    if not engine.speaks(fleet.store.kind):
        example = "" if fleet.store.in_etcd else ", as Debian 12's is"
        fix = "the engines' own swarm carries an overlay there: `--backend swarm`"
        if engine.speaks_etcd:
            fix = (
                "a store in etcd carries an overlay there: `--backend etcd`; so does the engines' own swarm: "
                "`--backend swarm`"
            )
        return [
            error(
                f"engine.{fleet.store.kind}",
                f"this Docker {engine.version} was built without {fleet.store.title}{example}",
                host=its.name,
                fix=fix,
            )
        ]
    if engine.swarm:
        return [
            error(
                "engine.swarm",
                "the engine is in swarm mode, which forbids a cluster store",
                host=its.name,
                fix="`--backend swarm` uses it; `docker swarm leave` if it is not needed",
            )
        ]
    return []


def missing(its: HostFacts) -> list[Finding]:
    """An engine that is not there, or is run by something that can't be asked."""
    if isinstance(its.engine, Absent):
        return [
            error(
                "engine.installed",
                its.engine.why,
                host=its.name,
                fix="install it, as with `apt-get install docker.io` on Debian",
            )
        ]
    if isinstance(its.unit, Absent):
        return [
            error(
                "engine.unit",
                f"Docker is not run by docker.service: {its.unit.why}",
                host=its.name,
                fix="install Docker from a package that brings the unit; snap's does not",
            )
        ]
    return []


def version(text: str) -> tuple[int, ...]:
    """``20.10.24+dfsg1`` as (20, 10, 24)."""
    return tuple(int(part) for part in re.findall(r"\d+", text.split("+")[0].split("-")[0])[:3])
