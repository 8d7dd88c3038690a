"""What became of echo requests, from lines that nobody vouches for."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result
from overweave.facts.echo import Count, Echo, ask, parse

TOKEN = "00112233445566aa"


def told(*lines, token=TOKEN):
    text = "".join(f"{token} {line}\n" for line in lines)
    return parse(
        Result(ask("/proc/1/ns/net", "10.0.0.1", size=1450, token=TOKEN), 0, text, ""), size=1450, token=TOKEN
    )


def test_all_answered():
    found = told("echo small 3 3 0.124 -", "echo full 1 1 0.160 -")
    assert found == Echo(Count(3, 3, 0.124), Count(1, 1, 0.16), 1450)
    assert found.answered
    assert found.whole


def test_small_ones_alone():
    found = told("echo small 3 3 0.1 -", "echo full 4 0 - EMSGSIZE", "refused 3 4 10.0.0.9 1400")
    assert found.answered
    assert not found.whole
    assert found.full.errno == "EMSGSIZE"
    assert found.refusals == ("10.0.0.9 says: the packet is too large, 1400 bytes at the most",)


def test_none_and_who_refused_them():
    found = told(
        "echo small 5 0 - -",
        "echo full 4 0 - -",
        *["refused 3 1 10.0.0.1 0"] * 2,
        "refused 3 77 10.0.0.2 0",
        "refused 3 13 10.0.0.3 0",
        "refused 3 0 10.0.0.4 0",
    )
    assert not found.answered
    assert found.refusals == (
        "10.0.0.1 says: host unreachable: nobody answers ARP for the address",
        "10.0.0.2 says: unreachable",
    )


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("missing",), "neither perl nor ping is on the host"),
        ((), "the packets could not be sent from the container's network"),
        (("echo small 3 3 0.1 - and more", "nsenter: no such file"), "the packets could not be sent"),
    ],
)
def test_why_nothing_was_sent(lines, why):
    assert told(*lines).problem.startswith(why)


def test_another_program_with_another_token_is_not_believed():
    assert told("echo small 3 3 0.1 -", token="ffffffffffffffff").problem


@given(st.lists(st.text()))
def test_any_lines_are_a_value(lines):
    told(*lines)


PING = """\
PING 10.211.0.6 (10.211.0.6) 56(84) bytes of data.
64 bytes from 10.211.0.6: icmp_seq=1 ttl=64 time=0.084 ms

--- 10.211.0.6 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 400ms
rtt min/avg/max/mdev = 0.060/0.070/0.084/0.010 ms
"""


def test_a_host_without_perl_uses_ping(tmp_path):
    """The script for real, with a ping that says what Debian's says, and no perl in its PATH."""
    (tmp_path / "nsenter").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (tmp_path / "ping").write_text(
        f"#!/bin/sh\ncase \"$*\" in *1422*) exit 1;; esac\ncat <<'END'\n{PING}END\n"
    )
    for name in ("nsenter", "ping"):
        (tmp_path / name).chmod(0o755)
    for name in ("sh", "sed", "tr", "cat"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    query = ask("/proc/1/ns/net", "10.211.0.6", size=1450, token=TOKEN)

    def run():
        done = subprocess.run(query.words, capture_output=True, text=True, env={"PATH": str(tmp_path)})
        return parse(Result(query, 0, done.stdout, done.stderr), size=1450, token=TOKEN)

    assert run() == Echo(Count(3, 3, 0.06), Count(0, 0), 1450)
    (tmp_path / "nsenter").write_text("#!/bin/sh\nexit 1\n")
    assert run().problem == "the packets could not be sent from the container's network"
    (tmp_path / "ping").unlink()
    assert run().problem == "neither perl nor ping is on the host"
