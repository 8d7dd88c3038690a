"""The engine of a host, and its images."""

from __future__ import annotations

import re
from dataclasses import dataclass

from overweave.model import Archive

from .base import HostStep


@dataclass(frozen=True)
class RestartEngine(HostStep):
    """daemon-reload and restart. ``stops`` are the running containers that stop with the engine. ``same``:
    its configuration stays as it is, so nothing is to be taken back but that these stop."""

    stops: tuple[str, ...] = ()
    same: bool = False

    def __str__(self) -> str:
        return "restart the engine" + (f", and with it {', '.join(self.stops)}" if self.stops else "")

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("engine", *self.stops)


@dataclass(frozen=True)
class UpgradeEngine(HostStep):
    """Run an operator's command that brings another engine, and restart that if the command did not.
    ``version`` is what it has to be then, or how that begins: see `is_version`."""

    command: str
    version: str
    stops: tuple[str, ...] = ()

    def __str__(self) -> str:
        stops = f", and with the engine stop {', '.join(self.stops)}" if self.stops else ""
        return f"bring engine {self.version} by `{self.command}`{stops}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("engine", *self.stops)


def is_version(told: str, wanted: str) -> bool:
    """Whether an engine's version is the wanted one, of which the end may be left out: 20.10.24 is that of
    20.10.24+dfsg1, and 20.10.2 is not."""
    return re.match(rf"{re.escape(wanted)}(?!\d)", told) is not None


@dataclass(frozen=True)
class ProvideImage(HostStep):
    """``archive`` None: pull."""

    image: str
    archive: Archive | None = None

    def __str__(self) -> str:
        return f"upload image {self.image}" if self.archive else f"pull image {self.image}"


@dataclass(frozen=True)
class RemoveImage(HostStep):
    name: str

    def __str__(self) -> str:
        return f"remove image {self.name}"


EngineStep = RestartEngine | UpgradeEngine | ProvideImage | RemoveImage
