"""A benchmark as people and programs read it."""

from __future__ import annotations

import io
import json

from rich.console import Console

from overweave.bench.figures import Benchmark, Busy, Device, Flow, Limit, Measured, Plane, trips
from overweave.report.bench_data import benchmark as as_data
from overweave.report.bench_text import benchmark as as_text

TRIPS = {name: trips({100: 98, 2000: 2}, lost=1, seconds=1) for name in ("requests", "datagrams")}


def pair(source, target, over=8e9, under=1e10):
    busy = {source: Busy(0.5, 1.0, 2)}
    return Measured(
        source,
        target,
        {
            "underlay": Plane({"one": Flow(under, busy), "many": Flow(under)}, TRIPS)
            if under
            else Plane(missing={"one": "TCP port 5 of b (10.0.0.2): ETIMEDOUT"}),
            "overlay": Plane({"one": Flow(over, busy), "many": Flow(over)}, TRIPS),
        },
    )


def result(*pairs, hosts=("a", "b"), left_out=()):
    device = Device("eth0", 1500, 1450, {"tx-checksumming": True})
    limits = (Limit("cpu", "one processor is busy", ("a",)), Limit("unknown", "nothing explains it"))
    return Benchmark("net", hosts, pairs, dict.fromkeys(hosts, device), 1.0, 4, left_out, 12.34, limits)


def shown(it):
    out = io.StringIO()
    Console(file=out, width=80, no_color=True).print(as_text(it))
    return out.getvalue()


def test_all_figures_fit_80_columns():
    told = shown(result(pair("a", "b")))
    assert "a -> b      8.0 / 10.0  0.80  8.0 / 10.0  0.80   100 / 100  1.00" in told
    assert "        overlay     0.100  0.100  2.000  2.000    0.100  2.000     1" in told
    assert told.endswith(
        "CPU limit: a: one processor is busy\n"
        "limit: nothing explains it\n"
        "1 of 1 pairs of net in 12.3 s, 1 s each\n"
    )


def test_what_is_not_measured_is_said_with_its_reason_once():
    told = shown(result(pair("a", "b", under=0), pair("a", "c", under=0), left_out=(("b", "c"),)))
    assert "8.0 / -" in told
    assert (
        "not measured: underlay, a -> b and 1 more: TCP port 5 of b (10.0.0.2): ETIMEDOUT\n"
        "  --port NAMES a port that the hosts' firewalls let through\n"
    ) in told
    assert "2 of 3 pairs of net in 12.3 s, 1 s each; 1 pairs not measured: --all-pairs" in told


def test_of_a_large_fleet_the_slowest_pairs_are_shown():
    pairs = [pair(f"h{n}", f"h{n + 1}", over=n * 1e9) for n in range(1, 31, 2)]
    told = shown(result(*pairs))
    assert [line.split("  ")[0] for line in told.splitlines() if " / " in line and " -> h" in line] == [
        "h1 -> h2", "h3 -> h4", "h5 -> h6", "h7 -> h8", "h9 -> h10",
    ]  # fmt: skip
    assert "the 5 slowest of 15 pairs; all are in --json" in told


def test_programs_get_every_figure():
    told = json.loads(json.dumps(as_data(result(pair("a", "b"), pair("b", "c", under=0)))))
    assert (told["version"], told["kind"], told["network"], told["streams"]) == (1, "benchmark", "net", 4)
    one, other = told["pairs"]
    assert one["overlay"]["one"] == {
        "bits_per_second": 8000000000,
        "busy": {"a": {"all": 0.5, "busiest": 1.0, "cores": 2}},
    }
    assert one["underlay"]["requests"] == {
        "per_second": 100.0,
        "count": 100,
        "lost": 1,
        "milliseconds": {"p50": 0.1, "p90": 0.1, "p99": 2.0, "max": 2.0},
    }
    assert one["ratio"] == {
        "one": 0.8, "many": 0.8, "requests": 1.0,
        "requests p50": 1.0, "requests p99": 1.0, "datagrams p50": 1.0, "datagrams p99": 1.0,
    }  # fmt: skip
    assert set(other["ratio"].values()) == {None}
    assert other["underlay"]["missing"] == {"one": "TCP port 5 of b (10.0.0.2): ETIMEDOUT"}
    assert told["median_ratio"]["one"] == 0.8
