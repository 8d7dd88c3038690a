"""The networks of an inventory for ``--json``: what differs, what is done, and the proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overweave.prove.matrix import Matrix
from overweave.reconcile.plan import Drift, Reconciliation

from . import data


def decided(made: Reconciliation) -> dict[str, Any]:
    """Before anything is done: also where something forbids it."""
    return {
        "version": data.VERSION,
        "kind": "networks-plan",
        "empty": not made.plan,
        "stages": data.plan(made.plan)["stages"],
        "drift": [_drift(its) for its in made.drift],
        "waiting": [{"host": its.host, "container": its.container} for its in dict.fromkeys(made.waiting)],
        "refused": [{"host": e.host, "why": e.message, "hint": e.hint} for e in made.refused],
    }


def applied(made: Reconciliation, proofs: Mapping[str, Matrix]) -> dict[str, Any]:
    """After it was done. A proof is as ``validate-overlay --json`` has it."""
    return {
        **decided(made),
        "kind": "networks",
        "changed": bool(made.plan),
        "green": all(matrix.green for matrix in proofs.values()),
        "proofs": {name: data.matrix(matrix) for name, matrix in proofs.items()},
    }


def _drift(its: Drift) -> dict[str, Any]:
    return {
        "host": its.host,
        "network": its.network,
        "ours": its.ours,
        "differences": [{"attribute": d.attribute, "is": d.is_, "wanted": d.wanted} for d in its.differences],
    }
