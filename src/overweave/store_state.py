"""What `fab store-status` shows: servers, agents, engines and contents of the store, and its faults. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .backup import Network, networks_of
from .certificates import RENEW_DAYS
from .facts.libnetwork import Records
from .facts.store import Agent, Lease, Member, Peer, Raft

LATE_SECONDS = 5.0
"""Without contact to the leader: a follower calls for an election after 1 to 10 s."""


@dataclass(frozen=True)
class Seen:
    """What was asked. ``store_at`` is the host whose agent answered, "" where no store runs; ``agents`` are
    what agents say of themselves, by their id; ``silent`` the hosts whose agent gives no answer, with the
    reason. ``engines`` are the nodes of the hosts that must be registered, by host.
    ``certificates``: when that of each host ends, None where none works; ``authority`` is when that which
    made them ends, and ``now`` when it was asked."""

    store_at: str
    leader: str = ""
    peers: Sequence[Peer] = ()
    members: Sequence[Member] = ()
    agents: Mapping[str, Agent] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    leases: Sequence[Lease] = ()
    records: Records | None = None
    engines: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, datetime | None] = field(default_factory=dict)
    authority: datetime | None = None
    now: datetime | None = None


@dataclass(frozen=True)
class Server:
    """``state`` is what the gossip says of its agent, ``raft`` None where it could not be asked."""

    name: str
    address: str
    leader: bool
    voter: bool
    state: str
    version: str
    raft: Raft | None


@dataclass(frozen=True)
class EngineState:
    """``host`` is "" for an engine that is none of the fleet's; ``session`` "" where it has none."""

    host: str
    node: str
    session: str
    ttl: str


@dataclass(frozen=True)
class Certificate:
    """``host`` is "" for the authority; ``ends`` is None where none works."""

    host: str
    ends: datetime | None


@dataclass(frozen=True)
class StoreState:
    """``problems`` are what is wrong, in words. ``others`` counts sessions that no engine is registered by;
    ``keys`` and ``bytes`` are those under `libnetwork.ROOT`, ``largest`` is the longest value's."""

    store_at: str
    leader: str
    servers: tuple[Server, ...]
    clients: tuple[Member, ...]
    engines: tuple[EngineState, ...]
    others: int
    keys: int
    bytes: int
    largest: int
    networks: tuple[Network, ...]
    certificates: tuple[Certificate, ...]
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return not self.problems


def summarize(seen: Seen) -> StoreState:
    servers = _servers(seen)
    engines = _engines(seen)
    sizes = seen.records.sizes if seen.records else {}
    state = StoreState(
        store_at=seen.store_at,
        leader=seen.leader,
        servers=servers,
        clients=tuple(m for m in seen.members if not m.server),
        engines=engines,
        others=sum(not lease.engine for lease in seen.leases),
        keys=len(sizes),
        bytes=sum(sizes.values()),
        largest=max(sizes.values(), default=0),
        networks=networks_of(seen.records) if seen.records else (),
        certificates=tuple(Certificate(host, ends) for host, ends in _certificates(seen).items()),
        problems=(),
    )
    return replace(state, problems=tuple(_problems(state, seen)))


def _certificates(seen: Seen) -> dict[str, datetime | None]:
    return {**seen.certificates, **({"": seen.authority} if seen.authority else {})}


def _servers(seen: Seen) -> tuple[Server, ...]:
    """Those that raft is configured with, else those that the gossip knows: without a leader nobody tells."""
    by_id = {m.id: m for m in seen.members}
    found = [
        Server(
            name=member.name if (member := by_id.get(peer.id)) else "",
            address=peer.address,
            leader=peer.leader,
            voter=peer.voter,
            state=member.state if member else "missing",
            version=member.version if member else "",
            raft=agent.raft if (agent := seen.agents.get(peer.id)) else None,
        )
        for peer in seen.peers
    ]
    known = {peer.id for peer in seen.peers}
    found += [
        Server(
            m.name,
            m.address,
            False,
            False,
            m.state,
            m.version,
            agent.raft if (agent := seen.agents.get(m.id)) else None,
        )
        for m in seen.members
        if m.server and m.id not in known and m.state != "left"
    ]
    return tuple(sorted(found, key=lambda s: (s.name, s.address)))


def _engines(seen: Seen) -> tuple[EngineState, ...]:
    leases = {lease.engine: lease for lease in seen.leases if lease.engine}
    hosts = {node: host for host, node in seen.engines.items()}
    nodes = dict.fromkeys([*seen.engines.values(), *sorted(leases)])
    return tuple(
        EngineState(
            hosts.get(node, ""),
            node,
            leases[node].id if node in leases else "",
            leases[node].ttl if node in leases else "",
        )
        for node in nodes
    )


def _problems(state: StoreState, seen: Seen) -> Iterator[str]:
    if not state.store_at:
        yield "no store runs on any of these hosts"
        return
    if not state.leader:
        yield "the store has no leader: nothing can be written, and no container can join an overlay"
    for server in state.servers:
        name = server.name or server.address
        if server.state != "alive":
            yield f"server {name} is {server.state}"
        elif server.raft and server.raft.state != "Leader" and _late(server.raft.last_contact):
            after = server.raft.last_contact
            since = "has never heard" if after is None else f"has not heard for {after:g} s"
            yield f"server {name} {since} from a leader"
        if seen.peers and not server.voter:
            yield f"server {name} does not vote"
    voters = sum(server.voter for server in state.servers)
    if voters and voters % 2 == 0:
        yield f"{voters} servers vote: no more of them may fail than of {voters - 1}, and one more can"
    for member in state.clients:
        if member.state not in ("alive", "left"):
            yield f"the agent on {member.name} is {member.state}"
    for host, why in sorted(seen.silent.items()):
        yield f"the agent on {host} does not answer: {why}"
    for its in state.certificates:
        name = f"the certificate of {its.host}" if its.host else "the certificate of the authority"
        if its.ends is None:
            yield f"{name} does not work"
        elif seen.now and its.ends <= seen.now + timedelta(days=RENEW_DAYS):
            yield f"{name} {'ended' if its.ends <= seen.now else 'ends'} on {its.ends:%Y-%m-%d}"
    if state.leader:
        for engine in state.engines:
            if engine.host and not engine.session:
                yield f"the engine of {engine.host} is not registered: it holds no session for {engine.node}"


def _late(seconds: float | None) -> bool:
    return seconds is None or seconds > LATE_SECONDS
