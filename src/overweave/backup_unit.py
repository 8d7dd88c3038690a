"""The timer that backs the store up, on every host with a server of it. Pure.

Each server's host keeps backups of its own, so that they outlive any one host. All of them are consistent
reads: one of a server that is cut off would be old under a new name, and push a good one out.
"""

from __future__ import annotations

from . import units
from .facts.backup_unit import FOLDER, SCRIPT, SERVICE_FILE, UNIT, UNIT_FILE, BackupUnit
from .model import Fleet, Store
from .render import render, script
from .steps import Step

WHY = "it backs the store up"
LONGEST_DELAY = 1800
"""Seconds that servers are spread over."""


def files(store: Store) -> dict[str, str]:
    """What is to be on a host, by path."""
    schedule = store.backup
    delay = min(LONGEST_DELAY, (schedule.period or 1200) // 20)
    return {
        SCRIPT: script("save-store.sh"),
        UNIT_FILE: render("backup.timer.j2", calendar=schedule.calendar, delay=delay),
        SERVICE_FILE: render(
            "backup.service.j2",
            script=SCRIPT,
            folder=schedule.folder,
            keep=schedule.keep,
            port=store.port,
            form="" if store.in_engine else f" {store.run_as}",
        ),
    }


def is_wanted(fleet: Fleet, host: str) -> bool:
    """Of Consul alone: etcd is not backed up."""
    return fleet.store.backup.on and host in fleet.servers and not fleet.store.in_etcd


def wanted(fleet: Fleet, host: str, its: BackupUnit) -> list[Step]:
    """The step that makes the timer of a host as it should be; none where it is."""
    if is_wanted(fleet, host):
        return units.install(host, _installed(its), files(fleet.store), WHY)
    why = "it is switched off" if host in fleet.servers else "the host has no server of the store"
    return remove(host, its, why)


def remove(host: str, its: BackupUnit, why: str) -> list[Step]:
    """The step that takes it away; none where nothing of it is there. Its backups stay."""
    stay = f"; its backups stay in {its.folder}" if its.newest else ""
    return units.remove(host, _installed(its), why + stay)


def _installed(its: BackupUnit) -> units.Installed:
    return units.Installed(UNIT, FOLDER, its.files, its.runs)
