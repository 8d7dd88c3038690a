"""The backups of the store that its hosts keep: which there are, and one of them. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .backup import Backup, of_snapshot
from .errors import UsageError
from .facts import backups
from .facts.backups import NAME, Kept, parse_name
from .fleet import each
from .session import Session

NEWEST = "newest"
PLACE = re.compile(rf"(?P<host>[^/]+):(?P<name>{NEWEST}|{NAME})")


def found(session: Session) -> Mapping[str, tuple[Kept, ...]]:
    """Those of every host, the newest first."""
    folder = session.fleet.store.backup.folder
    return each(
        session.fleet.names,
        lambda name: backups.look(session.hosts[name], folder),
        cancel=session.cancel,
    ).all()


def place(text: str) -> tuple[str, str] | None:
    """Host and name out of ``HOST:NAME``, as `fab store-backups` lists them; None for anything else."""
    its = PLACE.fullmatch(text)
    return (its["host"], its["name"]) if its else None


def get(session: Session, host: str, name: str) -> Backup:
    """One that a host keeps. Raises `UsageError` where there is none of that name, or it is not whole."""
    folder = session.fleet.store.backup.folder
    if host not in session.hosts:
        raise UsageError(
            f"{host}:{name}: {host} is none of the hosts given", hint="`fab store-backups` lists all backups"
        )
    if name == NEWEST:
        there = backups.look(session.hosts[host], folder)
        if not there:
            raise UsageError(
                f"there is no backup in {folder} on {host}", hint="`fab store-backups` lists all backups"
            )
        name = there[0].name
    session.progress(host, f"read {folder}/{name}")
    saved = backups.fetch(session.hosts[host], folder, name)
    its = parse_name(name)
    try:
        return of_snapshot(saved, its.consul if its else "")
    except UsageError as e:
        raise UsageError(
            f"{host}:{name}: {e.message}", hint=e.hint or "`fab store-backups` lists all backups"
        ) from e
