"""What a directed pair shows, in the words of the rules."""

from __future__ import annotations

import pytest

from overweave.prove.matrix import CHECKS, UNDERLAY, Pair
from overweave.prove.signs import (
    LOSSY,
    ROW_MISSING,
    ROW_RIGHT,
    ROW_WRONG,
    SILENT,
    UNDERLAY_DEAD,
    UNSEEN,
    Context,
    of_pair,
)

from .test_matrix import matrix, pair

VTEPS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}


def signs(there, back=None, **context):
    whole = matrix(there, *([back] if back else ()))
    return of_pair(there, whole, Context(VTEPS, **context))


def test_checks_that_were_asked_for_are_signs():
    assert signs(pair("a", "b", red=("tcp",), missing=("mtu",))) == {
        *("+dns", "+icmp", "+udp", "+connect", "-tcp", "-mtu", "+vxlan")
    }
    assert signs(pair("a", "b", wanted=("icmp", "udp"))) == {"+icmp", "+udp"}


def test_the_underlay_and_the_other_direction():
    found = signs(pair("a", "b", under=("mtu",)), pair("b", "a", red=("udp",), under=("udp-4789",)))
    assert {s for s in found if "u:" in s or "back" in s} == {
        *("+u:icmp", "-u:mtu", "+u:udp-4789", "+u:tcp-7946", "+u:udp-7946"),
        *("-back udp", "-back u:udp-4789"),
    }
    assert UNDERLAY_DEAD not in found
    assert UNDERLAY_DEAD in signs(pair("a", "b", under=UNDERLAY))


@pytest.mark.parametrize(
    ("row", "sign"), [("10.0.0.2", ROW_RIGHT), ("10.0.0.3", ROW_WRONG), ("", ROW_MISSING), (None, None)]
)
def test_the_row_to_the_other_host(row, sign):
    rows = {("b", "a"): "10.9.9.9"} | ({("a", "b"): row} if row is not None else {})
    found = signs(pair("a", "b"), rows=rows) & {ROW_RIGHT, ROW_WRONG, ROW_MISSING}
    assert found == ({sign} if sign else set())


def test_loss_the_gossip_and_hosts_that_took_no_part():
    assert LOSSY in signs(pair("a", "b", loss=0.05))
    assert LOSSY not in signs(pair("a", "b", loss=0.04)), "one of 25 is no rate"
    assert LOSSY not in signs(pair("a", "b", red=("icmp",), loss=1.0))
    for unseen in ({"a": ("b",)}, {"b": ("c", "a")}):
        assert UNSEEN in signs(pair("a", "b"), unseen=unseen)
    assert UNSEEN not in signs(pair("a", "b"), unseen={"a": ("c",), "c": ("a", "b")})
    for lost in ({"a": "x"}, {"b": "x"}):
        assert SILENT in signs(pair("a", "b"), lost=lost)
    assert SILENT not in signs(pair("a", "b"), lost={"c": "x"})
    nothing = tuple(c for c in CHECKS if c != "vxlan")
    assert SILENT in signs(pair("a", "b", missing=nothing))
    assert SILENT in signs(Pair("a", "b", {}, wanted=("vxlan",)))
    assert SILENT not in signs(pair("a", "b", wanted=("vxlan",), red=("vxlan",)))


@pytest.mark.parametrize(
    ("wanted", "red", "sign"),
    [
        (("icmp", "tcp"), ("icmp", "tcp"), "-udp"),
        (("icmp", "tcp"), ("icmp",), "+udp"),
        (("icmp",), ("icmp",), "-udp"),
        (("connect",), ("connect",), "-udp"),
        (("icmp", "mtu"), ("mtu",), "+udp"),
        (("mtu",), ("mtu",), None),
        (("tcp",), ("tcp",), None),
        (("tcp", "vxlan"), ("tcp", "vxlan"), None),
        (("vxlan",), ("vxlan",), "-udp"),
        (("vxlan",), (), None),
        (("dns",), ("dns",), None),
        (("udp", "icmp"), ("icmp",), "+udp"),
        (("udp", "icmp"), ("udp",), "-udp"),
    ],
)
def test_where_no_datagrams_were_sent_the_other_checks_tell_whether_packets_arrive(wanted, red, sign):
    found = signs(pair("a", "b", wanted=wanted, red=red), pair("b", "a", wanted=wanted, red=red))
    assert found & {"+udp", "-udp"} == ({sign} if sign else set())
    assert ("-back udp" in found) is (sign == "-udp")
