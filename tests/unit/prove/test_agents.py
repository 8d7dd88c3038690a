"""The conversation with the programs in the containers, over streams that say what a program would."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeClock

from overweave.errors import ConnectionProblem, Interrupted
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.prove.agent_report import LIMIT
from overweave.prove.agents import (
    BYE_SECONDS,
    HEAVY_SECONDS,
    LIGHT_SECONDS,
    READY_SECONDS,
    Stand,
    ask,
    lifetime,
)
from overweave.prove.matrix import Verdict

CHECKS = ("dns", "icmp", "udp", "connect", "tcp", "mtu")
WELL = {
    "light": [
        "dns {n} {address}",
        "icmp {n} 5 5 0.250 -",
        "mtu {n} 1",
        "connect {n} 0.125",
    ],
    "heavy": ["tcp {n} ok"],
    "end": ["came {n} 3"],
}
DONE = {"light": "light-done", "heavy": "heavy-done", "end": "bye"}
NOTHING = object()


class Program:
    """A stream to a program for which all is well. ``fate``: what it says instead at a point: lines, bytes,
    an exception that is raised, or ``NOTHING``."""

    def __init__(self, words, clock, fate):
        self.role, self.token, self.number, self.address, *self.rest = words
        self.clock, self.fate, self.open = clock, fate, True
        self.told, self.peers, self.out = [], {}, []
        self._say("ready", ["ready 40001 40002"])

    def _say(self, when, lines):
        said = self.fate.get(when, lines)
        if said is NOTHING:
            return
        if isinstance(said, list):
            said = "".join(f"{self.token} {self.role} {line}\n" for line in said).encode()
        self.out.append(said)

    def sendall(self, data):
        assert self.open
        for line in data.decode().splitlines():
            self.told.append(line)
            what, *words = line.split()
            if what == "peer":
                self.peers[words[0]] = words
            elif what in DONE:
                lines = [
                    form.format(n=n, address=peer[1])
                    for form in WELL[what]
                    for n, peer in self.peers.items()
                    if what == "end" or form.split()[0] in peer[5:]
                ]
                self._say(what, [*lines, DONE[what]])

    def settimeout(self, seconds):
        self.seconds = seconds

    def recv(self, size):
        if not self.out:
            self.clock.now += self.seconds
            raise TimeoutError
        said = self.out.pop(0)
        if callable(said):
            said = said()
        if isinstance(said, Exception):
            raise said
        return said

    def close(self):
        self.open = False


class Container:
    """A host whose program has a ``fate``."""

    def __init__(self, name, address, **fate):
        self.host = Host(name, Access(address))
        self.clock = FakeClock()
        self.fate = fate
        self.program = None

    def start(self, command):
        if "start" in self.fate:
            raise self.fate["start"]
        self.namespace, _, *words = command.words[4:]
        self.program = Program(words, self.clock, self.fate)
        return self.program


class SharedClock:
    """Time that passes whenever one of several hosts is waited for."""

    def __init__(self, containers):
        self.containers = containers

    def monotonic(self):
        return sum(c.clock.now for c in self.containers)


def fleet(**fates):
    return {
        name: Container(name, f"10.211.0.{n}", **fates.get(name, {})) for n, name in enumerate("abc", start=1)
    }


def run(there, checks=CHECKS, cancel=None, avoid=None, patience=3.0):
    stands = {
        name: Stand(name, f"probe-{name}", c.host.access.address, 100 + n)
        for n, (name, c) in enumerate(there.items())
    }
    wanted = {(a, b): checks for a in there for b in there if a != b}
    try:
        return ask(
            there,
            stands,
            wanted,
            mtu=1450,
            patience=patience,
            avoid=avoid or {},
            clock=SharedClock(list(there.values())),
            cancel=cancel or Cancel(),
        )
    finally:
        assert not any(c.program.open for c in there.values() if c.program)


def good(address):
    return {
        "dns": Verdict(True, address),
        "icmp": Verdict(True, "0.25 ms", 0.25, 0.0),
        "udp": Verdict(True, "3 of 3 datagrams arrived"),
        "connect": Verdict(True, "0.125 ms", 0.125),
        "tcp": Verdict(True, "1048576"),
        "mtu": Verdict(True, "1450"),
    }


def test_everybody_is_introduced_then_light_then_heavy_then_the_end():
    there = fleet()
    answers = run(there, avoid={"x on green": "10.9.9.9", "the host a": "10.0.0.1"})
    assert (answers.lost, answers.no_perl) == ({}, frozenset())
    assert answers.verdicts == {
        (a, b): good(there[b].host.access.address) for a in "abc" for b in "abc" if a != b
    }
    assert there["a"].program.told == [
        "peer 1 10.211.0.2 probe-b 40001 40002 dns icmp udp connect tcp mtu",
        "peer 2 10.211.0.3 probe-c 40001 40002 dns icmp udp connect tcp mtu",
        "avoid 0 10.9.9.9",
        "avoid 1 10.0.0.1",
        "light",
        "heavy",
        "end",
    ]
    program = there["b"].program
    assert (program.role, program.number, program.address) == ("proof", "1", "10.211.0.2")
    assert program.rest == ["1450", "1048576", "3", str(lifetime(3.0)), "3"]
    assert len({c.program.token for c in there.values()}) == 1
    assert [c.namespace for c in there.values()] == [f"/proc/{n}/ns/net" for n in (100, 101, 102)]


def test_tokens_differ_from_run_to_run():
    first, second = fleet(), fleet()
    run(first)
    run(second)
    assert first["a"].program.token != second["a"].program.token


def test_without_streams_there_is_no_heavy_stage_and_only_what_was_asked_for_is_answered():
    there = fleet()
    answers = run(there, checks=("icmp", "udp"))
    assert there["a"].program.told[-2:] == ["light", "end"]
    assert {tuple(v) for v in answers.verdicts.values()} == {("icmp", "udp")}


def test_a_program_lives_longer_than_all_its_stages_may_take():
    for patience in (0.1, 3.0, 60.0):
        longest = READY_SECONDS + LIGHT_SECONDS + HEAVY_SECONDS + BYE_SECONDS + 2 * patience
        assert lifetime(patience) > longest


EARLY, LATE = "the checks on it ended early", "the checks on it did not end in time"


@pytest.mark.parametrize(
    ("fate", "why", "no_perl"),
    [
        ({"ready": NOTHING}, LATE, False),
        ({"ready": b""}, EARLY, False),
        ({"ready": b"x" * (LIMIT + 1)}, EARLY, False),
        ({"ready": ["missing perl"]}, "there is no perl", True),
        ({"ready": ["failed EADDRNOTAVAIL"]}, "the checks can't be made there: EADDRNOTAVAIL", False),
        ({"ready": OSError("Socket is closed")}, "the measurement broke off: Socket is closed", False),
        ({"start": ConnectionProblem("the ssh connection is gone")}, "the ssh connection is gone", False),
    ],
    ids=["silent", "ended", "endless", "no perl", "failed", "broken off", "not started"],
)
def test_a_host_that_never_gets_ready_does_not_keep_the_others_from_it(fate, why, no_perl):
    there = fleet(b=fate)
    answers = run(there)
    assert answers.lost == {"b": why}
    assert answers.no_perl == (frozenset("b") if no_perl else frozenset())
    found = answers.verdicts
    assert {pair: its for pair, its in found.items() if its} == {
        ("a", "c"): good("10.211.0.3"),
        ("c", "a"): good("10.211.0.1"),
    }
    assert [line for line in there["a"].program.told if "10.211.0.2" in line] == []


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        ({"light": b""}, EARLY),
        ({"light": NOTHING}, LATE),
        ({"light": OSError("timed out")}, "the measurement broke off: timed out"),
        ({"heavy": b""}, EARLY),
        ({"end": NOTHING}, LATE),
    ],
    ids=["ends in light", "hangs in light", "broken off", "ends in heavy", "hangs at the end"],
)
def test_a_host_that_is_lost_on_the_way_has_no_word_of_what_came(fate, why):
    answers = run(fleet(b=fate))
    assert answers.lost == {"b": why}
    found = answers.verdicts
    assert found["a", "c"] == good("10.211.0.3")
    assert "udp" not in found["a", "b"], "nobody counted them"
    assert ("udp" in found["b", "a"]) is ("light" not in fate)
    assert found["a", "b"]["tcp"].ok, "what the other end told is told"


def test_datagrams_that_nobody_saw_are_told_by_who_should_have():
    there = fleet(c={"end": ["came 0 1", "came 7 3", "came 999999 3", "bye"]})
    found = run(there).verdicts
    assert found["a", "c"]["udp"] == Verdict(True, "1 of 3 datagrams arrived")
    assert found["b", "c"]["udp"] == Verdict(False, "none of 3 datagrams arrived")
    assert found["c", "a"]["udp"].ok


def test_lines_for_peers_that_do_not_exist_and_of_other_runs_change_nothing():
    fate = {"light": ["dns 7 10.0.0.1", "reached 7", "reached 0", "light-done"]}
    answers = run(fleet(a=fate, b={"ready": b"0123456789abcdef proof ready 1 1\n"}), avoid={"x": "10.9.9.9"})
    assert answers.reached == {"a": ("x",), "b": (), "c": ()}
    assert "dns" not in answers.verdicts["a", "c"]
    assert answers.lost == {"b": LATE}


def test_ctrl_c_ends_it_and_closes_every_stream():
    cancel = Cancel()
    there = fleet(c={"light": lambda: cancel.set() or b"noise\n"})
    with pytest.raises(Interrupted):
        run(there, cancel=cancel)
    assert all(c.program for c in there.values())


def test_a_bug_closes_every_stream_too():
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fleet(c={"heavy": broken}))
