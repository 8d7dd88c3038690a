"""The swarm: can these engines be in one, and in the same?"""

from __future__ import annotations

from overweave.facts.absent import Absent
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.swarm import LOCKED
from overweave.model import ENCRYPTED, Fleet
from overweave.printable import one_line

from .engine import missing, version
from .finding import Finding, error

ATTACHABLE = (1, 13)
SAFE_OLD, NEW, SAFE = (20, 10, 24), (23, 0), (23, 0, 3)
"""From when on engines drop what comes in clear on an encrypted network, in the lines of 20.10 and 23.0."""
FIXES = {
    LOCKED: "`fab repair` unlocks it with the key that another manager knows, `fab unlock-swarm --key FILE` "
    "with one that was kept",
    "pending": "wait till it is back: does TCP 2377 of a manager answer? see `journalctl -u docker`",
}


def engines(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_engine(facts.hosts[name])]


def _of_engine(its: HostFacts) -> list[Finding]:
    engine, unit = its.engine, its.unit
    if isinstance(engine, Absent) or isinstance(unit, Absent):
        return missing(its)
    if version(engine.version) < ATTACHABLE:
        return [
            error(
                "engine.version",
                f"Docker {engine.version} has no networks of a swarm that containers can join",
                matters="attachable ones came with 1.13",
                host=its.name,
                fix="upgrade the engine, or take a cluster store: `backend: consul`",
            )
        ]
    if unit.told_store:
        return [
            error(
                "swarm.cluster-store",
                "the engine uses a cluster store, which forbids swarm mode",
                host=its.name,
                fix="`fab destroy-overlay` first, if that overlay is not needed any more",
            )
        ]
    if engine.live_restore or its.daemon_json.settings.get("live-restore") is True:
        return [
            error(
                "swarm.live-restore",
                "live-restore is on, which forbids swarm mode",
                host=its.name,
                fix="take live-restore out of /etc/docker/daemon.json, then `systemctl reload docker`",
            )
        ]
    return []


def encryption(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Of an encrypted network: does the engine see to it that all of it is?"""
    if ENCRYPTED not in fleet.network.options:
        return []
    return [
        error(
            "engine.encryption",
            f"Docker {engine.version} lets packets of an encrypted network in and out that are not",
            matters="CVE-2023-28840, CVE-2023-28841, CVE-2023-28842",
            fix="upgrade to 20.10.24, 23.0.3 or later",
            host=name,
        )
        for name in fleet.names
        if isinstance(engine := facts.hosts[name].engine, Engine)
        and (version(engine.version) < SAFE_OLD or NEW <= version(engine.version) < SAFE)
    ]


def members(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Those that are in a swarm have to be in the same one, one that somebody can ask to let others in."""
    asked = {n: e for n in fleet.names if isinstance(e := facts.hosts[n].engine, Engine)}
    there = {name: engine.member for name, engine in asked.items() if engine.member.there}
    found = [
        error(
            "swarm.state",
            f"the engine is in a swarm that is {one_line(member.state, 40)}"
            + (f": {one_line(member.error, 200)}" if member.error and member.state != LOCKED else ""),
            host=name,
            fix=FIXES.get(member.state, "`docker swarm leave`, or mend that"),
        )
        for name, member in there.items()
        if not member.active
    ]
    if found or not there:
        return found
    swarm = facts.swarm
    if swarm is None or not swarm.leader:
        if not all(engine.running for engine in asked.values()):
            return []  # what is down may be its managers: it starts first
        names = ", ".join(there)
        managers = sorted({remote for member in there.values() for remote in member.remotes})
        return [
            error(
                "swarm.leader",
                f"nobody can let a host into the swarm of {names}: no host here is a manager with a leader",
                fix=f"name its managers, too: {', '.join(managers)}"
                if managers
                else "see `docker info` there",
            )
        ]
    return [
        error(
            "swarm.other",
            "the engine is in another swarm than the other hosts",
            host=name,
            fix="`docker swarm leave` if that swarm is not needed",
        )
        for name, member in there.items()
        if member.node not in swarm.nodes
    ]
