"""The backups that hosts make of the store: are they made, and is the newest one new?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from overweave import backup_unit
from overweave.facts.backup_unit import SERVICE, UNIT, BackupUnit
from overweave.facts.live import Live
from overweave.facts.unit import Unit
from overweave.model import Fleet
from overweave.preflight.finding import warning

from .fault import Fault
from .places import Places

MATTERS = "the last good backup gets older and older"


def scheduled(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """A warning of each host with a server of the store that makes no backups as it should."""
    return [
        Fault(warning("store.backups", seen, matters=MATTERS, fix=fix, host=host))
        for host, its in live.fleet.hosts.items()
        if backup_unit.is_wanted(fleet, host)
        and host in live.carrying
        and (isinstance(its.unit, Unit) and its.unit.drop_in)
        for seen, fix in _wrong(its.backup, fleet.store.backup.period)
    ]


def _wrong(its: BackupUnit, period: int | None) -> Iterator[tuple[str, str]]:
    if not its.runs:
        yield f"{UNIT} is not enabled, or does not run", "`fab deploy-overlay` sets that right"
    elif its.failed:
        yield "the last backup of the store failed", f"`journalctl -u {SERVICE}` on the host tells why"
    elif its.newest is None:
        if its.ended:
            yield (
                f"backups of the store were made, and none is in {its.folder}",
                f"`journalctl -u {SERVICE}` on the host tells where they went",
            )
    elif its.now and period and (age := its.now - its.newest.made) > timedelta(seconds=2 * period):
        yield (
            f"the newest backup of the store is {_told(age)} old, and one is due every {_told(period)}",
            f"`journalctl -u {SERVICE}` on the host tells why; `systemctl start {SERVICE}` makes one now",
        )


def _told(span: timedelta | int) -> str:
    seconds = span if isinstance(span, int) else int(span.total_seconds())
    hours = seconds // 3600
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h" if hours else f"{seconds // 60} min"
