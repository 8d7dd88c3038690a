"""What was measured between hosts, as verdicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overweave.facts.pair_report import Port
from overweave.facts.paths import PairFacts, Path, Travel
from overweave.prove.matrix import UNDERLAY, Verdict
from overweave.prove.underlay import largest, verdicts

TCP, UDP = Port("tcp", 7946), Port("udp", 7946)
PING = Travel(10, 10, 1500, 0.25)
FRAMES = Travel(10, 10, 1450, 0.3)
PORTS = {TCP: "ok", UDP: "ok"}
GOOD = {
    "icmp": Verdict(True, "0.25 ms", 0.25, 0.0),
    "mtu": Verdict(True, "1500"),
    "udp-4789": Verdict(True, "10 of 10 frames, 1450 of 1450 bytes"),
    "tcp-7946": Verdict(True, "answered"),
    "udp-7946": Verdict(True, "answered"),
}


def test_frames_to_another_port_say_so():
    path = Path(PORTS, PING, FRAMES)
    for frames, told in (
        (FRAMES, Verdict(True, "10 of 10 frames at UDP 4790, 1450 of 1450 bytes")),
        (Travel(10, 0, 0), Verdict(False, "no VXLAN frame arrived at UDP 4790")),
    ):
        facts = PairFacts(1500, {}, {("a", "b"): replace(path, vxlan=frames)}, 4790)
        assert verdicts(facts, ("udp-4789",))["a", "b"] == {"udp-4789": told}


def of(wanted=UNDERLAY, **path):
    facts = PairFacts(
        1500, {}, {("a", "b"): Path(**({"ports": PORTS, "underlay": PING, "vxlan": FRAMES} | path))}
    )
    return verdicts(facts, wanted)["a", "b"]


def test_all_is_well():
    assert of() == GOOD
    assert tuple(of()) == UNDERLAY
    assert of(("mtu",)) == {"mtu": GOOD["mtu"]}
    assert of(()) == {}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (
            {"underlay": Travel(30, 24, 1500, 0.5)},
            {"icmp": Verdict(True, "0.5 ms, 20% lost", 0.5, pytest.approx(0.2))},
        ),
        ({"underlay": Travel(10, 12, 1500, None)}, {"icmp": Verdict(True, "no reply", None, 0.0)}),
        ({"underlay": Travel(10, 10, 1420, 0.25)}, {"mtu": Verdict(False, "1420 bytes pass, 1500 don't")}),
        (
            {"underlay": Travel(10, 3, 0, None)},
            {
                "icmp": Verdict(True, "no reply, 70% lost", None, 0.7),
                "mtu": Verdict(False, "no bytes pass, 1500 don't"),
            },
        ),
        ({"vxlan": Travel(10, 0, 0)}, {"udp-4789": Verdict(False, "no VXLAN frame arrived")}),
        ({"vxlan": Travel(10, 4, 1370)}, {"udp-4789": Verdict(True, "4 of 10 frames, 1370 of 1450 bytes")}),
        (
            {"ports": {TCP: "silent", UDP: "ECONNREFUSED"}},
            {"tcp-7946": Verdict(False, "no answer"), "udp-7946": Verdict(False, "ECONNREFUSED")},
        ),
        (
            {"ports": {TCP: "mute", UDP: "ok"}},
            {"tcp-7946": Verdict(False, "connected, and nothing came back")},
        ),
    ],
)
def test_what_is_not_well_is_red_and_nothing_else(path, changed):
    assert of(**path) == GOOD | changed


def test_where_nothing_passes_all_is_red():
    nothing = of(
        underlay=Travel(30, 0, 0, None, "EPERM"), vxlan=Travel(10, 0, 0), ports={TCP: "silent", UDP: "silent"}
    )
    assert [check for check, its in nothing.items() if its.ok] == []
    assert nothing["icmp"] == Verdict(False, "EPERM", None, 1.0)
    assert of(underlay=Travel(30, 0, 0), vxlan=None)["icmp"].detail == "none of 30 pings arrived"
    assert of(underlay=Travel(0, 0, 0), vxlan=None)["icmp"].loss == 1.0


def test_a_filter_for_pings_says_nothing_of_a_way_that_carries_vxlan():
    found = of(underlay=Travel(30, 0, 0, None, "EPERM"))
    assert found == {check: its for check, its in GOOD.items() if check != "icmp"}
    small = of(underlay=Travel(30, 0, 0), vxlan=Travel(10, 10, 1300))
    assert small["mtu"] == Verdict(False, "1350 bytes pass, 1500 don't")


def test_what_was_not_measured_has_no_verdict():
    assert of(ports={}, underlay=None, vxlan=None) == {}
    assert of(ports={TCP: "ok"}, vxlan=Travel(0, 0, 0)) == {c: GOOD[c] for c in ("icmp", "mtu", "tcp-7946")}
    assert verdicts(PairFacts(1500), UNDERLAY) == {}


def test_the_largest_packet_is_told_where_it_is_not_enough():
    paths = {
        ("a", "b"): Path(underlay=Travel(10, 10, 1420)),
        ("b", "a"): Path(underlay=PING),
        ("a", "c"): Path(underlay=Travel(10, 0, 0)),
        ("c", "a"): Path(),
    }
    assert largest(PairFacts(1500, {}, paths)) == {("a", "b"): 1420}
