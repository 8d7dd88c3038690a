"""Metrics: read by Prometheus' own parser, and nothing in them that the textfile collector refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.report.fleets import AT, HOSTILE, fleet, hostile, pair, two_faults

from overweave.prove.matrix import Matrix, Pair, Verdict
from overweave.report.prometheus import METRICS, prometheus


def read(result):
    """Samples by metric and labels."""
    text = prometheus(result, AT)
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation == METRICS[family.name]
        for sample in family.samples:
            assert sample.name == family.name
            assert sample.timestamp is None
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "the collector refuses a file with a series that is there twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[f"overweave_{name}", frozenset(({"network": "overweave"} | labels).items())]


def test_the_proof_of_three_hosts():
    found = read(fleet(3))
    assert Counter(name for name, _ in found) == {
        "overweave_check_ok": 6 * 12,
        "overweave_round_trip_seconds": 6 * 3,
        "overweave_loss_ratio": 6 * 2,
        "overweave_pair_green": 6,
        "overweave_proof_green": 1,
        "overweave_proof_seconds": 1,
        "overweave_proof_timestamp_seconds": 1,
    }
    assert value(found, "proof_green") == 1
    assert value(found, "proof_seconds") == 0.8
    assert value(found, "proof_timestamp_seconds") == 1773480413


def test_two_faults_are_zeros():
    found = read(two_faults(25))
    assert value(found, "proof_green") == 0
    assert value(found, "pair_green", source="host1", target="host7") == 0
    assert value(found, "pair_green", source="host1", target="host2") == 1
    ends = {"source": "host14", "target": "host19"}
    assert value(found, "check_ok", plane="overlay", check="mtu", **ends) == 0
    assert value(found, "check_ok", plane="underlay", check="mtu", **ends) == 1
    slow = {"source": "host3", "target": "host22", "plane": "overlay", "check": "icmp"}
    assert value(found, "round_trip_seconds", **slow) == pytest.approx(0.041)
    assert value(found, "loss_ratio", **slow) == 0.12


def test_a_check_without_a_verdict_has_failed_and_one_that_was_left_out_is_not_there():
    red = Pair("host1", "host2", {}, wanted=("dns",))
    found = read(replace(fleet(2), pairs=(red, pair("host2", "host1", wanted=("icmp",)))))
    told = {(dict(labels)["source"], dict(labels)["check"]) for name, labels in found if name.endswith("_ok")}
    assert told >= {("host1", "dns"), ("host2", "icmp")}
    assert ("host1", "icmp") not in told
    assert ("host2", "dns") not in told


def test_what_is_no_number_is_not_written():
    odd = {"icmp": Verdict(True, "x", float("nan"), float("inf"))}
    found = read(replace(fleet(2), pairs=(Pair("host1", "host2", odd, wanted=("icmp",)),), seconds=-1))
    assert {name for name, _ in found} & {"overweave_round_trip_seconds", "overweave_loss_ratio"} == set()


def test_of_a_pair_that_is_there_twice_the_worse_is_told():
    both = (pair("host1", "host2"), pair("host1", "host2", red=("dns",)))
    for pairs in (both, both[::-1]):
        found = read(replace(fleet(2), pairs=pairs))
        assert value(found, "pair_green", source="host1", target="host2") == 0


@pytest.mark.parametrize("word", HOSTILE)
def test_any_word_is_a_label(word):
    found = read(hostile(word))
    assert Counter(name for name, _ in found)["overweave_pair_green"] == 2


def test_quotes_and_backslashes_come_back_as_they_were():
    word = 'C:\\new "quote" \\'
    assert {dict(labels)["network"] for _, labels in read(hostile(word))} == {word}


def test_no_hosts_are_not_green_and_not_red():
    assert {name for name, _ in read(Matrix("overweave", (), (), {}))} == {
        "overweave_proof_green",
        "overweave_proof_seconds",
        "overweave_proof_timestamp_seconds",
    }
