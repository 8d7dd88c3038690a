"""Green is green only where everything was measured."""

from __future__ import annotations

import pytest

from overweave.prove.matrix import CHECKS, Matrix, Pair, Verdict

OK, RED = Verdict(True, "x"), Verdict(False, "y")


def pair(a, b, *, red=(), missing=()):
    return Pair(a, b, {c: RED if c in red else OK for c in CHECKS if c not in missing})


def matrix(*pairs, hosts=("a", "b")):
    return Matrix("n", tuple(hosts), tuple(pairs), {})


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


def test_failed_checks_come_in_one_order():
    assert Pair("a", "b", {}).failed == CHECKS
