"""Limits of the one kernel that all hosts share: raised with the first lab, put back with the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from .locking import locked
from .shell import write_atomically

# At the defaults, 25 hosts overflow the neighbour table (random dead pairs) and use up the inotify
# instances (services fail quietly). The order matters: a threshold may not pass the one above it.
WANTED: Mapping[str, int] = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "net/ipv4/neigh/default/gc_thresh3": 65536,
    "net/ipv4/neigh/default/gc_thresh2": 49152,
    "net/ipv4/neigh/default/gc_thresh1": 8192,
    "net/ipv6/neigh/default/gc_thresh3": 65536,
    "net/ipv6/neigh/default/gc_thresh2": 49152,
    "net/ipv6/neigh/default/gc_thresh1": 8192,
}

PROC_SYS = Path("/proc/sys")
MACHINE = Path("/run/overweave-lab")
"""What labs of all state folders share. Gone after a reboot, as the changed limits are."""


class _Record(TypedDict):
    labs: list[str]
    limits: dict[str, dict[str, int]]


def raise_limits(lab: Path) -> None:
    """Raise every limit that is lower than a lab needs, for the lab that is kept in folder ``lab``.

    What a limit was is written down before it is changed.
    """
    with locked(MACHINE / "lock"):
        record = _read()
        record["labs"] = sorted({*_living(record), str(lab)})
        for name, wanted in WANTED.items():
            path = PROC_SYS / name
            if path.exists() and int(path.read_text()) < wanted:
                record["limits"][name] = {"was": int(path.read_text()), "set": wanted}
        _write(record)
        for name, values in record["limits"].items():
            if int((PROC_SYS / name).read_text()) < values["set"]:
                (PROC_SYS / name).write_text(str(values["set"]))


def release(lab: Path) -> None:
    """Put the limits back if ``lab`` was the last one, except where somebody else changed one since."""
    with locked(MACHINE / "lock"):
        record = _read()
        record["labs"] = [other for other in _living(record) if other != str(lab)]
        if record["labs"]:
            _write(record)
            return
        for name, values in reversed(record["limits"].items()):
            path = PROC_SYS / name
            if path.exists() and int(path.read_text()) == values["set"]:
                path.write_text(str(values["was"]))
        (MACHINE / "sysctls.json").unlink(missing_ok=True)
    if MACHINE.is_dir() and not any(MACHINE.iterdir()):
        MACHINE.rmdir()


def _living(record: _Record) -> list[str]:
    return [lab for lab in record["labs"] if Path(lab, "lab.json").exists()]


def _read() -> _Record:
    try:
        found: _Record = json.loads((MACHINE / "sysctls.json").read_text())
    except FileNotFoundError:
        return {"labs": [], "limits": {}}
    return found


def _write(record: _Record) -> None:
    write_atomically(MACHINE / "sysctls.json", json.dumps(record, indent=2) + "\n")
