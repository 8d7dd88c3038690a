"""The backups of the store that a host keeps: bare Consul snapshots, whose names tell what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from overweave.command import Result, query, query_script
from overweave.errors import ConnectionProblem, UsageError
from overweave.ports import Reader
from overweave.stores import snapshot

from .text import number

NAME = r"[0-9]{8}T[0-9]{6}Z-index[0-9]{1,18}-consul[0-9.]{1,20}\.snap"
"""As templates/save-store.sh gives it, for grep -E as for Python."""
PARTS = re.compile(r"([0-9]{8}T[0-9]{6})Z-index([0-9]{1,18})-consul([0-9.]{1,20})\.snap")
MOST = 1000
LIST = """\
cd "$1" 2>/dev/null || exit 0
ls | grep -E "^$2\\$" | sort -r | head -n "$3" | xargs -r stat -c '%s %n'
"""
PATIENCE = 30.0
"""Seconds that a host may be silent while it sends one."""


@dataclass(frozen=True)
class Kept:
    """``index`` is raft's, ``consul`` the version that made it, ``size`` in bytes, None where not asked."""

    name: str
    made: datetime
    index: int
    consul: str
    size: int | None = None


def parse_name(name: str, size: int | None = None) -> Kept | None:
    """None for a name that is none of a backup's."""
    found = PARTS.fullmatch(name)
    if found is None:
        return None
    try:
        made = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Kept(name, made, int(found[2]), found[3], size)


def look(reader: Reader, folder: str) -> tuple[Kept, ...]:
    """Those in a folder of the host, the newest first; none where there is no such folder.

    Raises `ConnectionProblem` where the host can't be asked.
    """
    (answer,) = reader.ask(query_script(LIST, folder, NAME, str(MOST)))
    return tuple(_parse(answer))


def _parse(answer: Result) -> Iterator[Kept]:
    for line in answer.stdout.splitlines():
        size, _, name = line.partition(" ")
        its = parse_name(name, number(size))
        if its is not None:
            yield its


def fetch(reader: Reader, folder: str, name: str) -> bytes:
    """The bytes of one, which may be any. Raises `UsageError` where it is not there, or has no end, and
    `ConnectionProblem`."""
    found = bytearray()
    with closing(reader.start(query("cat", f"{folder}/{name}"))) as stream:
        stream.settimeout(PATIENCE)
        try:
            while chunk := stream.recv(1 << 16):
                found += chunk
                if len(found) > snapshot.LONGEST:
                    raise UsageError(
                        f"{name} on {reader.host.name}: it is longer than any backup",
                        hint="`fab store-backups` lists all backups",
                    )
        except (OSError, EOFError) as e:
            raise ConnectionProblem(
                f"reading {folder}/{name} broke off: {e}",
                host=reader.host.name,
                hint="run the same command again",
            ) from e
    if not found:
        raise UsageError(
            f"there is no backup {name} in {folder} on {reader.host.name}",
            hint="`fab store-backups` lists those that are there",
        )
    return bytes(found)
