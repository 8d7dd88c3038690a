"""Locks between processes: they vanish with their holder, so a killed run leaves none behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .shell import HELD


@contextmanager
def locked(path: Path, *, keep: bool = False) -> Iterator[int]:
    """Hold the lock file ``path``, waiting for it as long as it takes, and remove it afterwards.

    With ``keep`` the file is left, and every program that is started meanwhile holds the lock, too, until
    it ends. Gives the file's descriptor, for those that are to hold it in another way.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _still_names(path, descriptor):
            break
        os.close(descriptor)
    if keep:
        HELD.add(descriptor)
    try:
        yield descriptor
    finally:
        HELD.discard(descriptor)
        # Nobody would wait for a file that is gone, whoever may still hold it.
        if not keep:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _still_names(path: Path, descriptor: int) -> bool:
    """Whether the file that was waited for is still there: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
