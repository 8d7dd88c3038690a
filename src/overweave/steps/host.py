"""Files and units of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.command import Secret
from overweave.facts.record import Before
from overweave.facts.store_service import UNIT
from overweave.stores.consul import CONTAINER as STORE

from .base import HostStep


@dataclass(frozen=True)
class RecordBefore(HostStep):
    """Note on the host what was there before, once."""

    before: Before

    def __str__(self) -> str:
        return "note what is there now, so that it can be left that way again"


@dataclass(frozen=True)
class WriteFile(HostStep):
    """``new_folder``: its folder is there for this file alone."""

    path: str
    content: str
    previous: str = ""
    new_folder: bool = False

    def __str__(self) -> str:
        return f"{'change' if self.previous else 'write'} {self.path}"


RELOAD = f"""\
if systemctl --quiet is-active {UNIT}; then
  systemctl kill --kill-who=main --signal HUP {UNIT}
else
  timeout 20 docker -H unix:///var/run/docker.sock kill --signal HUP {STORE} > /dev/null 2>&1
fi || true
"""
"""What makes a host's part of the store read its certificate anew, if it runs, for a POSIX shell."""


@dataclass(frozen=True)
class WriteSecret(HostStep):
    """A file that is root's alone. ``there``: there is one already. ``reload``: the store reads it anew, if
    it runs."""

    path: str
    content: Secret = field(repr=False)
    there: bool = False
    new_folder: bool = False
    reload: bool = False

    def __str__(self) -> str:
        return f"{'change' if self.there else 'write'} {self.path}, for root alone"


@dataclass(frozen=True)
class RemoveFile(HostStep):
    """``with_folder``: and its folder, if that is empty then."""

    path: str
    with_folder: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class InstallUnit(HostStep):
    """Write ``files`` (text by path) of a systemd unit, and enable it. ``previous``: those that are there
    now. ``folder`` is theirs alone."""

    unit: str
    files: Mapping[str, str] = field(repr=False)
    previous: Mapping[str, str] = field(repr=False)
    folder: str = ""

    def __str__(self) -> str:
        return f"{'change' if self.previous else 'install'} {self.unit}"


@dataclass(frozen=True)
class RemoveUnit(HostStep):
    """Stop and disable a systemd unit, and remove its ``files``, and ``folder`` if that is empty then."""

    unit: str
    files: tuple[str, ...]
    folder: str = ""

    def __str__(self) -> str:
        return f"remove {self.unit}"


FileStep = RecordBefore | WriteFile | WriteSecret | RemoveFile | InstallUnit | RemoveUnit
