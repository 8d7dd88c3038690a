"""Facts of all hosts together, with what the store and the gossip know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.gossip.islands import View

from .host import HostFacts
from .machine import Machine
from .paths import PairFacts


@dataclass(frozen=True)
class StoreFacts:
    """``nodes`` are the engines registered in the store, as ``address:port``."""

    leader: str
    nodes: frozenset[str]


@dataclass(frozen=True)
class FleetFacts:
    """``store`` is None while none runs; ``views`` has the hosts whose gossip answers.

    ``machines`` and ``pairs`` are looked at for preflight only, and empty else.
    """

    hosts: Mapping[str, HostFacts]
    store: StoreFacts | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    pairs: PairFacts | None = None
