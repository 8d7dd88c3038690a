"""Who changed what on a host, and when: an append-only log of JSON lines on the host itself.

One line for the begin of a run, one for each step with its outcome, and one for the end. A run that has a
begin and no end was broken off.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .command import change_script
from .errors import Interrupted, OverweaveError
from .fleet import Cancel, each
from .ports import Progress, Writer
from .printable import one_line
from .render import script

FOLDER = "/var/log/overweave"
FILE = "audit.jsonl"
LINE_LIMIT = 8192
"""Bytes of one line, its end included. Longer texts are cut."""
ROTATE_AT = 1 << 20
"""Bytes above which the file becomes ``audit.jsonl.1``, and that one ``.2``, …"""
KEPT = 5
"""Rotated files that stay."""

OK, FAILED, ROLLED_BACK, BROKEN_OFF = "ok", "failed", "rolled back", "broken off"
"""Outcomes. `BROKEN_OFF` is what a reader says of a run that has no end."""

BEGIN, STEP, END = "begin", "step", "end"
"""Kinds of lines."""

FROM = "@FROM@"
APPEND = """\
set -e
umask 077
line=$(cat)
from=$4
if [ ! "$from" ]; then
    [ -d "$1" ] || mkdir -p "$1"
    chmod 700 "$1"
    from=$(came_from)
fi
exec 9< "$1"
# Of the folder: the file goes when it is rotated.
flock -w 5 9 2>/dev/null || true
file=$1/audit.jsonl
if [ -e "$file" ]; then
    [ "$4" ] || chmod 600 "$file"
    if [ "$(stat -c %s "$file")" -ge "$2" ]; then
        n=$3
        while [ "$n" -gt 1 ]; do
            old=$((n - 1))
            [ ! -e "$file.$old" ] || mv -f "$file.$old" "$file.$n"
            n=$old
        done
        mv -f "$file" "$file.1"
    elif [ "$(tail -c 1 "$file")" ]; then
        # A disk was full in the middle of a line.
        echo >> "$file"
    fi
fi
printf '%s%s%s\\n' "${line%%@FROM@*}" "$from" "${line#*@FROM@}" >> "$file"
printf %s "$from"
"""
"""Append the line of standard input. ``$1`` is the folder, ``$2`` and ``$3`` are `ROTATE_AT` and `KEPT`,
``$4`` the address that the connection comes from, if it is known; it is printed."""


@dataclass(frozen=True)
class Run:
    """One run of a task. ``who`` is user@machine, ``sudo_user`` who became that user by sudo, or ""."""

    id: str
    who: str
    sudo_user: str
    version: str
    task: str


def now() -> datetime:
    return datetime.now(UTC)


def stamp(time: datetime, separator: str = "T") -> str:
    """ISO 8601 in UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(sep=separator, timespec="milliseconds").replace("+00:00", "Z")


class Audit:
    """The log on the hosts of ``writers``; a host that is not among them has none.

    Threads may use it side by side, each for hosts of its own. A log that can't be written stops no run:
    it is told to ``warn``, once a host. Only `Interrupted` is raised.
    """

    def __init__(
        self,
        writers: Mapping[str, Writer],
        run: Run,
        *,
        cancel: Cancel,
        warn: Progress,
        now: Callable[[], datetime] = now,
    ) -> None:
        self._writers = writers
        self._run = run
        self._cancel = cancel
        self._warn = warn
        self._now = now
        self._lock = threading.Lock()
        self._from: dict[str, str] = {}
        self._unwritable: set[str] = set()

    def begin(self, host: str, plan_digest: str, steps: Sequence[str]) -> None:
        """``steps`` are those that are planned for this host."""
        self._append(host, BEGIN, {"plan": plan_digest, "steps": list(steps)})

    def step(self, host: str, text: str, outcome: str, seconds: float, error: str = "") -> None:
        """``host`` "" is a step of the whole fleet: it stands in every host's log."""
        more = {"error": error.strip().partition("\n")[0]} if error else {}
        self._append(host, STEP, {"step": text, "outcome": outcome, "seconds": round(seconds, 3)} | more)

    def end(self, host: str, outcome: str) -> None:
        """After an interruption, lift the cancellation before."""
        self._append(host, END, {"outcome": outcome})

    def _append(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        if not host:
            each(self._writers, lambda name: self._append(name, kind, fields), cancel=self._cancel).all()
            return
        if host not in self._writers:
            return
        text = line(self._now(), self._run, kind, fields)
        change = change_script(
            script("came-from.sh") + APPEND,
            FOLDER,
            str(ROTATE_AT),
            str(KEPT),
            self._from.get(host, ""),
            stdin=text.encode(),
        )
        try:
            answer = self._writers[host].do(change).stdout
        except Interrupted:
            raise
        except OverweaveError as e:
            with self._lock:
                told = host in self._unwritable
                self._unwritable.add(host)
            if not told:
                reason = one_line(getattr(e, "output", "") or e.message, 200)
                self._warn(host, f"warning: {FOLDER}/{FILE} can't be written: {reason}")
        else:
            self._from[host] = one_line(answer, 100)


class Silent(Audit):
    """Writes nowhere."""

    def __init__(self) -> None:
        super().__init__({}, Run("", "", "", "", ""), cancel=Cancel(), warn=lambda host, what: None)


def line(time: datetime, run: Run, kind: str, fields: Mapping[str, Any]) -> str:
    """One line of the log, ASCII and without its end, at most `LINE_LIMIT` bytes with it.

    Where the host is to put the address that the run came from stands `FROM`, before any other text.
    """
    of_run = {
        "who": run.who,
        "sudo_user": run.sudo_user,
        "version": run.version,
        "task": run.task,
    }
    whole = {
        "time": stamp(time),
        "run": one_line(run.id, 100),
        "from": FROM,
        **{key: one_line(text, 200) for key, text in of_run.items() if text},
        "kind": kind,
        **fields,
    }
    limit = 2000
    while len(text := json.dumps(_cut(whole, limit))) >= LINE_LIMIT - 200:
        limit //= 2
    return text


def _cut(whole: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Texts of at most ``limit`` characters, and no list of more items than a fifth of that."""
    cut: dict[str, Any] = {}
    for key, value in whole.items():
        if isinstance(value, str):
            cut[key] = one_line(value, limit)
        elif isinstance(value, list):
            shown = [one_line(item, max(limit // 2, 4)) for item in value[: limit // 5]]
            left = len(value) - len(shown)
            cut[key] = [*shown, f"… and {left} more"] if left else shown
        else:
            cut[key] = value
    return cut
