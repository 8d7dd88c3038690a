"""Containers of an engine, and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .base import HostStep


@dataclass(frozen=True)
class RunContainer(HostStep):
    """Create and start; ``replace`` removes the one that has the name. Volumes stay. ``new_volumes`` are
    those that it makes."""

    name: str
    spec: Mapping[str, Any] = field(repr=False)
    replace: bool = False
    new_volumes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'replace' if self.replace else 'run'} container {self.name} from {self.spec['Image']}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return (self.name,) if self.replace else ()


@dataclass(frozen=True)
class StartContainer(HostStep):
    name: str

    def __str__(self) -> str:
        return f"start container {self.name}"


@dataclass(frozen=True)
class StopContainers(HostStep):
    """Let containers end, side by side."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"stop {', '.join(self.names)}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True)
class RewireContainer(HostStep):
    """Take a container that is stopped off networks that its engine may not know any more, and put it on
    others; all by their names. ``join``: the settings on each, as in ``EndpointConfig``."""

    container: str
    leave: tuple[str, ...]
    join: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def __str__(self) -> str:
        return f"put container {self.container} on the other {', '.join(self.join)}"


@dataclass(frozen=True)
class StartContainers(HostStep):
    """Start containers, side by side. Those that run already go on."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"start {', '.join(self.names)}"


@dataclass(frozen=True)
class RemoveContainer(HostStep):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove container {self.name}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class RemoveVolume(HostStep):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove volume {self.name}"


ContainerStep = (
    RunContainer
    | StartContainer
    | StopContainers
    | RewireContainer
    | StartContainers
    | RemoveContainer
    | RemoveVolume
)
