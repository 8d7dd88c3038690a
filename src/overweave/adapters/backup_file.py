"""Backups of the store as files on the operator's machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from overweave.backup import LONGEST, Backup, pack, unpack
from overweave.errors import UsageError
from overweave.files import state_folder, try_out, write_atomically

SECRET = 0o600
"""A store with access control has its tokens in a snapshot."""


def may_write(path: Path, *, replace: bool = False) -> None:
    """Raises `UsageError` where no backup can be written to a path: something is there, unless it is a backup
    that is to be replaced, or its folder takes none."""
    if path.exists() or path.is_symlink():
        try:
            read(path)
        except UsageError as e:
            raise UsageError(
                f"{path} is there, and no backup of the store that could be replaced",
                hint="name another file",
            ) from e
        if not replace:
            raise UsageError(
                f"{path} is there already", hint="name another file, or add --force to replace that backup"
            )
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(2, os.strerror(2))
        try_out(path)
    except OSError as e:
        raise _unwritable(path, e) from e


def write(path: Path, backup: Backup) -> None:
    """In one step, readable by its owner alone. Raises `UsageError` where it can't be written."""
    try:
        write_atomically(path, pack(backup), SECRET)
    except OSError as e:
        raise _unwritable(path, e) from e


def read(path: Path) -> Backup:
    """Raises `UsageError` where it can't be read, and as `unpack` does."""
    try:
        # A pipe or a device has no end.
        if not path.is_file():
            raise FileNotFoundError(2, "it is no file" if path.exists() else os.strerror(2))
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as e:
        raise UsageError(f"{path}: {e.strerror}", hint="name a file that `fab store-backup` has made") from e
    if len(data) > LONGEST:
        raise UsageError(
            f"{path}: it is longer than any backup", hint="name a file that `fab store-backup` has made"
        )
    try:
        return unpack(data)
    except UsageError as e:
        raise UsageError(
            f"{path}: {e.message}", hint=e.hint or "name a file that `fab store-backup` has made"
        ) from e


def beside_the_logs(
    now: datetime, environment: Mapping[str, str] = os.environ, *, before: str = "restore"
) -> Path:
    """A new file for the store as it is now, ``before`` it is changed.

    Raises `UsageError` where there is no place for it."""
    try:
        place = state_folder(environment) / "backups"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(
            f"the store as it is can't be kept on this machine: {e.strerror or e}",
            hint="set XDG_STATE_HOME to a folder that can be written",
        ) from e
    return place / f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-before-{before}.tar"


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: {error.strerror}", hint="name a file that can be written")
