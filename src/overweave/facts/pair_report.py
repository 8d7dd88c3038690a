"""What one end of a measurement tells (templates/pair-agent.pl), read from lines that nobody vouches for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from overweave.printable import one_line

HOST, VXLAN = "host", "vxlan"
"""Who speaks: the program in the host's own network, and the one behind the VXLAN device."""
READY, DONE, BYE = "ready", "done", "bye"
LIMIT = 4 << 20
"""Bytes of one host that are read: 1000 peers need a tenth of it."""


@dataclass(frozen=True, order=True)
class Port:
    """``protocol`` is tcp or udp."""

    protocol: str
    number: int

    def __str__(self) -> str:
        return f"{self.protocol.upper()} {self.number}"


@dataclass(frozen=True)
class Taken:
    """A port of a host that something else has: ``errno`` by name; ``process`` "" where nobody can say."""

    port: Port
    address: str
    errno: str
    process: str
    pid: int


@dataclass(frozen=True)
class Echoes:
    """Small echo requests to one peer; ``milliseconds`` is the shortest of their round trips. ``error`` is
    the errno of a request that could not be sent."""

    sent: int
    answered: int
    milliseconds: float | None
    error: str


@dataclass(frozen=True)
class Seen:
    """Echo requests that came from one peer: how many different small ones, and the largest of all in
    bytes with its IP header."""

    count: int
    largest: int


@dataclass
class Report:
    """Everything that a host said so far. Peers go by number; those that don't exist are not looked up."""

    token: str
    said: set[tuple[str, str]] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    held: set[tuple[Port, str]] = field(default_factory=set)
    taken: dict[tuple[Port, str], Taken] = field(default_factory=dict)
    results: dict[tuple[Port, int], str] = field(default_factory=dict)
    came: set[tuple[Port, int]] = field(default_factory=set)
    echoes: dict[tuple[str, int], Echoes] = field(default_factory=dict)
    seen: dict[tuple[str, int], Seen] = field(default_factory=dict)

    def line(self, data: bytes) -> None:
        """Take in a line. One that makes no sense is as good as none: what it told is not known then."""
        words = data.decode(errors="replace").split()
        if len(words) < 3 or words[0] != self.token or words[1] not in (HOST, VXLAN):
            return
        role, what, *rest = words[1:]
        if what in (READY, DONE, BYE):
            self.said.add((role, what))
        elif what == "failed":
            self.failed[role] = one_line(" ".join(rest))
        elif found := SHAPES.get(what, NOTHING).fullmatch(" ".join(rest)):
            self._take(role, what, found.groupdict())

    def _take(self, role: str, what: str, words: dict[str, str]) -> None:
        port = Port(words.get("protocol", ""), int(words.get("port", 0)))
        peer = int(words.get("peer", 0))
        match what:
            case "held":
                self.held.add((port, words["address"]))
            case "taken":
                process = words["process"].removeprefix("-")
                its = Taken(port, words["address"], words["errno"], process, int(words["pid"]))
                self.taken[port, its.address] = its
            case "missing":
                self.missing = words["what"]
            case "probed":
                self.results[port, peer] = words["result"]
            case "came":
                self.came.add((port, peer))
            case "echo":
                trip = None if words["trip"] == "-" else float(words["trip"])
                error = words["error"].removeprefix("-")
                self.echoes[role, peer] = Echoes(int(words["sent"]), int(words["answered"]), trip, error)
            case "seen":
                self.seen[role, peer] = Seen(int(words["count"]), int(words["largest"]))


# [0-9] and not \d, which would let other scripts' digits pass.
_PORT = r"(?P<protocol>tcp|udp) (?P<port>[0-9]{1,5})"
_AT = rf"{_PORT} (?P<address>[0-9.]{{7,15}})"
_ERRNO = r"E[A-Z0-9]{1,20}"
SHAPES = {
    "held": re.compile(_AT),
    "taken": re.compile(
        rf"{_AT} (?P<errno>{_ERRNO}) (?P<process>[A-Za-z0-9._?-]{{1,40}}) (?P<pid>[0-9]{{1,9}})"
    ),
    "missing": re.compile(r"(?P<what>[a-z]{1,20})"),
    "probed": re.compile(rf"{_PORT} (?P<peer>[0-9]{{1,6}}) (?P<result>ok|silent|mute|{_ERRNO})"),
    "came": re.compile(rf"{_PORT} (?P<peer>[0-9]{{1,6}})"),
    "echo": re.compile(
        r"(?P<peer>[0-9]{1,6}) (?P<sent>[0-9]{1,4}) (?P<answered>[0-9]{1,4}) "
        rf"(?P<trip>-|[0-9]{{1,6}}\.[0-9]{{1,6}}) (?P<error>-|{_ERRNO})"
    ),
    "seen": re.compile(r"(?P<peer>[0-9]{1,6}) (?P<count>[0-9]{1,4}) (?P<largest>[0-9]{1,5})"),
}
NOTHING = re.compile(r"(?!)")
