"""The engine as it runs, and the units of systemd around it: what would a restart meet?"""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.services import Service
from overweave.model import Fleet
from overweave.printable import one_line

from .finding import Finding, note, warning

OWN = "cluster-store"
OFTEN = 3
"""Restarts by systemd itself after which an engine is one that keeps dying."""


def engines(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_engine(facts.hosts[name])]


def _of_engine(its: HostFacts) -> list[Finding]:
    engine = its.engine
    if not isinstance(engine, Engine):
        return []
    found = []
    if engine.live_restore or its.daemon_json.settings.get("live-restore") is True:
        found.append(
            warning(
                "engine.live-restore",
                "live-restore is on",
                matters="with the store away, a restart of the engine deletes the records of its containers' "
                "endpoints: they run on, cut off",
                fix="take live-restore out of /etc/docker/daemon.json, then `systemctl reload docker`",
                host=its.name,
            )
        )
    if engine.storage == "vfs" or engine.on_loop:
        how = (
            "copies every layer in full" if engine.storage == "vfs" else "keeps its data behind a loop device"
        )
        found.append(
            warning(
                "engine.storage",
                f"the storage driver {one_line(engine.storage, 40)} {how}",
                matters="it is slow and fills the disk: the engine fell back to it, or was told to use it",
                fix="overlay2 on ext4 or xfs: see `storage-driver` in /etc/docker/daemon.json",
                host=its.name,
            )
        )
    # That the cluster store is deprecated is told by who chose it, and is no surprise.
    warnings = [one_line(w, 120).removeprefix("WARNING: ") for w in engine.warnings if OWN not in w]
    if warnings:
        text = "; ".join(warnings[:5])
        found.append(note("engine.warnings", f"the engine warns: {text}", host=its.name))
    return found


def services(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [
        finding
        for name, machine in facts.machines.items()
        for service in machine.services
        for finding in _of_service(name, service)
    ]


def _of_service(name: str, service: Service) -> list[Finding]:
    found = []
    if service.state == "failed":
        limit = service.result == "start-limit-hit"
        found.append(
            warning(
                "engine.start-limit" if limit else "engine.units",
                f"{service.name} has failed: {one_line(service.result, 40)}",
                matters="systemd refuses to start it again until it is reset, which a deployment does"
                if limit
                else "the engine may not start again",
                fix=f"`systemctl reset-failed {service.name}`, and see `journalctl -u {service.name}`",
                host=name,
            )
        )
    if service.outdated:
        found.append(
            warning(
                "engine.reload",
                f"the files of {service.name} have changed since systemd read them",
                matters="a deployment would put somebody else's change in force",
                fix=f"see `systemctl cat {service.name}`, then `systemctl daemon-reload`",
                host=name,
            )
        )
    if service.restarts >= OFTEN:
        found.append(
            note(
                "engine.restarts",
                f"systemd has restarted {service.name} {service.restarts} times by itself",
                matters="something ends it: see `journalctl -u docker`",
                host=name,
            )
        )
    return found
