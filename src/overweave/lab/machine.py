"""What all labs share on this machine: changed with the first lab, put back with the last.

That is the kernel's limits, and the mount at /run/netns that `ip netns` makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from overweave.files import write_atomically

from .locking import locked
from .shell import run
from .spec import SPEC

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


class _Record(TypedDict):
    labs: list[str]
    limits: dict[str, dict[str, int]]
    netns: bool


@dataclass(frozen=True)
class Machine:
    """``limits`` and ``netns`` are the kernel's. ``shared``: what labs of all state folders share; it is gone
    after a reboot, as the changed limits are."""

    limits: Path = Path("/proc/sys")
    netns: Path = Path("/run/netns")
    shared: Path = Path("/run/overweave-lab")

    def enter(self, lab: Path) -> None:
        """Get the machine ready for the lab that is kept in the folder ``lab``.

        Limits that are lower than a lab needs are raised. What was there is written down first.
        """
        with locked(self.shared / "lock"):
            record = self._read()
            record["labs"] = sorted({*_living(record), str(lab)})
            for name, wanted in WANTED.items():
                path = self.limits / name
                if path.exists() and int(path.read_text()) < wanted:
                    record["limits"][name] = {"was": int(path.read_text()), "set": wanted}
            write_atomically(self.shared / "record.json", json.dumps(record, indent=2) + "\n")
            for name, values in record["limits"].items():
                if int((self.limits / name).read_text()) < values["set"]:
                    (self.limits / name).write_text(str(values["set"]))

    def leave(self, lab: Path) -> None:
        """Put everything back if ``lab`` was the last one, except what somebody else changed since."""
        with locked(self.shared / "lock"):
            record = self._read()
            record["labs"] = [other for other in _living(record) if other != str(lab)]
            if record["labs"]:
                write_atomically(self.shared / "record.json", json.dumps(record, indent=2) + "\n")
                return
            for name, values in reversed(record["limits"].items()):
                path = self.limits / name
                if path.exists() and int(path.read_text()) == values["set"]:
                    path.write_text(str(values["was"]))
            if not record["netns"] and self.netns.is_dir() and not any(self.netns.iterdir()):
                run("umount", str(self.netns))
                self.netns.rmdir()
            (self.shared / "record.json").unlink(missing_ok=True)
        with suppress(OSError):
            self.shared.rmdir()

    def _read(self) -> _Record:
        try:
            found: _Record = json.loads((self.shared / "record.json").read_text())
        except FileNotFoundError:
            return {"labs": [], "limits": {}, "netns": self.netns.exists()}
        return found


def _living(record: _Record) -> list[str]:
    return [lab for lab in record["labs"] if Path(lab, SPEC).exists()]
