"""One thing that is wrong: a finding as preflight's, and the steps that would mend it."""

from __future__ import annotations

from dataclasses import dataclass

from overweave.preflight.finding import Finding, Severity
from overweave.steps import Step

MOMENT = 2.0
"""Seconds that most things may look wrong until that is told: a container that starts or stops takes less."""


@dataclass(frozen=True)
class Fault:
    """``remedies`` is empty where nothing can be done without knowing more than was looked at.

    ``seen`` of the finding is the same from one look to the next while the fault lasts: `key` tells by it.
    ``moment``: how many seconds it may look so without being wrong.
    """

    finding: Finding
    remedies: tuple[Step, ...] = ()
    moment: float = MOMENT

    @property
    def key(self) -> tuple[str, ...]:
        its = self.finding
        return (its.check, its.host, its.peer, its.seen)


@dataclass(frozen=True)
class Checkup:
    """What was found on ``hosts``, the gravest first, in how many ``seconds``."""

    hosts: tuple[str, ...]
    faults: tuple[Fault, ...]
    seconds: float

    @property
    def healthy(self) -> bool:
        """Nothing is wrong; a warning or a note does not change that."""
        return all(fault.finding.severity is not Severity.ERROR for fault in self.faults)
