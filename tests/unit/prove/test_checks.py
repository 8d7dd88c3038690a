"""The script in real shells against stub programs, and the parser of what hosts answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.prove.checks import AROUND, CLIENT, HostReport, client_arguments, parse, parse_verdicts
from overweave.prove.matrix import Verdict

CAPTURED = (Path(__file__).parent / "around.txt").read_text()

# Programs, as busybox has them, and those of the host around it. What they find is in the environment:
# DNS ("name=address …"), ALIVE, BIG and TCP (addresses that answer a ping, a full-size one, a connection;
# "late:ADDRESS" answers the second full-size one only, "half:ADDRESS" gives back a part). Words are
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
        [ "$2" = /proc/net/snmp ] && exec "$AWK" "$1" "$SNMP"
        exit 2
    """,
    "nc": r"""
        [ "$1" = -w ] && [ "$4" = 7070 ] || exit 1
        case " $TCP " in
        *" $3 "*) cat ;;
        *" half:$3 "*) head -c 5000 ;;
        *) exit 1 ;;
        esac
    """,
    "ls": r"""
        [ "$*" = /var/run/docker/netns ] || exit 2
        printf '%s\n' 0-9217733d350 1-9217733d35 3-aaaaaaaaaa default lb_9217733d3
    """,
    "nsenter": r"""
        [ "$1" = --net=/var/run/docker/netns/1-9217733d35 ] || exit 1
        case "$*" in
        *" ip -json -s -d link show type vxlan")
            count=$(cat "$LINKS" 2>/dev/null || echo 5); echo $((count + 37)) > "$LINKS"
            printf '[{},{"linkinfo":{"info_data":{"id":256}},'
            printf '"stats64":{"tx":{"packets":%s},"rx":{"packets":2}}}]' "$count" ;;
        *" ip -json neigh show") printf '[{"dst":"10.211.0.3","lladdr":"02:42"}]' ;;
        *" bridge -json fdb show") printf '[{"mac":"02:42","dst":"10.0.0.12"}]' ;;
        *) exit 2 ;;
        esac
    """,
    "docker": r"""
        [ "$1 $2 $3 $4" = "exec probe sh -c" ] || exit 2
        shift 2
        exec "$@"
    """,
}
PEERS = {"p-a": "10.211.0.3", "p-b": "10.211.0.33"}
ALL = " ".join(PEERS.values())
SHELLS = {
    os.path.realpath(path): shell for shell in ("bash", "dash", "sh") if (path := shutil.which(shell))
}.values()
SNMP = "Ip: Forwarding FragFails FragCreates\nIp: 1 0 {}\nIcmp: InMsgs\nIcmp: 7\n"


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
            "LINKS": str(folder / "links"),
            "SNMP": str(folder / "snmp"),
            "AWK": shutil.which("awk"),
            "DNS": " ".join(f"{n}={a}" for n, a in PEERS.items()),
            "ALIVE": ALL,
            "BIG": ALL,
            "TCP": ALL,
        }

    def run(self, script, *arguments, fragments=0, **finds):
        (self.folder / "pings").touch()
        (self.folder / "snmp").write_text(SNMP.format(fragments))
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
        return parse_verdicts(self.run(CLIENT, *client_arguments(1450, peers.items()), **finds))


@pytest.fixture(params=SHELLS)
def box(request, tmp_path):
    return Box(request.param, tmp_path)


def green(name):
    return {
        "dns": Verdict(True, PEERS[name]),
        "icmp": Verdict(True, "0.939 ms"),
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


@pytest.mark.parametrize(("fragments", "ok"), [(0, True), (2, False)])
def test_a_full_size_packet_that_passes_at_the_second_try_counts_only_unless_it_was_cut(box, fragments, ok):
    found = box.check(BIG="late:10.211.0.3 10.211.0.33", fragments=fragments)
    assert found["p-a"]["mtu"].ok is ok
    assert found["p-b"]["mtu"].ok, "one that passed at once needs no second try"


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


def test_what_runs_around_it_on_the_host_brings_verdicts_rows_and_counters(box):
    arguments = client_arguments(1450, PEERS.items())
    text = box.run(AROUND, "9217733d35", "probe", "MARK", CLIENT, *arguments)
    assert parse(text, "MARK") == HostReport(
        verdicts={name: green(name) for name in PEERS},
        vni=256,
        sent=37,
        received=0,
        vteps={"10.211.0.3": "10.0.0.12"},
    )


def test_the_captured_answer_of_a_real_host():
    assert parse(CAPTURED, "MARK") == HostReport(
        verdicts={
            "overweave-probe-7acc4135-host1": {
                "dns": Verdict(True, "10.211.0.2"),
                "icmp": Verdict(True, "0.714 ms"),
                "mtu": Verdict(True, "1450"),
                "tcp": Verdict(True, "1048576"),
            }
        },
        vni=256,
        sent=847,
        received=531,
        vteps={"10.211.0.2": "10.98.8.11"},
    )


def test_an_answer_that_breaks_off_anywhere_gives_no_verdict_that_was_not_there():
    whole = parse(CAPTURED, "MARK")
    for length in range(0, len(CAPTURED), 7):
        found = parse(CAPTURED[:length], "MARK")
        for name, verdicts in found.verdicts.items():
            for check, verdict in verdicts.items():
                if verdict.ok:
                    assert whole.verdicts[name][check].detail.startswith(verdict.detail)
        assert found.vteps.items() <= whole.vteps.items()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
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


@pytest.mark.parametrize(
    ("link", "neighbours", "forwarding"),
    [
        ('[{"linkinfo": null}]', "[]", "[]"),
        ('[{"linkinfo": {"info_data": null}}]', "[]", "[]"),
        ('[{"stats64": {"tx": {"packets": "many"}}}]', "[]", "[]"),
        ('[{"stats64": []}]', "[]", "[]"),
        ("[{}]", '[{"dst": "x", "lladdr": ["y"]}]', '[{"mac": "y", "dst": "z"}]'),
        ("[{}]", "[]", '[{"mac": ["y"], "dst": "z"}]'),
        ("nonsense", "{}", "null"),
    ],
)
def test_odd_json_of_a_host_leaves_checks_without_a_verdict_and_breaks_nothing(link, neighbours, forwarding):
    text = f"{link}\nM\nn dns ok x\nM\n{link}\nM\n{neighbours}\nM\n{forwarding}"
    found = parse(text, "M")
    assert (found.vni, found.vteps) == (0, {})
    assert found.verdicts == {"n": {"dns": Verdict(True, "x")}}


ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["dst", "lladdr", "mac", "linkinfo", "stats64"]),
        st.text(max_size=3) | st.none(),
        max_size=4,
    ),
    max_size=3,
).map(json.dumps)


@given(st.lists(ROWS | st.text(max_size=30), max_size=6))
def test_hostile_text_gives_a_report(parts):
    assert isinstance(parse("\nM\n".join(["", "", *parts]), "M"), HostReport)
