"""The networks of a fleet as plain dictionaries, for ``--json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from overweave.networks.model import HostTree, Overview, Row

from .data import VERSION


def networks(result: Overview) -> dict[str, Any]:
    """docs/reference/networks.schema.json says what the keys mean."""
    return {
        "version": VERSION,
        "kind": "networks",
        "complete": result.complete,
        "wrong": [{"host": host, "what": words} for host, words in result.wrong],
        "hosts": list(result.hosts),
        "problems": {host: list(words) for host, words in result.problems.items()},
        "notes": list(result.notes),
        "networks": [_row(row) for row in result.rows],
        "trees": None if result.trees is None else [_tree(its) for its in result.trees],
    }


def _row(row: Row) -> dict[str, Any]:
    """null is what no engine told."""
    return {
        "name": row.name,
        "driver": row.driver or None,
        "scope": row.scope or None,
        "flags": list(row.flags),
        "hosts": {
            host: {
                "id": its.id,
                "subnets": list(its.subnets),
                "vnis": list(its.vnis),
                "endpoints": its.endpoints,
                "listed": its.listed,
            }
            for host, its in row.hosts.items()
        },
        "elsewhere": list(row.elsewhere),
    }


def _tree(its: HostTree) -> dict[str, Any]:
    told = asdict(its) | {"wrong": list(its.wrong)}
    for network in told["networks"]:
        network["driver"], network["scope"] = network["driver"] or None, network["scope"] or None
    return told
