"""Locks between processes: they vanish with their holder, so a killed run leaves none behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, keep: bool = False) -> Iterator[int]:
    """Hold the lock file ``path``, waiting for it as long as it takes, and remove it afterwards.

    Gives its file descriptor: a child that inherits it keeps the lock until it closes it. That works
    only with ``keep``, which leaves the file: others would not wait for one that is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _still_names(path, descriptor):
            break
        os.close(descriptor)
    try:
        yield descriptor
    finally:
        if not keep:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _still_names(path: Path, descriptor: int) -> bool:
    """Whether the file that was waited for is still there: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
