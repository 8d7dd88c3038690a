"""What time a host takes it to be, against this machine's steady clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Result, query

QUERIES = (query("date", "+%s.%N"),)


@dataclass(frozen=True)
class Reading:
    """``ahead`` is the host's clock minus this machine's steady one, which began anywhere: only the
    difference of two readings means something. It may be off by ``give`` either way. All in seconds."""

    ahead: float
    give: float


def parse(results: Sequence[Result], asked: float, answered: float) -> Reading | None:
    """``asked`` and ``answered`` are moments of the steady clock. None where `date` says no time."""
    # Not all know nanoseconds.
    if not (found := re.match(r"[0-9]{1,12}(\.[0-9]{1,9})?(?![0-9])", results[0].stdout, re.ASCII)):
        return None
    return Reading(float(found[0]) - (asked + answered) / 2, (answered - asked) / 2)
