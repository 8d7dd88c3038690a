"""Green is green only where everything was measured, and a cell says which plane fails."""

from __future__ import annotations

import pytest

from overweave.prove.matrix import (
    CHECKS,
    HEAVY,
    UNDERLAY,
    Cause,
    Cell,
    Isolation,
    Matrix,
    Pair,
    Verdict,
    neighbours,
    seen,
)

OK, RED = Verdict(True, "x"), Verdict(False, "y")


def pair(a, b, *, red=(), missing=(), under=None, wanted=CHECKS, trip=None, loss=None):
    """All checks ok, but for some. ``under``: names of what is red on the underlay, None: not measured."""
    checks = {c: RED if c in red else OK for c in wanted if c not in missing}
    if "icmp" in checks:
        checks["icmp"] = Verdict("icmp" not in red, "x", trip, loss)
    underlay = {c: RED if c in under else OK for c in UNDERLAY} if under is not None else {}
    return Pair(a, b, checks, underlay, wanted)


def matrix(*pairs, hosts=("a", "b"), **more):
    return Matrix("n", tuple(hosts), tuple(pairs), {}, **more)


def test_all_pairs_with_all_checks_are_green():
    whole = matrix(pair("a", "b"), pair("b", "a"))
    assert whole.green
    assert whole.red == ()
    assert whole.pair("b", "a") is whole.pairs[1]
    assert whole.pair("a", "a") is None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("how", ["red", "missing"])
def test_one_check_that_is_red_or_missing_makes_the_pair_and_the_matrix_red(check, how):
    bad = pair("b", "a", **{how: (check,)})
    found = matrix(pair("a", "b"), bad)
    assert not found.green
    assert found.red == (bad,)
    assert bad.failed == (check,)


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (pair("a", "b"),),
        (pair("a", "b"), pair("a", "b")),
        (pair("a", "b"), pair("b", "a"), pair("a", "c")),
    ],
    ids=["none", "one way", "one way twice", "a stranger"],
)
def test_a_pair_that_was_not_measured_makes_the_matrix_red(pairs):
    assert not matrix(*pairs).green


def test_checks_that_nobody_asked_for_change_nothing():
    assert Pair("a", "b", dict.fromkeys(CHECKS, OK) | {"noise": RED}).green
    assert Pair("a", "b", {"icmp": OK, "tcp": RED}, wanted=("icmp",)).green


def test_a_red_underlay_alone_does_not_make_a_network_red():
    assert matrix(pair("a", "b", under=UNDERLAY), pair("b", "a")).green


def test_failed_checks_come_in_one_order():
    assert Pair("a", "b", {}).failed == CHECKS


def test_what_was_reached_and_must_not_be_makes_it_red():
    good = Isolation("a", "x on green", "")
    assert matrix(pair("a", "b"), pair("b", "a"), isolation=(good,)).green
    assert not matrix(
        pair("a", "b"), pair("b", "a"), isolation=(good, Isolation("b", "x on green", "x on green"))
    ).green


@pytest.mark.parametrize(
    ("there", "back", "cell"),
    [
        ({}, {}, Cell.OK),
        ({"red": ("icmp", "udp")}, {"red": ("icmp",)}, Cell.ONE_WAY),
        ({"red": ("icmp",)}, {"red": ("icmp", "udp")}, Cell.ONE_WAY),
        ({"red": ("icmp", "udp")}, {"red": ("icmp", "udp")}, Cell.FAILS),
        ({"red": ("icmp",), "under": ()}, {"under": ()}, Cell.OVERLAY),
        ({"red": ("icmp",), "under": ("udp-4789",)}, {"under": ()}, Cell.UNDERLAY),
        ({"red": ("icmp",), "under": ()}, {"under": ("icmp",)}, Cell.UNDERLAY),
        ({"missing": CHECKS}, {}, Cell.UNMEASURED),
        ({"missing": tuple(c for c in CHECKS if c != "vxlan"), "under": ()}, {}, Cell.UNMEASURED),
        ({"wanted": ("vxlan",)}, {}, Cell.OK),
        ({"wanted": ("vxlan",), "red": ("vxlan",)}, {}, Cell.FAILS),
        ({"under": UNDERLAY}, {}, Cell.OK),
        ({"trip": 10.1}, {"trip": 0.2}, Cell.SLOW),
        ({"trip": 9.9}, {"trip": 0.2}, Cell.OK),
        ({"trip": 0.2, "loss": 0.05}, {"trip": 0.2}, Cell.SLOW),
        ({"trip": 0.2, "loss": 0.04}, {"trip": 0.2}, Cell.OK),
    ],
)
def test_a_cell_says_what_a_pair_is_in_a_word(there, back, cell):
    # The third host's round trips are the median.
    others = [pair(x, "c", trip=0.2) for x in "ab"] + [pair("c", x, trip=0.2) for x in "ab"]
    found = matrix(pair("a", "b", **there), pair("b", "a", **back), *others, hosts="abc")
    assert found.cell("a", "b") is cell


def test_slow_is_measured_against_the_fleet():
    trips = {("a", "b"): 40.0, ("b", "a"): 40.0, ("a", "c"): 9.0, ("c", "a"): 9.0, ("b", "c"): 9.0}
    found = matrix(*(pair(a, b, trip=trip) for (a, b), trip in trips.items()), hosts="abc")
    assert found.median == 9.0
    assert {p: found.cell(*p) for p in trips} == dict.fromkeys(trips, Cell.OK)
    assert matrix(pair("a", "b", trip=45.1), *found.pairs[1:]).cell("a", "b") is Cell.SLOW
    assert found.cell("c", "b") is Cell.UNMEASURED


def test_the_median_needs_one_round_trip():
    assert matrix(pair("a", "b"), pair("b", "a")).median is None
    assert matrix(pair("a", "b", trip=3.0), pair("b", "a")).median == 3.0


def test_heavy_checks_go_round_a_ring_above_32_hosts():
    hosts = tuple(f"h{n}" for n in range(33))
    assert set(HEAVY) < set(CHECKS)
    assert neighbours(hosts[:32], "h30") == (*hosts[31:32], *hosts[:30])
    assert neighbours(hosts, "h0") == hosts[1:11]
    assert neighbours(hosts, "h30") == ("h31", "h32", *hosts[:8])
    assert [sum(h in neighbours(hosts, other) for other in hosts) for h in hosts] == [10] * 33


def test_causes_and_verdicts_as_a_line():
    assert Cause("r", "a -> b", "it is cut", "mend it").told == "a -> b: it is cut: mend it"
    assert Cause("r", "a", "cut", "mend it", ("m#1", "m#2")).told == "a: cut (m#1, m#2): mend it"
    assert seen(None) == "not measured"
    assert seen(Verdict(False, "\x1b[31mno")) == "[31mno"
    assert len(seen(Verdict(False, "x" * 999))) == 100
