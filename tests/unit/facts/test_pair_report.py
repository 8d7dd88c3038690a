"""What an end of a measurement tells, from lines that nobody vouches for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.facts.pair_report import Echoes, Port, Report, Seen, Taken

TOKEN = "0123456789abcdef"
TCP, UDP = Port("tcp", 7946), Port("udp", 7946)


def report(*lines):
    made = Report(TOKEN)
    for line in lines:
        made.line(f"{TOKEN} {line}".encode())
    return made


def test_what_a_host_says_from_ready_to_bye():
    said = report(
        "host held tcp 7946 10.0.0.1",
        "host taken udp 7946 10.0.0.1 EADDRINUSE dockerd 1214",
        "host ready",
        "vxlan ready",
        "host probed tcp 7946 1 ok",
        "host probed udp 7946 2 ECONNREFUSED",
        "host echo 1 10 9 0.125 -",
        "vxlan echo 1 30 0 - EPERM",
        "host done",
        "host came udp 7946 2",
        "vxlan seen 2 10 1450",
        "host bye",
    )
    assert said.held == {(TCP, "10.0.0.1")}
    assert list(said.taken.values()) == [Taken(UDP, "10.0.0.1", "EADDRINUSE", "dockerd", 1214)]
    assert said.said == {("host", "ready"), ("vxlan", "ready"), ("host", "done"), ("host", "bye")}
    assert said.results == {(TCP, 1): "ok", (UDP, 2): "ECONNREFUSED"}
    assert said.echoes == {
        ("host", 1): Echoes(10, 9, 0.125, ""),
        ("vxlan", 1): Echoes(30, 0, None, "EPERM"),
    }
    assert said.came == {(UDP, 2)}
    assert said.seen == {("vxlan", 2): Seen(10, 1450)}


def test_a_port_of_something_without_a_process_and_a_host_without_perl():
    said = report("host taken udp 7946 10.0.0.1 EADDRINUSE - 0", "host missing perl")
    assert said.taken[UDP, "10.0.0.1"].process == ""
    assert said.missing == "perl"


def test_why_something_failed_is_one_safe_line():
    said = report("vxlan failed device: \x1b[31mRTNETLINK\x07 answers: Operation not supported " + "x" * 9000)
    why = said.failed["vxlan"]
    assert why.startswith("device:  [31mRTNETLINK  answers: Operation not supported xxx")
    assert why.isprintable()
    assert len(why) <= 500


@pytest.mark.parametrize(
    "line",
    [
        "host probed tcp 7946 1 ok more",
        "host probed tcp 7946 1 \x1b[31m",
        "host probed tcp 7946 ٣ ok",
        "host probed icmp 7946 1 ok",
        "host probed tcp 999999 1 ok",
        "host held tcp 7946 host.example",
        "host taken tcp 7946 10.0.0.1 EADDRINUSE ev\x1bil 1",
        "host echo 1 10 9 1e999 -",
        "host echo 1 10 9 nan -",
        "host seen 1 99999999999 1",
        "host seen",
        "host",
        "other ready",
        "",
    ],
)
def test_a_line_that_makes_no_sense_is_as_good_as_none(line):
    assert report(line) == Report(TOKEN)


def test_lines_of_others_are_not_taken_for_it():
    made = Report(TOKEN)
    for line in (b"host ready", b"Welcome to host1!", b"fedcba9876543210 host ready", b"\xff\xfe\x00"):
        made.line(line)
    assert made == Report(TOKEN)


WORDS = st.sampled_from(
    [
        "host",
        "vxlan",
        "ready",
        "done",
        "bye",
        "failed",
        "missing",
        "held",
        "taken",
        "probed",
        "came",
        "echo",
        "seen",
        "tcp",
        "udp",
        "7946",
        "1",
        "0.1",
        "-",
        "ok",
        "EPERM",
        "10.0.0.1",
        "perl",
        "dockerd",
    ]
)


@given(st.lists(st.one_of(st.binary(), st.lists(WORDS).map(lambda w: " ".join([TOKEN, *w]).encode()))))
def test_any_bytes_are_a_report(lines):
    made = Report(TOKEN)
    for line in lines:
        made.line(line)
    shown = [*made.failed.values(), *made.results.values(), *(t.process for t in made.taken.values())]
    assert all(text.isprintable() and len(text) <= 500 for text in shown)
