"""The audit logs of hosts, read and merged. What stands in them is untrusted, as all that hosts say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from overweave.audit import BEGIN, BROKEN_OFF, END, FILE, FOLDER, KEPT, LINE_LIMIT, STEP
from overweave.command import Query, Result, query_script
from overweave.ports import Reader
from overweave.printable import one_line

TAIL = 1 << 20
"""Bytes that are read of a host's log: some 3000 steps."""

READ = """\
n=$3
{
    while [ "$n" -gt 0 ]; do
        cat "$1.$n"
        n=$((n - 1))
    done
    cat "$1"
} 2>/dev/null | grep -aF -e "$2" | tail -c "$4"
true
"""


@dataclass(frozen=True)
class Entry:
    """One line of a log. ``about`` is the step, ``seconds`` are None where they were not told.

    ``outcome`` of an `END` that a reader added is `BROKEN_OFF`.
    """

    host: str
    time: datetime
    run: str
    kind: str
    task: str = ""
    who: str = ""
    sudo_user: str = ""
    came_from: str = ""
    version: str = ""
    plan: str = ""
    steps: tuple[str, ...] = ()
    about: str = ""
    outcome: str = ""
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class AuditLog:
    """``broken`` are the beginnings of lines that are none of ours; ``cut``: there are older ones."""

    entries: tuple[Entry, ...]
    broken: tuple[str, ...] = ()
    cut: bool = False


def queries(run: str = "") -> tuple[Query, ...]:
    """All lines, or those of one run."""
    wanted = f'"run": {json.dumps(run)}' if run else ""
    return (query_script(READ, f"{FOLDER}/{FILE}", wanted, str(KEPT), str(TAIL)),)


def look(reader: Reader, run: str = "") -> AuditLog:
    """Raises `ConnectionProblem` where the host can't be asked."""
    (answer,) = reader.ask(*queries(run))
    return parse(reader.host.name, answer)


def parse(host: str, result: Result) -> AuditLog:
    """Entries in the order of the file, with an end for each run that has none."""
    text = result.stdout
    # Bytes that are no text were replaced by longer ones, so this is never less than what was sent.
    cut = len(text.encode(errors="replace")) >= TAIL
    lines = text.split("\n")
    if cut:
        del lines[0]
    entries, broken = [], []
    for line in lines:
        entry = _entry(host, line)
        if entry is not None:
            entries.append(entry)
        elif line.strip():
            broken.append(one_line(line, 60))
    return AuditLog((*entries, *_unended(entries)), tuple(broken), cut)


def merge(logs: Iterable[AuditLog]) -> list[Entry]:
    """All entries by time. Those of one host that have the same time keep their order."""
    return sorted((entry for log in logs for entry in log.entries), key=lambda entry: entry.time)


def _unended(entries: Iterable[Entry]) -> list[Entry]:
    open_runs: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind == END:
            open_runs.pop(entry.run, None)
        elif entry.kind == BEGIN or entry.run in open_runs:
            open_runs[entry.run] = entry
    return [
        replace(last, kind=END, outcome=BROKEN_OFF, about="", steps=(), seconds=None, error="")
        for last in open_runs.values()
    ]


def _entry(host: str, line: str) -> Entry | None:
    try:
        raw = json.loads(line)
        time = datetime.fromisoformat(_text(raw, "time")).astimezone(UTC)
    except (ValueError, OverflowError, RecursionError, AttributeError):
        return None
    kind, run = _text(raw, "kind"), _text(raw, "run")
    if kind not in (BEGIN, STEP, END) or not run:
        return None
    steps = raw.get("steps")
    seconds = raw.get("seconds")
    return Entry(
        host=host,
        time=time,
        run=run,
        kind=kind,
        task=_text(raw, "task"),
        who=_text(raw, "who"),
        sudo_user=_text(raw, "sudo_user"),
        came_from=_text(raw, "from"),
        version=_text(raw, "version"),
        plan=_text(raw, "plan"),
        steps=tuple(one_line(s, LINE_LIMIT) for s in steps[:LINE_LIMIT]) if isinstance(steps, list) else (),
        about=_text(raw, "step"),
        outcome=_text(raw, "outcome"),
        seconds=_seconds(seconds),
        error=_text(raw, "error"),
    )


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key, "")
    return one_line(value, LINE_LIMIT) if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
