"""Percentiles, ratios and medians."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.bench.figures import OVERLAY, UNDERLAY, Benchmark, Flow, Measured, Plane, middle, trips


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=500))
def test_percentiles_are_those_of_the_sorted_list(micros):
    its, ordered = trips(Counter(micros), lost=0, seconds=2.0), sorted(micros)
    for share, told in ((0.5, its.p50), (0.9, its.p90), (0.99, its.p99), (1, its.longest)):
        assert told == ordered[math.ceil(share * len(ordered)) - 1] / 1000
    assert its.per_second == len(micros) / 2


@pytest.mark.parametrize(("micros", "seconds"), [({}, 1.0), ({5: 0}, 1.0), ({5: 1}, 0.0)])
def test_no_round_trips_are_no_figure(micros, seconds):
    with pytest.raises(ValueError, match="no round trips"):
        trips(micros, lost=3, seconds=seconds)


def measured(over, under):
    return Measured(
        "a",
        "b",
        {
            OVERLAY: Plane({"one": Flow(over)} if over else {}, {}, {} if over else {"one": "gone"}),
            UNDERLAY: Plane({"one": Flow(under)}, {"requests": trips({20: 9, 50: 1}, lost=0, seconds=1)}),
        },
    )


def test_a_ratio_needs_both_planes():
    pair = measured(5e8, 1e9)
    assert pair.ratio("one") == 0.5
    assert pair.planes[UNDERLAY].figure("requests") == 10
    assert pair.planes[UNDERLAY].figure("requests p99") == 0.05
    assert pair.ratio("requests") is None
    assert pair.ratio("requests p50") is None
    assert measured(0, 1e9).ratio("one") is None


def test_the_median_is_that_of_the_ratios():
    pairs = (measured(1e8, 1e9), measured(9e9, 1e10), measured(8e8, 1e9), measured(0, 1e9))
    result = Benchmark("net", ("a", "b"), pairs, {}, 1.0, 4)
    assert result.median_ratio("one") == 0.8
    assert result.median(OVERLAY, "one") == 8e8
    assert result.failed == pairs[3:]
    assert middle([]) is None
    assert middle([None, 3.0, 1.0]) == 1.0
