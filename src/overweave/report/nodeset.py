"""Many names of hosts in few words, in the notation of ClusterShell and of Slurm: ``host[1-3,7]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MOST_DIGITS = 9
"""A number that is longer is part of a name, such as a serial number, and none to count by."""
NONE = -1
"""The width of a number that is not there."""


def nodeset(names: Iterable[str]) -> str:
    """Names that differ by their last number alone are folded; the others stay, in the order they come in."""
    parted = [_parted(name) for name in names]
    # Of numbers as long as one with a zero in front, all are padded to that length, as 08, 09, 10.
    padded = {(a, b, len(n)) for a, n, b in parted if n.startswith("0") and len(n) > 1}
    groups: dict[tuple[str, str, int], list[int]] = {}
    for before, number, behind in parted:
        width = len(number) if (before, behind, len(number)) in padded else 0
        numbers = groups.setdefault((before, behind, width if number else NONE), [])
        if number:
            numbers.append(int(number))
    return ", ".join(_folded(*key, numbers) for key, numbers in groups.items())


def _parted(name: str) -> tuple[str, str, str]:
    """What is before its last number, that, and what is behind."""
    found = re.fullmatch(rf"(.*?)(\d{{1,{MOST_DIGITS}}})(\D*)", name, re.A | re.S)
    return (found[1], found[2], found[3]) if found else (name, "", "")


def _folded(before: str, behind: str, width: int, numbers: list[int]) -> str:
    if width == NONE:
        return before
    told = [f"{a:0{width}}" + (f"-{b:0{width}}" if b > a else "") for a, b in _ranges(numbers)]
    if len(told) == 1 and "-" not in told[0]:
        return f"{before}{told[0]}{behind}"
    return f"{before}[{','.join(told)}]{behind}"


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    begin = end = None
    for number in sorted(set(numbers)):
        if begin is None or end is None or number > end + 1:
            if begin is not None and end is not None:
                yield begin, end
            begin = number
        end = number
    if begin is not None and end is not None:
        yield begin, end
