"""A benchmark as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from overweave.bench.figures import MANY, MEASURES, ONE, PLANES, REQUESTS, Benchmark, Plane

from .data import VERSION


def benchmark(result: Benchmark) -> dict[str, Any]:
    """``ratio`` is the overlay's figure in units of the underlay's, null where one is not measured."""
    return {
        "version": VERSION,
        "kind": "benchmark",
        "network": result.network,
        "hosts": list(result.hosts),
        "seconds": round(result.took, 3),
        "seconds_each": result.seconds,
        "streams": result.streams,
        "pairs": [
            {
                "from": pair.source,
                "to": pair.target,
                **{name: _plane(pair.planes[name]) for name in PLANES},
                "ratio": {name: _rounded(pair.ratio(name)) for name in RATIOS},
            }
            for pair in result.pairs
        ],
        "median_ratio": {name: _rounded(result.median_ratio(name)) for name in RATIOS},
        "not_measured": [{"from": source, "to": target} for source, target in result.left_out],
        "devices": {host: asdict(device) for host, device in result.devices.items()},
        "limits": [
            {"kind": limit.kind, "hosts": list(limit.hosts), "told": limit.told} for limit in result.limits
        ],
    }


RATIOS = (ONE, MANY, REQUESTS, *(f"{name} {part}" for name in MEASURES[2:] for part in ("p50", "p99")))


def _plane(plane: Plane) -> dict[str, Any]:
    return {
        **{
            name: {
                "bits_per_second": round(flow.bits_per_second),
                "busy": {
                    host: {"all": round(its.all, 3), "busiest": round(its.busiest, 3), "cores": its.cores}
                    for host, its in flow.busy.items()
                },
            }
            for name, flow in plane.flows.items()
        },
        **{
            name: {
                "per_second": round(trips.per_second, 1),
                "count": trips.count,
                "lost": trips.lost,
                "milliseconds": {
                    "p50": trips.p50,
                    "p90": trips.p90,
                    "p99": trips.p99,
                    "max": trips.longest,
                },
            }
            for name, trips in plane.trips.items()
        },
        "missing": dict(plane.missing),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
