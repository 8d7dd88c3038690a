"""The unit that finishes a start of the engine: its files on a host, and whether systemd starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overweave.command import Query, Result, query, query_script

from .record import FOLDER as STATE_FOLDER
from .text import properties

UNIT = "overweave-boot.service"
FOLDER = f"{STATE_FOLDER}/boot"
SCRIPT = f"{FOLDER}/finish-boot.sh"
GOSSIP = f"{FOLDER}/boot-gossip.pl"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
FILES = (SCRIPT, GOSSIP, UNIT_FILE)
LIMIT = 1 << 17
"""Bytes of a file that are looked at: those that are ours take 10 KB."""


def file_queries(paths: Sequence[str]) -> tuple[Query, ...]:
    return tuple(query_script('test ! -e "$1" || head -c "$2" "$1"', path, str(LIMIT)) for path in paths)


def files_there(paths: Sequence[str], results: Sequence[Result]) -> dict[str, str]:
    """The text of those that are there, by path, from the answers to `file_queries`."""
    return {path: result.stdout for path, result in zip(paths, results, strict=True) if result.stdout}


QUERIES = (query("systemctl", "show", UNIT, "-p", "UnitFileState,ActiveState"), *file_queries(FILES))


@dataclass(frozen=True)
class BootUnit:
    """``files``: the text of those that are there, by path. ``failed``: its last run gave up."""

    files: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = False
    failed: bool = False


def parse(results: Sequence[Result]) -> BootUnit:
    shown, *files = results
    its = properties(shown.stdout)
    return BootUnit(
        files_there(FILES, files),
        its.get("UnitFileState") == "enabled",
        its.get("ActiveState") == "failed",
    )
