"""Programs of this machine."""

from __future__ import annotations

import subprocess

from overweave.command import Command, Result
from overweave.errors import CommandFailed, DeadlineExceeded

from .waiting import ANEW

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
"""Only this reaches the lab: the operator's proxies, locale and tokens are none of its business."""


HELD: set[int] = set()
"""Descriptors of locks that every program takes along, so that a killed run ends with its last one."""


def run(*words: str, stdin: bytes = b"", timeout: float = 120, host: str = "") -> Result:
    """Run a program and return what came of it, whatever its exit code (127: there is no such program).

    Raises `DeadlineExceeded` after ``timeout`` seconds; the program is killed then.
    """
    command = Command(words, stdin)
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env=ENVIRONMENT,
            pass_fds=tuple(HELD),
            # Ctrl-C is for us: a program that it ends half-way leaves half a thing.
            process_group=0,
        )
    except FileNotFoundError:
        return Result(command, 127, "", f"{words[0]}: not found")
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(
            f"`{command.shell()}`: not within {timeout:g} s", host=host, hint=ANEW
        ) from None
    return Result(command, done.returncode, _text(done.stdout), _text(done.stderr))


def must(*words: str, stdin: bytes = b"", timeout: float = 120) -> str:
    """Standard output of a program. Raises `CommandFailed` unless it exits with 0."""
    result = run(*words, stdin=stdin, timeout=timeout)
    if not result.ok:
        raise CommandFailed(result.command.shell(), result.status, result.output)
    return result.stdout


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
