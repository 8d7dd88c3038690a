"""What `fab add-host`, `remove-host` and `replace-host` did, for --json."""

from __future__ import annotations

from typing import Any

from overweave.prove.matrix import Matrix
from overweave.steps import Plan

from .data import VERSION, matrix
from .data import plan as of_plan


def change(
    kind: str, hosts: tuple[str, ...], address: str, plan: Plan, proof: Matrix | None, seconds: float
) -> dict[str, Any]:
    """``kind`` is ``host-added``, ``host-removed`` or ``host-replaced``; ``address`` is the one that a host
    had which went, null where nobody knew one; ``proof`` is null where none was made."""
    return {
        "version": VERSION,
        "kind": kind,
        "hosts": list(hosts),
        "address": address or None,
        "changed": bool(plan),
        "seconds": round(seconds, 3),
        "stages": of_plan(plan)["stages"],
        "proof": None if proof is None else matrix(proof),
    }
