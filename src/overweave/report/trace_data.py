"""The way of a packet as plain dictionaries, for ``--json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from overweave.facts.echo import Echo
from overweave.trace.model import Hop, Trace, Way

from .data import VERSION
from .trace_text import verdict


def trace(result: Trace) -> dict[str, Any]:
    """``broken`` is the first broken hop, null where there is none."""
    return {
        "version": VERSION,
        "kind": "trace",
        "ok": result.ok,
        "arrives": result.arrives,
        "verdict": verdict(result),
        "from": result.source,
        "to": result.target,
        "network": result.network,
        "driver": result.driver,
        "captured": result.captured,
        "stopped": asdict(result.stopped) if result.stopped else None,
        "there": _way(result.there) if result.there else None,
        "back": _way(result.back) if result.back else None,
        "broken": _hop(result.broken) if result.broken else None,
        "notes": list(result.notes),
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "from": way.source,
        "to": way.target,
        "address": way.address,
        "arrives": way.arrives,
        "echo": _echo(way.echo) if way.echo else None,
        "hops": [_hop(hop) for hop in way.hops],
    }


def _echo(echo: Echo) -> dict[str, Any]:
    return asdict(echo) | {"refusals": list(echo.refusals)}


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "kind": hop.kind.value,
        "host": hop.space.host,
        "namespace": hop.space.name,
        "path": hop.space.path,
        "name": hop.name,
        "what": hop.what,
        "shows": list(hop.shows),
        "mtu": hop.mtu,
        "ok": hop.ok,
        "problems": [{"seen": p.seen, "fix": p.fix} for p in hop.problems],
        "seen": asdict(hop.seen) if hop.seen else None,
    }
