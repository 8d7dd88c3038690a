"""What one end of a proof tells, from lines that nobody vouches for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.prove.agent_report import AgentReport
from overweave.prove.matrix import Verdict

TOKEN = "0123456789abcdef"


def report(*lines):
    made = AgentReport(TOKEN)
    for line in lines:
        made.line(f"{TOKEN} proof {line}".encode())
    return made


def verdict(line, check, peer=1):
    return report(line).verdict(check, peer, address="10.0.0.2", mtu=1450, payload=1 << 20)


def test_what_a_host_says_from_ready_to_bye():
    said = report(
        "ready 40001 40002",
        "connect 1 0.125",
        "dns 1 10.0.0.2",
        "icmp 1 5 5 0.250 -",
        "mtu 1 1",
        "reached 3",
        "light-done",
        "tcp 1 ok",
        "heavy-done",
        "came 2 3",
        "bye",
    )
    assert said.ports == (40001, 40002)
    assert said.said == {"ready", "light-done", "heavy-done", "bye"}
    assert (said.came, said.reached, said.failed, said.no_perl) == ({2: 3}, {3}, "", False)
    assert {check for check, peer in said.answers} == {"connect", "dns", "icmp", "mtu", "tcp"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dns 1 10.0.0.2", Verdict(True, "10.0.0.2")),
        ("dns 1 10.0.0.22", Verdict(False, "10.0.0.22")),
        ("dns 1 rcode 3", Verdict(False, "no such name")),
        ("dns 1 rcode 2", Verdict(False, "the resolver failed")),
        ("dns 1 rcode 5", Verdict(False, "refused")),
        ("dns 1 rcode 15", Verdict(False, "rcode 15")),
        ("dns 1 no address", Verdict(False, "no address")),
        ("dns 1 no answer", Verdict(False, "no answer")),
        ("dns 1 ECONNREFUSED", Verdict(False, "refused")),
        ("icmp 1 5 5 0.250 -", Verdict(True, "0.25 ms", 0.25, 0.0)),
        ("icmp 1 25 20 1234.5678 -", Verdict(True, "1.23e+03 ms, 20% lost", 1234.5678, pytest.approx(0.2))),
        ("icmp 1 5 9 0.250 -", Verdict(True, "0.25 ms", 0.25, 0.0)),
        ("icmp 1 25 0 - -", Verdict(False, "no reply to 25 pings", None, 1.0)),
        ("icmp 1 25 0 - EPERM", Verdict(False, "a firewall on the way out forbids it", None, 1.0)),
        ("icmp 1 0 0 0.250 -", Verdict(False, "no reply to 0 pings", None, 1.0)),
        ("mtu 1 1", Verdict(True, "1450")),
        ("mtu 1 0", Verdict(False, "no reply to a packet of 1450 bytes")),
        ("connect 1 0.125", Verdict(True, "0.125 ms", 0.125)),
        ("connect 1 ETIMEDOUT", Verdict(False, "no answer")),
        ("connect 1 ECONNREFUSED", Verdict(False, "refused")),
        ("connect 1 EHOSTUNREACH", Verdict(False, "no route to it, or no neighbour row")),
        ("connect 1 ENETUNREACH", Verdict(False, "no route to it")),
        ("connect 1 E24", Verdict(False, "E24")),
        ("tcp 1 ok", Verdict(True, "1048576")),
        ("tcp 1 no connection", Verdict(False, "no connection")),
        ("tcp 1 closed", Verdict(False, "closed")),
        ("tcp 1 other bytes came", Verdict(False, "other bytes came")),
        ("tcp 1 stalled after 131072 bytes", Verdict(False, "stalled after 131072 bytes")),
        ("tcp 1 ECONNRESET", Verdict(False, "reset")),
    ],
)
def test_a_line_is_a_verdict_of_its_check_and_of_its_peer_alone(line, expected):
    check = line.split()[0]
    assert verdict(line, check) == expected
    assert verdict(line, check, peer=2) is None
    assert verdict(line, "tcp" if check != "tcp" else "dns") is None


def test_why_a_host_can_not_take_part():
    assert report("missing perl").no_perl
    assert report("failed EADDRNOTAVAIL").failed == "EADDRNOTAVAIL"
    assert report("failed").failed == "it gave no reason"
    why = report("failed \x1b[31mboom\x07 " + "x" * 9000).failed
    assert why.isprintable()
    assert len(why) == 100


@pytest.mark.parametrize(
    "line",
    [
        "ready 40001",
        "ready 40001 40002 40003",
        "ready 99999 40002",
        "ready 0 40002",
        "ready ٣٣٣٣٣ 40002",
        "ready 400010000 1",
        "dns 1 10.0.0.2 10.0.0.3",
        "dns 1 host.example",
        "dns 1 ٣٣.٣.٣.٣",
        "dns 1 \x1b[31m",
        "dns 1",
        "dns -1 10.0.0.2",
        "dns 1234567 10.0.0.2",
        "icmp 1 5 5 1e999 -",
        "icmp 1 5 5 nan -",
        "icmp 1 5 5 0.25 because",
        "icmp 1 99999 5 0.25 -",
        "mtu 1 2",
        "mtu ٣ 1",
        "connect 1 -1.0",
        "connect 1 0.125 more",
        "tcp 1 okay",
        "tcp 1 stalled after 99999999999 bytes",
        "came 1 1000",
        "came 1 ³",
        "reached x",
        "light-done-not",
        "LIGHT-DONE",
        "vxlan 1 ok",
        "",
    ],
)
def test_a_line_that_makes_no_sense_is_as_good_as_none(line):
    assert report(line) == AgentReport(TOKEN)


@pytest.mark.parametrize(
    "line",
    [
        b"proof ready 40001 40002",
        b"Welcome to host1!",
        b"fedcba9876543210 proof ready 40001 40002",
        TOKEN.encode() + b" host ready 40001 40002",
        TOKEN.encode() + b" proof",
        TOKEN.encode(),
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_lines_of_others_are_not_taken_for_it(line):
    made = AgentReport(TOKEN)
    made.line(line)
    assert made == AgentReport(TOKEN)


WORDS = st.sampled_from(
    [
        *("ready", "light-done", "heavy-done", "bye", "failed", "missing", "dns", "icmp", "mtu", "connect"),
        *("tcp", "came", "reached", "1", "0", "5", "999999", "40001", "0.25", "-", "ok", "rcode", "no"),
        *("answer", "EPERM", "10.0.0.2", "stalled", "after", "bytes", "\x1b[31m", "٣", "9" * 20),
    ]
)


@given(
    st.lists(st.one_of(st.binary(), st.lists(WORDS).map(lambda w: " ".join([TOKEN, "proof", *w]).encode())))
)
def test_any_bytes_are_a_report_and_all_that_it_shows_is_safe(lines):
    made = AgentReport(TOKEN)
    for line in lines:
        made.line(line)
    verdicts = [
        made.verdict(check, peer, address="10.0.0.2", mtu=1450, payload=9) for check, peer in made.answers
    ]
    shown = [made.failed, *(v.detail for v in verdicts)]
    assert all(text.isprintable() and text.isascii() and len(text) <= 100 for text in shown[1:])
    assert shown[0].isprintable()
    assert all(v.loss is None or 0 <= v.loss <= 1 for v in verdicts)
    assert all(0 <= port < 1 << 16 for port in made.ports)
