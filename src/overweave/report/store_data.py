"""The store for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from overweave.audit import stamp
from overweave.backup import About
from overweave.facts.backups import Kept
from overweave.preflight.finding import Finding
from overweave.prove.matrix import Matrix
from overweave.steps import Plan
from overweave.store_state import StoreState

from . import data
from .data import VERSION


def state(result: StoreState) -> dict[str, Any]:
    """``last_contact`` is in seconds, null for never, and of etcd, which does not tell; of the leader it
    means nothing. ``host`` of a certificate is "" for the authority's, and ``ends`` null where none works."""
    told = asdict(result)
    for its in told["certificates"]:
        its["ends"] = its["ends"] and stamp(its["ends"])
    return {"version": VERSION, "kind": "store-status", "healthy": result.healthy, **told}


def backup(about: About, path: str) -> dict[str, Any]:
    told = asdict(about) | {"made": stamp(about.made)}
    return {"version": VERSION, "kind": "store-backup", "file": path, **told}


def backups(found: Mapping[str, Sequence[Kept]], folder: str) -> dict[str, Any]:
    """``index`` is raft's; ``size`` is in bytes, null where it is not known."""
    told = [
        {"host": host, **asdict(one), "made": stamp(one.made)} for host, its in found.items() for one in its
    ]
    return {"version": VERSION, "kind": "store-backups", "folder": folder, "backups": told}


def restore_plan(about: About, path: str, found: Sequence[Finding], planned: Plan) -> dict[str, Any]:
    return data.plan(planned) | {"backup": backup(about, path), "findings": [data.finding(f) for f in found]}


def restored(
    about: About,
    path: str,
    before: str | None,
    planned: Plan,
    repair: Mapping[str, Any],
    proof: Matrix,
    *,
    healthy: bool,
    seconds: float,
) -> dict[str, Any]:
    """``before`` is the file with the store as it was, null where that could not be asked; ``repair`` is
    what `data.repair` gives."""
    return {
        "version": VERSION,
        "kind": "store-restore",
        "healthy": healthy,
        "seconds": round(seconds, 3),
        "backup": backup(about, path),
        "before": before,
        "stages": data.plan(planned)["stages"],
        "repair": dict(repair),
        "proof": data.matrix(proof),
    }


def changed(
    task: str,
    found: Sequence[Finding],
    planned: Plan,
    needs: str,
    *,
    after: StoreState | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """A change of the store's servers by one of the tasks. ``needs``: what is to be written into the
    inventory, "" for nothing. ``store`` is how the store is after it, null where nothing was done."""
    return {
        "version": VERSION,
        "kind": task,
        "empty": not planned,
        "findings": [data.finding(f) for f in found],
        "stages": data.plan(planned)["stages"],
        "inventory": needs,
        "store": None if after is None else state(after),
        "seconds": None if seconds is None else round(seconds, 3),
    }
