"""The timer that backs the store up on its host: its files, how it went, and the newest backup there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from overweave.command import Result, query_script

from .backups import NAME, Kept, parse_name
from .boot import file_queries, files_there
from .record import FOLDER as STATE_FOLDER
from .text import number, properties

UNIT = "overweave-backup.timer"
SERVICE = "overweave-backup.service"
FOLDER = f"{STATE_FOLDER}/backup"
SCRIPT = f"{FOLDER}/save-store.sh"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
SERVICE_FILE = f"/etc/systemd/system/{SERVICE}"
FILES = (SCRIPT, UNIT_FILE, SERVICE_FILE)
LOOK = """\
[ -e "$1" ] || exit 0
date +%s
folder=$(sed -n 's|^ExecStart=/bin/sh [^ ]* \\([^ ]*\\) .*|\\1|p' "$1")
echo "$folder"
echo "$(ls "$folder" 2>/dev/null | grep -E "^$2\\$" | sort | tail -n 1)"
shift 2
systemctl show "$@" -p UnitFileState,ActiveState,LastTriggerUSec,InactiveEnterTimestampMonotonic,Result
"""
"""Most hosts have no server of the store, and so nothing to be asked for: each program takes its time."""

QUERIES = (query_script(LOOK, SERVICE_FILE, NAME, UNIT, SERVICE), *file_queries(FILES))


@dataclass(frozen=True)
class BackupUnit:
    """``files``: the text of those that are there, by path. ``runs``: systemd starts it at every boot, and
    waits for its time now. ``failed``: its last run made no backup; ``ended``: the timer has started one, and
    it ran to its end since the host's boot: at a boot the timer takes its own start for a run
    (``Persistent=``). ``folder`` is where it keeps them, ``newest`` the last one there, and ``now`` the
    host's own time."""

    files: Mapping[str, str] = field(default_factory=dict)
    runs: bool = False
    failed: bool = False
    ended: bool = False
    folder: str = ""
    newest: Kept | None = None
    now: datetime | None = None


def parse(results: Sequence[Result]) -> BackupUnit:
    about, *files = results
    now, folder, name, shown, *_ = [*about.stdout.split("\n", 3), "", "", ""]
    timer, _, service = shown.partition("\n\n")
    its, last = properties(timer), properties(service)
    seconds = number(now)
    return BackupUnit(
        files=files_there(FILES, files),
        runs=its.get("UnitFileState") == "enabled" and its.get("ActiveState") == "active",
        failed=last.get("Result", "success") != "success",
        ended=its.get("LastTriggerUSec", "") not in ("", "0", "n/a")
        and bool(number(last.get("InactiveEnterTimestampMonotonic", ""))),
        folder=folder,
        newest=parse_name(name),
        now=None if seconds is None or seconds > LATEST else datetime.fromtimestamp(seconds, UTC),
    )


LATEST = 1 << 36
"""Seconds: the year 4147. A clock that says more says nothing."""
