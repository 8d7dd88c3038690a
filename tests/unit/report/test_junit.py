"""JUnit's XML: what Jenkins' own schema (junit-10.xsd of its xUnit plugin) allows, and what it says."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from tests.unit.report.fleets import AT, HOSTILE, VXLAN, fleet, hostile, two_faults, without_perl

from overweave.prove.matrix import Isolation, Matrix
from overweave.report.junit import junit

ELEMENTS = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "package"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "time", "classname"}, {"failure", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
}
"""Of the schema: attributes and children, as far as a report needs them."""
NEEDED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}
TIME = re.compile(r"[0-9]{1,3}(\.[0-9]+)?|[0-9]{4,}(\.[0-9]+)?")


def read(result):
    root = ElementTree.fromstring(junit(result, AT).encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = ELEMENTS[element.tag]
        assert set(element.attrib) <= attributes
        assert set(element.attrib) >= NEEDED.get(element.tag, set())
        assert {child.tag for child in element} <= children
        assert TIME.fullmatch(element.get("time", "0"))
    for element in (root, *root):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        assert element.get("failures") == str(sum(case.find("failure") is not None for case in cases))
    return root


def failures(root):
    return {
        (case.get("classname"), case.get("name")): case.find("failure").get("message")
        for case in root.iter("testcase")
        if case.find("failure") is not None
    }


def test_a_suite_is_a_check_of_a_plane_and_a_case_a_directed_pair():
    root = read(fleet(3))
    assert [suite.get("name") for suite in root] == [
        *(f"overlay {check}" for check in ("dns", "icmp", "udp", "connect", "tcp", "mtu", "vxlan")),
        *(f"underlay {check}" for check in ("icmp", "mtu", "udp-4789", "tcp-7946", "udp-7946")),
    ]
    assert (root.get("tests"), root.get("failures")) == ("72", "0")
    assert root[0].get("timestamp") == "2026-03-14T09:26:53.000"
    case = root[1].find("testcase")
    assert case.get("classname") == "overweave.overlay.icmp"
    assert case.get("name") == "host1 -> host2"
    assert float(case.get("time")) == pytest.approx(0.0003, abs=0.0002)


def test_what_is_red_is_a_failure_with_what_was_seen():
    root = read(two_faults(25))
    found = failures(root)
    assert Counter(name.split(".", 1)[1] for name, _ in found) == {
        **dict.fromkeys((f"overlay.{check}" for check in VXLAN), 48),
        "overlay.tcp": 50,
        "overlay.mtu": 50,
        "underlay.udp-4789": 48,
    }
    assert found["overweave.overlay.tcp", "host14 -> host19"] == "1048576 bytes did not come back"
    told = {p.get("name"): p.get("value") for p in root[0].iter("property")}
    assert (told["network"], told["plane"], told["check"], told["vni"]) == (
        "overweave",
        "overlay",
        "dns",
        "256",
    )
    assert told["cause-1"].startswith("host7: no VXLAN frame gets in or out")


def test_pairs_that_nobody_measured_are_failures():
    result = fleet(3)
    found = failures(read(replace(result, pairs=result.pairs[1:])))
    assert len(found) == 7
    assert set(found.values()) == {"not measured"}
    assert {name for _, name in found} == {"host1 -> host2"}


def test_what_a_large_fleet_leaves_out_is_skipped():
    root = read(fleet(50))
    skipped = {suite.get("name"): suite.get("skipped") for suite in root if suite.get("skipped") != "0"}
    assert skipped == {"overlay tcp": "1950", "overlay mtu": "1950"}
    assert root.get("failures") == "0"
    assert root.get("tests") == str(2450 * 12)


def test_what_can_not_be_checked_without_perl_is_skipped_and_says_why():
    root = read(without_perl())
    skipped = {suite.get("name"): suite.get("skipped") for suite in root if suite.get("skipped") != "0"}
    assert skipped == {"overlay udp": "6", "overlay connect": "6"}
    assert {each.get("message") for each in root.iter("skipped")} == {"could not be made: a host has no perl"}


def test_isolation_has_a_suite():
    tried = (Isolation("host1", "other", ""), Isolation("host2", "other", "HTTP 200"))
    root = read(fleet(3, isolation=tried))
    assert failures(root) == {("overweave.isolation", "host2 -> other"): "HTTP 200"}


@pytest.mark.parametrize("word", [word for word in HOSTILE if word])
def test_any_word_is_text(word):
    root = read(hostile(word))
    tame = read(hostile("tame"))
    assert [(e.tag, set(e.attrib)) for e in root.iter()] == [(e.tag, set(e.attrib)) for e in tame.iter()]


def test_dots_of_a_name_make_no_packages():
    assert read(replace(fleet(2), network="a.b"))[0].get("package") == "a_b.overlay.dns"


def test_no_hosts_no_cases():
    assert read(Matrix("n", (), (), {})).get("tests") == "0"
