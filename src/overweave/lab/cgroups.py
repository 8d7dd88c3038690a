"""A host's own folder in every control group hierarchy.

It gives a host's containers a place of their own, and tells for certain which processes belong to a host:
those that a killed `up` left behind are found here, whatever it had written down.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .waiting import wait_for

ROOT = Path("/sys/fs/cgroup")


def unified() -> bool:
    """Whether this machine has control groups of version 2 alone."""
    return (ROOT / "cgroup.controllers").exists()


def lab_folders(lab: str) -> tuple[str, ...]:
    """Where a lab's control groups go, one folder in each hierarchy.

    With version 1 they are below those of the calling process, so that a lab stays within the limits
    that it was started under. Version 2 gives no controllers to children of a group that has
    processes, so there they are at the top.
    """
    if unified():
        return (str(ROOT / f"overweave-{lab}"),)
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    folders = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, options, *_ = line.split()
        if not mounted.startswith(str(ROOT)) or kind not in ("cgroup", "cgroup2"):
            continue
        path = "/"
        if kind == "cgroup":
            path = next((own[c] for c in own if c and set(c.split(",")) <= set(options.split(","))), "/")
        else:
            path = own.get("", "/")
        folders.append(str(Path(mounted + path) / f"overweave-{lab}"))
    return tuple(folders)


def make(folder: Path) -> None:
    """Make a control group with all that its parent can give it."""
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # Version 1 refuses processes in a cpuset that was not given any processors.
            if (path / name).exists() and not (path / name).read_text().strip():
                (path / name).write_text((path.parent / name).read_text())
    controllers = folder.parent / "cgroup.controllers"
    if controllers.exists():
        for controller in controllers.read_text().split():
            (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(folders: Iterable[Path]) -> set[int]:
    """Ids of all processes in some control groups and those below them, as far as they can be seen."""
    found: set[int] = set()
    for folder in folders:
        for path, _, files in os.walk(folder):
            if "cgroup.procs" in files:
                try:
                    found.update(int(word) for word in Path(path, "cgroup.procs").read_text().split())
                except OSError:
                    continue  # the group went away with its last process
    # Stands for every process of a pid namespace that this one can't see into.
    return found - {0}


def remove(folders: Iterable[Path]) -> None:
    """Remove control groups and those below them, waiting for processes that are just ending."""
    for folder in folders:
        wait_for(lambda top=folder: _removed(top), 10, f"control group {folder} is free")  # type: ignore[misc]


def _removed(top: Path) -> bool:
    try:
        for path, _, _ in os.walk(top, topdown=False):
            os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return not top.exists()
