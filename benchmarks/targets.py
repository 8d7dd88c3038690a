"""What the figures have to be, and whether they are."""

from __future__ import annotations

from dataclasses import dataclass

from .deployments import AGAIN, DEPLOY, GOSSIP, MEMORY, PROOF, Series, ratio
from .tools import ANSIBLE, OVERWEAVE, SCRIPT


@dataclass(frozen=True)
class Target:
    """``value`` must be at most ``limit``; None was not measured."""

    what: str
    limit: float
    unit: str
    value: float | None

    @property
    def met(self) -> bool | None:
        return None if self.value is None else self.value <= self.limit

    def __str__(self) -> str:
        verdict = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        value = "" if self.value is None else f"{self.value:.2f} {self.unit}, "
        return f"{self.what}: {value}at most {self.limit:g} {self.unit}: {verdict}"


def targets(series: Series) -> list[Target]:
    """Those that are for a fleet of this size."""
    if series.hosts == 3:
        return [
            Target("deploy, against bare ssh", 1.3, "x", ratio(series, SCRIPT, DEPLOY)),
            Target("deploy, against Ansible", 0.45, "x", ratio(series, ANSIBLE, DEPLOY)),
            Target("nothing to do, against Ansible", 0.2, "x", ratio(series, ANSIBLE, AGAIN)),
        ]
    if series.hosts == 25:
        return [
            Target("proof of 600 pairs", 6.0, "s", series.median(OVERWEAVE, PROOF)),
            Target("gossip of 25 engines", 0.2, "s", series.median(OVERWEAVE, GOSSIP)),
            Target("memory", 150, "MB", series.median(OVERWEAVE, MEMORY)),
        ]
    return []
