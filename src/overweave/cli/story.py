"""The whole story of a run: opened before the first host is contacted, and named when something fails."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator

from invoke.exceptions import Exit

from overweave import __version__
from overweave.adapters.run_log import RunLog
from overweave.errors import OverweaveError, UsageError
from overweave.ports import Progress


@contextlib.contextmanager
def story(task: str, warn: Progress) -> Iterator[RunLog]:
    """A log that knows how the run ended. An error, other than one of usage, gets a note with its path."""
    head = f"overweave {__version__}, in {os.getcwd()}: {shlex.join(sys.argv)}"
    log = RunLog(task, head, lambda what: warn("", what))
    try:
        yield log
    except BaseException as e:
        ended = f"exit code {e.code}" if isinstance(e, Exit) else "" if str(e) else "interrupted"
        log.note("", f"ended by {type(e).__name__}: {ended or e}")
        if log.path and _is_worth_it(e):
            e.add_note(f"the whole story: {log.path}")
        raise
    finally:
        log.close()


def _is_worth_it(error: BaseException) -> bool:
    if isinstance(error, Exit):
        return error.code not in (0, UsageError.exit_code)
    return not isinstance(error, OverweaveError) or error.exit_code != UsageError.exit_code
