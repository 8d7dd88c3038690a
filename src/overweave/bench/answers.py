"""What one end of a benchmark tells (bench-agent.pl), from lines that nobody vouches for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

ROLE = "bench"
LIMIT = 32 << 20
"""Bytes of one host that are read: a round of a pair takes some thousand."""
DISTINCT = 20_000
"""Different round trips of one measurement: three digits each, the program tells some thousand at most."""
CORES = 4096

Ticks = tuple[tuple[int, int], ...]
"""Of all processors together, then of each: how long it did something, and how long it is up."""


@dataclass
class Answers:
    """Everything that a host said so far, by the number of the measurement.

    ``took`` has bytes and microseconds by stream, ``trips`` a count by microseconds, ``rates`` lost trips
    and microseconds. ``failed`` are errnos by name; number 0 is the program itself.
    """

    token: str
    port: int = 0
    missing: str = ""
    coarse: bool = False
    done: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    took: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    trips: dict[int, dict[int, int]] = field(default_factory=dict)
    rates: dict[int, tuple[int, int]] = field(default_factory=dict)
    cpu: dict[int, Ticks] = field(default_factory=dict)

    def line(self, data: bytes) -> None:
        """Take in a line. One that makes no sense is as good as none: what it told is not known then."""
        words = data.decode(errors="replace").split()
        if len(words) < 3 or words[:2] != [self.token, ROLE]:
            return
        what, *rest = words[2:]
        if what == "coarse":
            self.coarse = True
        elif SHAPES.get(what, NOTHING).fullmatch(" ".join(rest)):
            self._take(what, rest)

    def _take(self, what: str, words: Sequence[str]) -> None:
        if what == "missing":
            self.missing = words[0]
            return
        first, *rest = words
        number = int(first)
        match what:
            case "ready":
                self.port = number
            case "done":
                self.done.add(number)
            case "failed":
                self.failed[number] = rest[0]
            case "took":
                self.took.setdefault(number, {})[int(rest[0])] = int(rest[1]), int(rest[2])
            case "trips":
                its = self.trips.setdefault(number, {})
                for us, count in (word.split(":") for word in rest):
                    if len(its) < DISTINCT:
                        its[int(us)] = its.get(int(us), 0) + int(count)
            case "rate":
                self.rates[number] = int(rest[1]), int(rest[2])
            case "cpu":
                ticks = tuple(tuple(map(int, word.split("/"))) for word in rest)
                self.cpu[number] = tuple((busy, up) for busy, up in ticks[:CORES])


# [0-9] and not \d, which would let other scripts' digits pass.
_ID = r"[0-9]{1,9}"
SHAPES = {
    "ready": re.compile(r"[0-9]{1,5}"),
    "missing": re.compile(r"[a-z]{1,20}"),
    "done": re.compile(_ID),
    "failed": re.compile(rf"{_ID} E[A-Z0-9]{{1,20}}"),
    "took": re.compile(rf"{_ID} [0-9]{{1,3}} [0-9]{{1,16}} [0-9]{{1,10}}"),
    "trips": re.compile(rf"{_ID}( [0-9]{{1,10}}:[0-9]{{1,10}}){{1,50}}"),
    "rate": re.compile(rf"{_ID} [0-9]{{1,10}} [0-9]{{1,10}} [0-9]{{1,10}}"),
    "cpu": re.compile(rf"{_ID}( [0-9]{{1,18}}/[0-9]{{1,18}})+"),
}
NOTHING = re.compile(r"(?!)")
