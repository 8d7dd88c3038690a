"""What `fab status` shows: facts of a fleet, summed up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .facts.absent import Absent
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .gossip.islands import islands, unseen
from .model import SPEC_LABEL, Fleet
from .overlay import addresses
from .stores import consul


@dataclass(frozen=True)
class HostState:
    """``sees`` counts the other hosts of the fleet that its engine sees alive in the gossip."""

    name: str
    engine: str
    advertise: str
    registered: bool
    sees: int
    store: str


@dataclass(frozen=True)
class State:
    hosts: tuple[HostState, ...]
    store: str
    islands: tuple[tuple[str, ...], ...]
    networks: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Every engine runs, is registered and sees all others."""
        return all(host.registered and host.sees == len(self.hosts) - 1 for host in self.hosts)


def summarize(fleet: Fleet, facts: FleetFacts) -> State:
    advertise, _ = addresses(fleet, facts)
    missing = unseen(facts.views)
    nodes = facts.store.nodes if facts.store else frozenset()
    hosts = []
    networks: dict[str, list[str]] = {}
    for name in fleet.names:
        engine = facts.hosts[name].engine
        its = advertise.get(name)
        in_view = len(facts.views) - 1 - len(missing.get(name, ())) if name in facts.views else 0
        hosts.append(
            HostState(
                name,
                _describe(engine),
                its.address if its else "",
                its is not None and its.node in nodes,
                in_view,
                _store(engine),
            )
        )
        for network in engine.networks if isinstance(engine, Engine) else ():
            if network.driver == "overlay":
                line = f"{network.name} {', '.join(network.subnets)} ({network.scope}, id {network.id[:12]})"
                networks.setdefault(line, []).append(name)
    leader = f"Consul on {fleet.store_host.name}, " + (
        f"leader {facts.store.leader}, {len(facts.store.nodes)} engines registered"
        if facts.store and facts.store.leader
        else "no leader"
    )
    return State(
        tuple(hosts),
        leader if facts.store else "none runs",
        tuple(islands(facts.views)),
        tuple(
            line if len(on) == len(hosts) else f"{line}, only on {', '.join(on)}"
            for line, on in networks.items()
        ),
    )


def _describe(engine: Engine | Absent) -> str:
    if isinstance(engine, Absent):
        return "no Docker"
    return f"{engine.version} {'up' if engine.running else 'DOWN'}"


def _store(engine: Engine | Absent) -> str:
    container = engine.container(consul.CONTAINER) if isinstance(engine, Engine) else None
    if container is None or SPEC_LABEL not in container.labels:
        return "-"
    return f"{container.image} {'up' if container.running else 'STOPPED'}"
