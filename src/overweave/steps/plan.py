"""The closed union of steps, and plans of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .containers import ContainerStep
from .engine import EngineStep
from .gossip import GossipStep
from .host import FileStep
from .networks import NetworkStep
from .store import StoreStep
from .swarm import SwarmStep

Step = FileStep | EngineStep | ContainerStep | StoreStep | GossipStep | NetworkStep | SwarmStep
"""Closed: a new step is added to the union of its module and in apply, and mypy finds every place that must
know it."""


@dataclass(frozen=True)
class Stage:
    """Steps of one host are done in their order, hosts side by side; the next stage waits for all.

    Steps of a ``guarded`` stage are taken back unless their host passes a `PassGate` behind it.
    """

    title: str
    steps: tuple[Step, ...]
    guarded: bool = False


@dataclass(frozen=True)
class Plan:
    """What would change. Empty stages are not part of a plan, so one without stages changes nothing."""

    stages: tuple[Stage, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.stages)

    @property
    def digest(self) -> str:
        """Tells two plans apart, in an audit log."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for stage in self.stages for step in stage.steps)


def make_plan(*stages: Stage) -> Plan:
    return Plan(tuple(stage for stage in stages if stage.steps))
