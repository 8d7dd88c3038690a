"""Facts of all hosts together, with what the store and the gossip know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overweave.certificates import Issuer
from overweave.credentials import Credentials
from overweave.gossip.islands import View

from .engine import Engine
from .external import External
from .host import HostFacts
from .machine import Machine
from .paths import PairFacts
from .remembered import Remembered
from .swarm import REACHABLE, SwarmFacts


@dataclass(frozen=True)
class StoreFacts:
    """``nodes`` are the engines registered in the store, as ``address:port``; ``networks`` and ``endpoints``
    the ids of those that it has records of, None where that was not asked. ``admits``: whether it knows the
    tokens of agents and engines; ``refuses``: it does not take the one that was used to ask it."""

    leader: str
    nodes: frozenset[str]
    networks: frozenset[str] | None = None
    endpoints: frozenset[str] | None = None
    admits: bool = True
    refuses: bool = False


@dataclass(frozen=True)
class FleetFacts:
    """``store`` is None while none runs; ``views`` has the hosts whose gossip answers.

    ``machines`` and ``pairs`` are looked at for preflight only, and empty else; so is ``remembered``, of
    hosts that know more of overlays than the store. ``credentials`` are those that the hosts have or are to
    get, and ``issuer`` gives their certificates; None where the store's are nobody's business. ``external``:
    how hosts see somebody else's store.
    ``programs``: versions of the hosts' own Consul, looked at for preflight where the store is to run as a
    service. ``swarm``: as one of its managers sees it; None where none of the hosts is one.
    """

    hosts: Mapping[str, HostFacts]
    store: StoreFacts | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    pairs: PairFacts | None = None
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    credentials: Credentials | None = None
    issuer: Issuer | None = None
    external: Mapping[str, External] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    swarm: SwarmFacts | None = None

    def manager(self, names: Iterable[str], *, besides: str = "") -> str:
        """The first of these hosts whose engine is a manager that the others reach, "" for none."""
        nodes = self.swarm.nodes if self.swarm else {}
        return next(
            (
                name
                for name in names
                if name != besides
                and isinstance(engine := self.hosts[name].engine, Engine)
                and (node := nodes.get(engine.member.node))
                and node.manager == REACHABLE
            ),
            "",
        )
