"""Facts of all hosts together, with what the store and the gossip know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.gossip.islands import View

from .host import HostFacts


@dataclass(frozen=True)
class StoreFacts:
    """``nodes`` are the engines registered in the store, as ``address:port``."""

    leader: str
    nodes: frozenset[str]


@dataclass(frozen=True)
class FleetFacts:
    """``store`` is None while none runs; ``views`` has the hosts whose gossip answers."""

    hosts: Mapping[str, HostFacts]
    store: StoreFacts | None = None
    views: Mapping[str, View] = field(default_factory=dict)
