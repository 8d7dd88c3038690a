"""Run a program to its end: how it ended, what it said, how long it took and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SECONDS = 600
NOT_AS_USERS_HAVE_IT = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Without compiled modules on the disk the tool starts 0.15 s later, at each run."""
# A process that is started by a large one counts that one's memory as its own peak, so a small one is
# between them. Linux counts it in KiB.
LAUNCHER = """\
import json, os, sys, time
start = time.monotonic()
pid = os.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
seconds = time.monotonic() - start
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss], file)
"""


@dataclass(frozen=True)
class Ended:
    """``megabytes`` is the most that the program itself had at any time, without those it started."""

    status: int
    seconds: float
    megabytes: float
    out: str
    err: str


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's own as a user would have it, with more."""
    return {k: v for k, v in os.environ.items() if k not in NOT_AS_USERS_HAVE_IT} | dict(more)


def run(words: Sequence[str], *, cwd: str, env: Mapping[str, str] | None = None) -> Ended:
    """Raises `subprocess.TimeoutExpired` after `SECONDS`, and `OSError` where it can't be started."""
    reader, writer = os.pipe()
    with open(reader) as result:
        try:
            done = subprocess.run(
                (sys.executable, "-S", "-E", "-c", LAUNCHER, f"/dev/fd/{writer}", *words),
                cwd=cwd,
                env=environment(env or {}),
                pass_fds=(writer,),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        finally:
            os.close(writer)
        told = result.read()
    if not told:
        raise OSError(f"{words[0]} could not be started: {done.stderr}")
    status, seconds, kib = json.loads(told)
    return Ended(status, seconds, kib / 1024, done.stdout, done.stderr)
