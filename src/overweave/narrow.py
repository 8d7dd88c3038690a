"""A change that is about some hosts only: what may forbid it, and what it may do to the others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from .errors import Refused
from .facts.boot import UNIT
from .overlay import LEFT_OVER
from .preflight.finding import Finding, Severity
from .steps import InstallUnit, Plan, RemoveContainer, Step

HINT = "`fab deploy-overlay` brings the whole fleet in order, and says what restarts; then again"


def findings(found: Iterable[Finding], about: Collection[str]) -> list[Finding]:
    """What was found, where only these hosts are changed: what is wrong with others alone is a warning, and
    what is wrong between them and these, or with the fleet as a whole, stays what it is."""
    return [
        finding
        if finding.severity is not Severity.ERROR
        or not finding.host
        or {finding.host, finding.peer}.intersection(about)
        else replace(finding, severity=Severity.WARNING)
        for finding in found
    ]


def refusals(plan: Plan, about: Collection[str]) -> list[Refused]:
    """A refusal for each step that would change another host by more than the list of peers in its boot
    unit: no engine and no container of it is touched."""
    return [
        Refused(
            f"another host would be changed: {step} ({step.why})",
            host=step.host,
            hint=HINT,
        )
        for step in plan.steps
        if step.host and step.host not in about and not _harmless(step)
    ]


def _harmless(step: Step) -> bool:
    match step:
        case InstallUnit():
            return step.unit == UNIT
        case RemoveContainer():
            return step.why == LEFT_OVER
        case _:
            return False
