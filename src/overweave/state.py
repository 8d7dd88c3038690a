"""What `fab status` shows: facts of a fleet, summed up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import store_part
from .facts.absent import Absent
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .facts.swarm import LOCKED, Node
from .gossip.islands import islands, unseen
from .model import Fleet
from .overlay import addresses


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
    in_swarm: bool = False

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
        node = _node(facts, engine)
        in_view = len(facts.views) - 1 - len(missing.get(name, ())) if name in facts.views else 0
        hosts.append(
            HostState(
                name,
                _describe(engine),
                its.address if its else "",
                node.ready if node else its is not None and its.node in nodes,
                _ready(fleet, facts) - 1 if node and node.ready else in_view,
                _role(engine, node) if fleet.in_swarm else _store(facts.hosts[name]),
            )
        )
        for network in engine.networks if isinstance(engine, Engine) else ():
            if network.driver == "overlay":
                line = f"{network.name} {', '.join(network.subnets)} ({network.scope}, id {network.id[:12]})"
                networks.setdefault(line, []).append(name)
    if fleet.in_swarm:
        told = _swarm(facts) + _certificates(facts)
        return State(tuple(hosts), told, (), _lines(networks, len(hosts)), in_swarm=True)
    where = f"at {fleet.store.place}" if fleet.store.external else f"on {', '.join(fleet.servers)}"
    leader = f"{fleet.store.title} {where}, " + (
        f"leader {facts.store.leader}, {len(facts.store.nodes)} engines registered"
        if facts.store and facts.store.leader
        else "no leader"
    )
    return State(
        tuple(hosts),
        leader if facts.store else "none runs",
        tuple(islands(facts.views)),
        _lines(networks, len(hosts)),
    )


def _lines(networks: Mapping[str, Sequence[str]], hosts: int) -> tuple[str, ...]:
    return tuple(
        line if len(on) == hosts else f"{line}, only on {', '.join(on)}" for line, on in networks.items()
    )


def _node(facts: FleetFacts, engine: Engine | Absent) -> Node | None:
    if facts.swarm is None or not isinstance(engine, Engine):
        return None
    return facts.swarm.nodes.get(engine.member.node)


def _ready(fleet: Fleet, facts: FleetFacts) -> int:
    return sum(1 for name in fleet.names if (n := _node(facts, facts.hosts[name].engine)) and n.ready)


def _role(engine: Engine | Absent, node: Node | None) -> str:
    if isinstance(engine, Engine) and engine.member.state == LOCKED:
        return "manager LOCKED"
    if node is None:
        return "-"
    return f"{node.role} {'leads' if node.leader else node.manager or node.state}"


def _swarm(facts: FleetFacts) -> str:
    if facts.swarm is None:
        return "no manager of a swarm answers"
    nodes = facts.swarm.nodes.values()
    ready = sum(node.ready for node in nodes)
    leader = f"leader {facts.swarm.leader}" if facts.swarm.leader else "no leader"
    return f"swarm, {leader}, {ready} of {len(nodes)} nodes ready"


def _certificates(facts: FleetFacts) -> str:
    """The first of the nodes' certificates that ends, where an engine should have renewed it."""
    late = {n: c for n, its in facts.hosts.items() if (c := its.node_certificate) and c.late}
    if not late:
        return ""
    host = min(late, key=lambda name: late[name].ends)
    return (
        f", the certificate of {host} {'ended' if late[host].ended else 'ends'} on {late[host].ends:%Y-%m-%d}"
    )


def _describe(engine: Engine | Absent) -> str:
    if isinstance(engine, Absent):
        return "no Docker"
    return f"{engine.version} {'up' if engine.running else 'DOWN'}"


def _store(its: HostFacts) -> str:
    part = store_part.ours(its)
    return f"{part.told} {'up' if part.running else 'STOPPED'}" if part else "-"
