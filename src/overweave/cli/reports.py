"""Files that a result is written to: tried out before the work starts, written at its end."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from overweave.errors import UsageError
from overweave.files import try_out, write_atomically
from overweave.ports import Progress
from overweave.prove.matrix import Matrix
from overweave.report import data, matrix_text, text

STDOUT = "-"
PROOF = {
    "json": "write the result as JSON to this file; - for stdout",
    "junit": "write the proof as JUnit's XML to this file, for CI; - for stdout",
    "prometheus": "write the proof as metrics to this file, for node_exporter's textfile collector; "
    "- for stdout",
    "html": "write the proof as a page to this file, for a browser; - for stdout",
}
"""Help of the options."""


@dataclass(frozen=True)
class Reports:
    """Where a result is to be written, by option."""

    files: Mapping[str, str]

    @property
    def on_stdout(self) -> bool:
        """Standard output is a file for a program: people's text must not get into it."""
        return STDOUT in self.files.values()

    def show(self, result: Matrix, **more: Any) -> None:
        """Print the matrix, and write every report; ``more`` goes into the JSON.

        Raises `UsageError` where one can't be written.
        """
        # Here, and not above: every other command would wait for these imports at its start.
        from overweave.report.html import html
        from overweave.report.junit import junit
        from overweave.report.prometheus import prometheus

        now = datetime.now(UTC)
        made: dict[str, Callable[[], str]] = {
            "json": lambda: as_json(data.matrix(result) | more),
            "junit": lambda: junit(result, now),
            "prometheus": lambda: prometheus(result, now),
            "html": lambda: html(result, now),
        }
        if not self.on_stdout:
            text.console().print(matrix_text.matrix(result, text.width()))
        for option, where in self.files.items():
            write(option, where, made[option]())

    def show_no_proof(self, note: str, told: Mapping[str, Any], progress: Progress) -> None:
        """The run made no proof: ``told`` goes into the JSON, and the other files stay as they are."""
        if not self.on_stdout:
            text.console().print(Text(note))
        for option, where in self.files.items():
            if option == "json":
                write(option, where, as_json(told))
            else:
                progress(
                    "", f"no proof was made, so --{option} {where} was not written: validate-overlay does"
                )


def wanted(**files: str | None) -> Reports:
    """The files that options name. Raises `UsageError` where one can't be written, or two are one."""
    given = {option: where for option, where in files.items() if where}
    taken: dict[str, str] = {}
    for option, where in given.items():
        place = STDOUT if where == STDOUT else os.path.realpath(where)
        if place in taken:
            raise UsageError(
                f"--{taken[place]} and --{option} are both {'standard output' if where == STDOUT else where}",
                hint="name a file for each",
            )
        taken[place] = option
        if where != STDOUT:
            _try_out(option, where)
    return Reports(given)


def refuse_without_proof(reports: Reports, option: str) -> None:
    """For an option with which a task makes no proof. Raises `UsageError` where one was to be written."""
    for name in reports.files:
        if name != "json":
            raise UsageError(
                f"--{name} is about a proof, and with --{option} none is made", hint="leave one of them out"
            )


def as_json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=2) + "\n"


def write(option: str, where: str, words: str) -> None:
    """Write a report; "-" is stdout. Raises `UsageError` where it can't be written."""
    if where == STDOUT:
        sys.stdout.write(words)
        return
    # What a link leads to is replaced, not the link.
    path = Path(os.path.realpath(where))
    try:
        if _is_stream(path):
            path.write_text(words, encoding="utf-8")
        elif not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        else:
            write_atomically(path, words)
    except OSError as e:
        raise _unwritable(option, where, e) from e


def _try_out(option: str, where: str) -> None:
    path = Path(os.path.realpath(where))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_stream(path):
            try_out(path)
    except OSError as e:
        raise _unwritable(option, where, e) from e


def _is_stream(path: Path) -> bool:
    """A device or a pipe is written to; to replace it would break the machine."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _unwritable(option: str, where: str, error: OSError) -> UsageError:
    return UsageError(f"--{option} {where}: {error.strerror}", hint="name a file that can be written")
