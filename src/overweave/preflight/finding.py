"""One thing that preflight found: where, how bad, what was seen, why it matters and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from overweave.errors import Refused


class Severity(StrEnum):
    """An error forbids the deployment; a warning is shown and goes on; a note only says what was seen or
    could not be."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """``check`` names the check, as in ``pairs.vxlan``. ``host`` is "" for the whole fleet; with ``peer``
    it is about the direction from ``host`` to ``peer``. ``matters`` says what would break, with the
    public issue number where there is one; ``fix`` is the command or the change that mends it.
    """

    check: str
    severity: Severity
    seen: str
    matters: str = ""
    fix: str = ""
    host: str = ""
    peer: str = ""

    @property
    def where(self) -> str:
        return f"{self.host} -> {self.peer}" if self.peer else self.host

    @property
    def told(self) -> str:
        """As one line of progress."""
        matters = f": {self.matters}" if self.matters else ""
        return f"{self.severity}: {self.seen}{matters}" + (f" -> {self.fix}" if self.fix else "")

    def refusal(self) -> Refused:
        text = f"{self.seen}: {self.matters}" if self.matters else self.seen
        return Refused(text, host=self.where, hint=self.fix)


def error(
    check: str, seen: str, *, matters: str = "", fix: str = "", host: str = "", peer: str = ""
) -> Finding:
    return Finding(check, Severity.ERROR, seen, matters, fix, host, peer)


def warning(
    check: str, seen: str, *, matters: str = "", fix: str = "", host: str = "", peer: str = ""
) -> Finding:
    return Finding(check, Severity.WARNING, seen, matters, fix, host, peer)


def note(
    check: str, seen: str, *, matters: str = "", fix: str = "", host: str = "", peer: str = ""
) -> Finding:
    return Finding(check, Severity.NOTE, seen, matters, fix, host, peer)


def refusals(findings: Iterable[Finding]) -> list[Refused]:
    """What forbids the deployment, as errors."""
    return [finding.refusal() for finding in findings if finding.severity is Severity.ERROR]


@dataclass(frozen=True)
class Preflight:
    """What was found, the gravest first, on ``hosts``, and in how many ``seconds``."""

    hosts: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not refusals(self.findings)
