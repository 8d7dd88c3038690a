"""Packets on the wire, from what the programs that watch tell, whatever that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.facts.streams import Place as Host

from overweave.errors import Refused
from overweave.facts.capture import Place, Report, Sight, watch
from overweave.fleet import Cancel

TOKEN = "00112233445566aa"
AT = Place("host1", "/proc/self/ns/net", 7)


def reported(*lines):
    report = Report(AT, TOKEN)
    for line in lines:
        report.line(f"{TOKEN} {line}".encode())
    return report


def test_a_plain_packet_and_one_in_vxlan():
    found = reported(
        "ready",
        "saw 15 out request 1795289006.930403 84 64 10.1.0.1 10.1.0.2 - - 0 0",
        "saw 2 in reply 1795289006.930500 84 63 10.1.0.2 10.1.0.1 10.0.0.2 10.0.0.1 64 256",
        "bye",
    )
    assert found.said == {"ready", "bye"}
    assert found.sights == [
        Sight(AT, 15, True, False, 1795289006.930403, 84, 64, "10.1.0.1", "10.1.0.2"),
        Sight(
            AT, 2, False, True, 1795289006.9305, 84, 63, "10.1.0.2", "10.1.0.1", "10.0.0.2", "10.0.0.1", 256
        ),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "saw 2 in reply now 84 63 10.1.0.2 10.1.0.1 - - 0 0",
        "saw 2 up request 1.000000 84 63 10.1.0.2 10.1.0.1 - - 0 0",
        "saw 2 in request 1.000000 84 63 web db - - 0 0",
        "saw 2 in request 1.000000 84 63 10.1.0.2 10.1.0.1 - - 0 0 more",
        "",
    ],
)
def test_a_line_that_makes_no_sense_is_as_good_as_none(line):
    found = reported(line)
    assert (found.sights, found.said, found.failed) == ([], set(), "")


@given(st.binary())
def test_any_line_at_all_is_taken(data):
    Report(AT, TOKEN).line(data)
    Report(AT, TOKEN).line(f"{TOKEN} ".encode() + data)


def watched(*chunks):
    host = Host(*chunks)
    sent = []
    found = watch(
        {"host1": host},
        (AT,),
        lambda: sent.append(host.said.sent),
        token=TOKEN,
        port=4789,
        clock=host.clock,
        cancel=Cancel(),
    )
    assert not host.said.open
    return found, sent, host.said.sent


def test_packets_are_sent_when_all_are_ready_and_before_anybody_is_told_to_end():
    saw = f"{TOKEN} saw 1 in request 1.000000 84 64 10.1.0.1 10.1.0.2 - - 0 0\n".encode()
    found, sent, told = watched(f"{TOKEN} ready\n".encode(), saw, f"{TOKEN} bye\n".encode())
    assert (sent, told) == ([b""], b"end\n")
    assert len(found.seen(AT, 1, reply=False)) == 1
    assert found.seen(AT, 2, reply=False) == found.seen(AT, 1, reply=True) == ()
    assert found.failed == {}


def test_a_place_that_can_not_be_watched_is_told_and_the_packets_go():
    found, sent, _ = watched(f"{TOKEN} failed no packet socket: Operation not permitted\n".encode())
    assert sent
    assert found.failed == {AT: "no packet socket: Operation not permitted"}
    assert watched()[0].failed == {AT: "the program that watches did not start"}


def test_a_host_without_perl_is_refused_before_anything_is_sent():
    with pytest.raises(Refused) as caught:
        watched(f"{TOKEN} failed no perl\n".encode())
    assert str(caught.value) == (
        "host1: there is no perl, and --capture watches the packets with it\n"
        "  -> install perl-base, or leave out --capture"
    )
