"""Several proofs as one: what failed once has failed."""

from __future__ import annotations

from dataclasses import replace

from overweave.prove.matrix import CHECKS, Cause, Evidence, Isolation, Outside, Pair, Verdict
from overweave.prove.repeated import merged

from .test_matrix import matrix, pair


def proof(*pairs, sent=5, seconds=1.0, **more):
    pairs = pairs or (pair("a", "b"), pair("b", "a"))
    evidence = {name: Evidence(256, f"10.0.0.{n}", sent, 2 * sent) for n, name in enumerate("ab")}
    return replace(matrix(*pairs), evidence=evidence, seconds=seconds, **more)


def test_one_is_what_it_is():
    first = proof(causes=(Cause("r", "a", "x", "y"),))
    assert merged([first]) is first


def test_green_ones_are_green_and_count_together():
    found = merged([proof(sent=5, seconds=1.0), proof(sent=7, seconds=2.5), proof(sent=0, seconds=0.5)])
    assert found.green
    assert found.seconds == 4.0
    assert found.evidence["b"] == Evidence(256, "10.0.0.1", 12, 24)
    assert found.pair("a", "b").checks["tcp"] == Verdict(True, "x")


def test_what_failed_once_is_red_and_says_how_often():
    bad = proof(pair("a", "b", red=("tcp",)), pair("b", "a"), causes=(Cause("r", "a", "x", "y"),))
    for runs, times in (((proof(), bad, proof()), 1), ((bad, proof(), bad), 2), ((bad, bad), 2)):
        found = merged(runs)
        assert [(p.source, p.failed) for p in found.red] == [("a", ("tcp",))]
        assert found.pair("a", "b").checks["tcp"].detail == f"failed in {times} of {len(runs)} runs: y"
        assert found.causes == ()


def test_what_was_not_measured_once_is_red_and_says_so():
    lost = proof(pair("a", "b", missing=CHECKS), pair("b", "a", missing=("udp",)))
    found = merged([proof(), lost])
    assert found.pair("a", "b").failed == CHECKS
    assert found.pair("b", "a").checks["udp"] == Verdict(False, "not measured in 1 of 2 runs")
    never = merged([lost, lost])
    assert never.pair("a", "b").checks == {}
    bad = proof(pair("a", "b", red=("udp",)), pair("b", "a", red=("udp",)))
    detail = merged([proof(), lost, bad]).pair("b", "a").checks["udp"].detail
    assert detail == "failed in 2 of 3 runs: y"


def test_round_trips_are_the_median_and_losses_the_mean():
    runs = [
        proof(pair("a", "b", trip=t, loss=x), pair("b", "a")) for t, x in ((9.0, 0.0), (1.0, 0.3), (2.0, 0.3))
    ]
    icmp = merged(runs).pair("a", "b").checks["icmp"]
    assert (icmp.milliseconds, round(icmp.loss, 3)) == (2.0, 0.2)
    assert merged(runs).pair("b", "a").checks["icmp"].milliseconds is None


def test_the_underlay_is_merged_as_well():
    found = merged([proof(pair("a", "b", under=())), proof(pair("a", "b", under=("mtu",)))])
    assert found.pair("a", "b").underlay_failed == ("mtu",)


def test_what_was_reached_once_is_not_isolated():
    def tried(*ends):
        return tuple(Isolation(a, "x", reached) for a, reached in ends)

    runs = [
        proof(isolation=tried(("a", ""), ("b", ""))),
        proof(isolation=tried(("b", "x"))),
        proof(isolation=tried(("a", ""), ("b", ""))),
    ]
    found = merged(runs)
    assert found.isolation == tried(("a", ""), ("b", "x"))
    assert not found.green
    assert merged([proof(isolation=tried(("a", "x"))), proof(isolation=tried(("b", "")))]).isolation == tried(
        ("a", "x"), ("b", "")
    )


def test_a_pair_that_other_runs_do_not_have_keeps_its_own():
    assert merged([proof(), proof(Pair("a", "b", {}))]).pair("b", "a").green


def test_what_was_not_reached_outside_once_was_not_reached():
    ok, bad = (Outside("a", "b (10.0.0.2)", reached, wanted=True) for reached in (True, False))
    for runs in ([ok, bad], [bad, ok]):
        found = merged([proof(outside=(run,)) for run in runs])
        assert (found.outside, found.green) == ((bad,), False)
    assert merged([proof(outside=(ok,)), proof(outside=(ok,))]).green
