"""The script in real shells against stub programs, and the parser of what hosts answer."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result
from overweave.fleet import Cancel
from overweave.prove.agents import Stand
from overweave.prove.busybox import BUSYBOX_CHECKS, CLIENT, ask, client_arguments, parse_verdicts
from overweave.prove.matrix import Verdict

# Programs, as busybox has them. What they find is in the environment:
# DNS ("name=address …"), ALIVE, BIG and TCP (addresses that answer a ping, a full-size one, a connection;
# "late:ADDRESS" answers the second full-size one only, "half:ADDRESS" gives back a part); a full-size ping
# to those in CUT goes in fragments. Words are
# checked, so that a call that busybox would not take fails here too. Output is as busybox prints it.
STUBS = {
    "nslookup": r"""
        [ $# = 1 ] || exit 1
        printf 'Server:\t\t127.0.0.11\nAddress:\t127.0.0.11:53\n\n'
        for known in $DNS; do
            [ "${known%=*}" = "$1" ] || continue
            if [ "$OLD_NSLOOKUP" ]; then
                printf 'Name:      %s\nAddress 1: %s %s.overweave\n' "$1" "${known#*=}" "$1"
            else
                printf 'Non-authoritative answer:\nName:\t%s\nAddress: %s\n\n' "$1" "${known#*=}"
            fi
            exit 0
        done
        printf 'Non-authoritative answer:\n\n;; connection timed out; no servers could be reached\n\n'
        exit 1
    """,
    "ping": r"""
        case "$*" in
        "-c 1 -W 1 10."*) to=$5 size=56 answering=" $ALIVE " ;;
        "-c 1 -W 2 -s 1422 10."*) to=$7 size=1422 answering=" $BIG " ;;
        *) exit 2 ;;
        esac
        tries=$(grep -c "^$to $size\$" "$LOG")
        echo "$to $size" >> "$LOG"
        case "$size $CUT " in "1422 "*"$to "*) echo >> "$CUTS" ;; esac
        [ "$tries" = 1 ] && answering=$(printf %s "$answering" | sed 's/late://g')
        echo "PING $to ($to): $size data bytes"
        case "$answering" in
        *" $to "*) echo "$((size + 8)) bytes from $to: seq=0 ttl=64 time=0.939 ms"; got=1; lost=0 ;;
        *) got=0; lost=100 ;;
        esac
        printf '\n--- %s ping statistics ---\n' "$to"
        echo "1 packets transmitted, $got packets received, $lost% packet loss"
        [ $got = 1 ]
    """,
    "awk": r"""
        [ "$2" = /proc/net/snmp ] || exit 2
        printf 'Ip: Forwarding FragFails FragCreates\nIp: 1 0 %s\nIcmp: InMsgs\nIcmp: 7\n' \
            "$(wc -l < "$CUTS")" | "$AWK" "$1"
    """,
    "nc": r"""
        [ "$1" = -w ] && [ "$4" = 20070 ] || exit 1
        case " $TCP " in
        *" $3 "*) cat ;;
        *" half:$3 "*) head -c 5000 ;;
        *) exit 1 ;;
        esac
    """,
}
PEERS = {"p-a": "10.211.0.3", "p-b": "10.211.0.33"}
ALL = " ".join(PEERS.values())
SHELLS = {
    os.path.realpath(path): shell for shell in ("bash", "dash", "sh") if (path := shutil.which(shell))
}.values()


class Box:
    """A place with the programs above, where a script can run in a shell of choice."""

    def __init__(self, shell, folder):
        self.shell, self.folder, self.scratch = shell, folder, folder / "tmp"
        programs = folder / "bin"
        programs.mkdir()
        self.scratch.mkdir()
        for name, text in STUBS.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": str(self.scratch),
            "LOG": str(folder / "pings"),
            "CUTS": str(folder / "cuts"),
            "AWK": shutil.which("awk"),
            "DNS": " ".join(f"{n}={a}" for n, a in PEERS.items()),
            "ALIVE": ALL,
            "BIG": ALL,
            "TCP": ALL,
        }

    def run(self, script, *arguments, **finds):
        (self.folder / "pings").touch()
        # A container that has stood there for long: it may have made some.
        (self.folder / "cuts").write_text("\n\n")
        done = subprocess.run(
            [self.shell, "-c", script, "sh", *arguments],
            env=self.environment | finds,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        assert list(self.scratch.iterdir()) == [], "it leaves nothing behind"
        return done.stdout

    def check(self, peers=PEERS, **finds):
        return parse_verdicts(self.run(CLIENT, *client_arguments(20070, 1450, peers.items()), **finds))


@pytest.fixture(params=SHELLS)
def box(request, tmp_path):
    return Box(request.param, tmp_path)


def green(name):
    return {
        "dns": Verdict(True, PEERS[name]),
        "icmp": Verdict(True, "0.939 ms", 0.939),
        "mtu": Verdict(True, "1450"),
        "tcp": Verdict(True, "1048576"),
    }


DEAD = {
    "dns": Verdict(False, "no answer"),
    "icmp": Verdict(False, "no reply to 3 pings"),
    "mtu": Verdict(False, "no reply to a packet of 1450 bytes"),
    "tcp": Verdict(False, "1048576 bytes did not come back"),
}


@pytest.mark.parametrize(
    ("finds", "red"),
    [
        ({}, []),
        (
            {"DNS": "p-b=10.211.0.33", "ALIVE": "10.211.0.33", "BIG": "10.211.0.33", "TCP": "10.211.0.33"},
            [*DEAD],
        ),
        ({"BIG": "10.211.0.33"}, ["mtu"]),
        ({"TCP": "10.211.0.33"}, ["tcp"]),
        ({"TCP": "half:10.211.0.3 10.211.0.33"}, ["tcp"]),
        ({"DNS": "p-b=10.211.0.33"}, ["dns"]),
    ],
    ids=["green", "dead", "mtu only", "tcp only", "tcp comes back in part", "dns only"],
)
def test_what_is_wrong_with_one_peer_is_red_and_nothing_else(box, finds, red):
    assert box.check(**finds) == {
        "p-a": green("p-a") | {check: DEAD[check] for check in red},
        "p-b": green("p-b"),
    }


def test_the_short_answer_of_an_old_nslookup_is_read_too(box):
    assert box.check(OLD_NSLOOKUP="1") == {name: green(name) for name in PEERS}


def test_a_name_that_resolves_to_another_address_is_red_and_says_which(box):
    found = box.check(DNS="p-a=10.211.0.99 p-b=10.211.0.33")
    assert found["p-a"]["dns"] == Verdict(False, "10.211.0.99")


def test_a_lost_ping_is_tried_again_but_not_for_ever(box):
    box.check(ALIVE="10.211.0.33")
    assert (box.folder / "pings").read_text().splitlines().count("10.211.0.3 56") == 3


@pytest.mark.parametrize("answers", ["10.211.0.3", "late:10.211.0.3"])
@pytest.mark.parametrize(("cut", "ok"), [("", True), ("10.211.0.3", False)])
def test_a_full_size_packet_counts_only_as_a_whole(box, answers, cut, ok):
    found = box.check(BIG=f"{answers} 10.211.0.33", CUT=cut)
    assert found["p-a"]["mtu"].ok is ok
    assert found["p-b"]["mtu"].ok, "fragments to another one are not its own"


def test_without_peers_there_is_nothing_to_say(box):
    assert box.check(peers={}) == {}


def test_25_peers_at_once(box):
    peers = {f"p{n}": f"10.211.0.{n}" for n in range(2, 26)}
    reached = " ".join(peers.values())
    found = box.check(
        peers, DNS=" ".join(f"{n}={a}" for n, a in peers.items()), ALIVE=reached, BIG=reached, TCP=reached
    )
    assert set(found) == set(peers)
    assert all(v.ok for verdicts in found.values() for v in verdicts.values())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("n icmp ok 1.5 ms", {"n": {"icmp": Verdict(True, "1.5 ms", 1.5)}}),
        ("n icmp ok ٣ ms", {"n": {"icmp": Verdict(True, "٣ ms")}}),
        ("n udp ok x", {}),
        ("n dns ok 10.0.0.1", {"n": {"dns": Verdict(True, "10.0.0.1")}}),
        ("n icmp red no reply to 3 pings", {"n": {"icmp": Verdict(False, "no reply to 3 pings")}}),
        ("n dns ok", {}),
        ("n dns maybe x", {}),
        ("sh: can't fork: out of memory", {}),
        ("n dns red \x1b[31mx\x07\u202e", {"n": {"dns": Verdict(False, "[31mx")}}),
        ("n dns red " + "x" * 999, {"n": {"dns": Verdict(False, "x" * 98 + " …")}}),
    ],
)
def test_lines_that_are_verdicts_and_lines_that_are_noise(line, expected):
    assert parse_verdicts(f"{line}\n") == expected


@given(
    st.lists(
        st.one_of(st.text(), st.lists(st.sampled_from(["n", "dns", "icmp", "ok", "red", "1.5 ms", "٣ ms"])))
    )
)
def test_hostile_text_is_verdicts_that_are_safe_to_show(lines):
    text = "\n".join(line if isinstance(line, str) else " ".join(line) for line in lines)
    for verdicts in parse_verdicts(text).values():
        for check, verdict in verdicts.items():
            assert check in BUSYBOX_CHECKS
            assert verdict.detail.isprintable()
            assert len(verdict.detail) <= 100


class Docker:
    """A host whose probe answers each check with ``says``, a verdict and a detail, and some noise."""

    def __init__(self, name, says="ok x"):
        self.name, self.says = name, says
        self.asked = []

    def do(self, change):
        container, client, *arguments = change.words[4:]
        assert (container, client) == (f"probe-{self.name}", CLIENT)
        assert arguments[:3] == ["20070", "1048576", "1450"]
        self.asked = list(zip(arguments[3::2], arguments[4::2], strict=True))
        lines = [f"{name} {check} {self.says}" for name, _ in self.asked for check in BUSYBOX_CHECKS]
        return Result(change, 0, "\n".join(["sh: noise", "probe-z dns ok 1", *lines]), "")


def test_one_exec_a_host_begins_with_the_host_after_it_and_leaves_out_what_is_not_wanted():
    hosts = {name: Docker(name) for name in "abc"}
    stands = {n: Stand(n, f"probe-{n}", f"10.211.0.{i}", 1) for i, n in enumerate(hosts, start=1)}
    wanted = {(a, b): ("dns", "tcp", "udp") for a in "abc" for b in "abc" if a != b}
    del wanted["c", "b"]
    found = ask(hosts, stands, wanted, port=20070, mtu=1450, cancel=Cancel())
    assert hosts["a"].asked == [("probe-b", "10.211.0.2"), ("probe-c", "10.211.0.3")]
    assert hosts["b"].asked == [("probe-c", "10.211.0.3"), ("probe-a", "10.211.0.1")]
    assert hosts["c"].asked == [("probe-a", "10.211.0.1")]
    good = Verdict(True, "x")
    assert found == {pair: {"dns": good, "tcp": good} for pair in wanted}
