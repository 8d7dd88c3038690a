"""Files of this machine, written so that nobody ever sees half of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file in one step; a reader sees the old content or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(path)
    try:
        data = content.encode() if isinstance(content, str) else content
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def try_out(path: Path) -> None:
    """Raise the `OSError` that `write_atomically` would where the folder is there; leaves nothing."""
    fresh = _beside(path)
    fresh.touch()
    fresh.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the XDG base directory specification puts what is kept here. Raises `OSError` where there is no
    home."""
    given = environment.get("XDG_STATE_HOME", "")
    try:
        # The specification: a path that is not absolute is to be ignored.
        base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError as e:
        raise OSError(str(e)) from e
    return base / "overweave"
