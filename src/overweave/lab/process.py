"""Processes that outlive the command that started them, and are recognised later for certain."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .shell import ENVIRONMENT

# Standard input is the lab's lock: who takes the lab down waits until this process can be found.
START = """\
set -eu
record=$1
shift
echo "$$ $(cut -d ' ' -f 22 /proc/$$/stat)" > "$record.new"
mv "$record.new" "$record"
exec < /dev/null
exec "$@"
"""


def start(
    record: Path,
    words: tuple[str, ...],
    *,
    log: Path,
    lock: int,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a program in a session of its own, and return at once.

    Its pid and start time go into the file ``record``, what it prints is added to ``log``, and
    ``lock`` is held until the record is written, also if this process is killed meanwhile.
    """
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ("setsid", "--fork", "sh", "-c", START, "sh", str(record), *words),
            stdin=lock,
            stdout=output,
            stderr=output,
            env=environment or ENVIRONMENT,
            check=True,
        )


def living(record: Path) -> int:
    """The pid in ``record`` if that very process still runs, else 0. Pids alone are used again."""
    try:
        pid, begun = record.read_text().split()
        # The name, in parentheses, may hold anything.
        state, *fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(pid) if fields[18] == begun and state not in "ZX" else 0


def kill(pid: int) -> None:
    """Kill a process; one that is gone already is no error."""
    if pid <= 1:
        raise ValueError(f"{pid} is not one process but many")
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
