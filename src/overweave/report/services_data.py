"""A proof of services as plain dictionaries, for ``--json``."""

from __future__ import annotations

from typing import Any

from overweave.prove.service_matrix import KINDS, ServiceProof

from .data import VERSION


def services(result: ServiceProof) -> dict[str, Any]:
    """``checks``: by host, then by way: whether it works, and what was seen; null where nothing was."""
    return {
        "version": VERSION,
        "kind": "services",
        "network": result.network,
        "green": result.green,
        "seconds": round(result.seconds, 3),
        "hosts": list(result.hosts),
        "checks": {
            host: {
                kind: {"ok": verdict.ok, "detail": verdict.detail}
                if (verdict := result.checks.get(host, {}).get(kind)) is not None
                else None
                for kind in KINDS
            }
            for host in result.hosts
        },
        "causes": list(result.causes),
        "without_ipvs": list(result.without_ipvs),
    }
