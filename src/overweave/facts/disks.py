"""Room where an engine and Overweave write, and whether one can write there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Query, Result, query_script

from .text import number

CONFIGURATION = "/etc"
RECORDS = "/var/lib/overweave"
LOGS = "/var/log/overweave"

# A folder that is not there yet would be made inside the nearest one that is.
_ROOM = """\
for path; do
    there=$path
    while [ ! -e "$there" ]; do there=${there%/*}; there=${there:-/}; done
    echo "$path"
    stat -f -c '%S %a %c %d' "$there" || echo
    if [ -w "$there" ]; then echo yes; else echo no; fi
done
"""


@dataclass(frozen=True)
class Disk:
    """``free`` in bytes. ``inodes`` are those left, None where the file system doesn't count them."""

    path: str
    free: int
    inodes: int | None
    writable: bool


def queries(root: str) -> tuple[Query, ...]:
    """``root`` is where the engine keeps images and containers."""
    return (query_script(_ROOM, root, CONFIGURATION, RECORDS, LOGS),)


def parse(results: Sequence[Result]) -> tuple[Disk, ...]:
    """Those of the paths that could be looked at."""
    lines = results[0].stdout.split("\n")
    found = []
    for path, figures, writable in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        numbers = [number(word) for word in figures.split()]
        if len(numbers) == 4:
            size, free, inodes, left = numbers
            if size is not None and free is not None:
                found.append(Disk(path, size * free, left if inodes else None, writable == "yes"))
    return tuple(found)
