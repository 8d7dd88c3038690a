"""What each host can send to each other one: the data path between hosts, measured in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overweave.fleet import Cancel
from overweave.ports import Clock, Reader


@dataclass(frozen=True)
class PairFacts:
    """What was measured between hosts."""


def measure(
    readers: Mapping[str, Reader], addresses: Mapping[str, str], *, clock: Clock, cancel: Cancel
) -> PairFacts:
    """Measure all directed pairs of ``addresses`` (host to advertise address)."""
    return PairFacts()
