"""The whole story of a run in a file on the operator's machine, for when something failed."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from overweave.files import state_folder
from overweave.ports import Record
from overweave.printable import escaped

KEPT = 50
"""Newest files that stay."""
OUTPUT_LIMIT = 64 << 10
"""Characters of one command's output that are written, and of the command itself."""
NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[\w.-]+-\d+\.log")


def folder() -> Path:
    """Raises `OSError` where there is no home."""
    return state_folder() / "runs"


class RunLog:
    """Opened by its first line. Threads may write side by side.

    A log that can't be written stops no run: it is told to ``warn``, once. ``head`` are its first lines.
    """

    def __init__(self, task: str, head: str, warn: Callable[[str], None]) -> None:
        self._task = re.sub(r"[^\w.-]+", "_", task, flags=re.ASCII) or "run"
        self._warn = warn
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._file: int | None = None
        self.path: Path | None = None
        try:
            self._open()
        except OSError as e:
            self._give_up(e)
        self._write(head)

    def __call__(self, record: Record) -> None:
        """Write down what was sent to a host."""
        seconds = f", {record.seconds:.3f} s" if record.seconds else ""
        output = _bounded(record.output.rstrip("\n"))
        self._entry(record.host, f"{_bounded(record.what)}\n  = {record.outcome}{seconds}", output)

    def note(self, host: str, text: str) -> None:
        """Write down what the user is told, or what else is worth a line."""
        self._entry(host, f"# {_bounded(text)}", "")

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _entry(self, host: str, text: str, output: str) -> None:
        body = "".join(f"\n  | {line}" for line in output.split("\n")) if output else ""
        passed = time.monotonic() - self._started
        self._write(f"{passed:8.3f} s  {host or '-'}  {text}{body}")

    def _write(self, text: str) -> None:
        data = f"{escaped(text)}\n".encode()
        with self._lock:
            try:
                # At once: the story is wanted most when the run does not live to its end.
                while data and self._file is not None:
                    data = data[os.write(self._file, data) :]
            except OSError as e:
                self._give_up(e)

    def _open(self) -> None:
        where = folder()
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        where.chmod(0o700)
        _forget_old(where)
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        path = where / f"{began}Z-{self._task}-{os.getpid()}.log"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self.path = path

    def _give_up(self, error: OSError) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._warn(f"warning: no log of this run can be written: {error}")


def _forget_old(where: Path) -> None:
    """Leave room for one more."""
    ours = sorted(path.name for path in where.iterdir() if NAME.fullmatch(path.name))
    for name in ours[: -(KEPT - 1)]:
        (where / name).unlink(missing_ok=True)


def _bounded(text: str) -> str:
    if len(text) <= OUTPUT_LIMIT:
        return text
    return f"{text[:OUTPUT_LIMIT]}\n… {len(text[OUTPUT_LIMIT:].encode(errors='replace'))} bytes more"
