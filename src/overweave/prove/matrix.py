"""The result of a proof: a verdict for every check of every directed pair, and the evidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CHECKS = ("dns", "icmp", "tcp", "mtu", "vxlan")


@dataclass(frozen=True)
class Verdict:
    """``detail`` is what was measured when ok, else what was seen instead."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Pair:
    """From the container on one host to the one on another. ``checks`` holds all of `CHECKS`."""

    source: str
    target: str
    checks: Mapping[str, Verdict]

    @property
    def green(self) -> bool:
        return all(check in self.checks and self.checks[check].ok for check in CHECKS)

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(c for c in CHECKS if c not in self.checks or not self.checks[c].ok)


@dataclass(frozen=True)
class Evidence:
    """What the vxlan device of a host did while the checks ran. ``vtep`` is the host's own address."""

    vni: int
    vtep: str
    sent: int
    received: int


@dataclass(frozen=True)
class Matrix:
    network: str
    hosts: tuple[str, ...]
    pairs: tuple[Pair, ...]
    evidence: Mapping[str, Evidence]
    seconds: float = 0.0
    causes: tuple[str, ...] = field(default=())

    @property
    def green(self) -> bool:
        """Every directed pair was measured and passed every check."""
        wanted = {(a, b) for a in self.hosts for b in self.hosts if a != b}
        return wanted == {(p.source, p.target) for p in self.pairs if p.green}

    @property
    def red(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if not pair.green)

    def pair(self, source: str, target: str) -> Pair | None:
        return next((p for p in self.pairs if p.source == source and p.target == target), None)
