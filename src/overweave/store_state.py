"""What `fab store-status` shows: servers, agents, engines and contents of the store, and its faults. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .backup import Network, networks_of
from .certificates import RENEW_DAYS
from .facts import etcd, libnetwork
from .facts.libnetwork import NODES, Records
from .facts.store import Agent, Lease, Member, Peer, Raft
from .model import Store
from .stores.etcd_keys import Keys

LATE_SECONDS = 5.0
"""Without contact to the leader: a follower calls for an election after 1 to 10 s."""
NONE = "no store runs on any of these hosts"
LEADERLESS = "the store has no leader: nothing can be written, and no container can join an overlay"


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
class SeenEtcd:
    """The same of a store in etcd. ``servers`` are all that it has, with what each says of itself, or why it
    says nothing; ``silent`` is why the one on ``store_at`` does not even tell which they are. ``keys`` are
    those under `libnetwork.ROOT`."""

    store_at: str
    leader: str = ""
    servers: Sequence[tuple[etcd.Member, etcd.Told | str]] = ()
    silent: str = ""
    keys: Keys | None = None
    engines: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, datetime | None] = field(default_factory=dict)
    authority: datetime | None = None
    now: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """Raft on a server of etcd, which does not tell how long ago it has heard from its leader."""

    state: str
    term: int
    commit_index: int
    last_contact: None = None


@dataclass(frozen=True)
class Server:
    """``state`` is what the gossip says of its agent, and of etcd what its own answer does; ``raft`` is None
    where it could not be asked."""

    name: str
    address: str
    leader: bool
    voter: bool
    state: str
    version: str
    raft: Raft | Progress | None


@dataclass(frozen=True)
class EngineState:
    """``host`` is "" for an engine that is none of the fleet's; ``session`` "" where it has none, and always
    in etcd, where ``registered`` means its key; ``ttl`` is of the session, or what the key has left."""

    host: str
    node: str
    session: str
    ttl: str
    registered: bool


@dataclass(frozen=True)
class Certificate:
    """``host`` is "" for the authority; ``ends`` is None where none works."""

    host: str
    ends: datetime | None


@dataclass(frozen=True)
class StoreState:
    """``problems`` are what is wrong, in words; ``store`` is its kind as people write it. ``others`` counts
    sessions that no engine is registered by; ``keys`` and ``bytes`` are those under `libnetwork.ROOT`,
    ``largest`` is the longest value's."""

    store: str
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
    state = _state(
        seen,
        Store().title,
        _servers(seen),
        _engines(seen),
        seen.records,
        clients=tuple(m for m in seen.members if not m.server),
        others=sum(not lease.engine for lease in seen.leases),
    )
    return replace(state, problems=tuple(_problems(state, seen)))


def summarize_etcd(seen: SeenEtcd) -> StoreState:
    nodes = {
        key.removeprefix(NODES): its
        for key, its in (seen.keys.kept if seen.keys else {}).items()
        if key.startswith(NODES)
    }
    engines = tuple(
        EngineState(host, node, "", _ttl(nodes[node].ttl) if node in nodes else "", node in nodes)
        for host, node in _all_engines(seen.engines, nodes)
    )
    records = libnetwork.parse(seen.keys.tree) if seen.keys else None
    servers = tuple(_server(its, told) for its, told in sorted(seen.servers, key=lambda s: s[0].name))
    state = _state(seen, "etcd", servers, engines, records)
    return replace(state, problems=tuple(_problems_of_etcd(state, seen)))


def _state(
    seen: Seen | SeenEtcd,
    store: str,
    servers: tuple[Server, ...],
    engines: tuple[EngineState, ...],
    records: Records | None,
    *,
    clients: tuple[Member, ...] = (),
    others: int = 0,
) -> StoreState:
    sizes = records.sizes if records else {}
    ends = {**seen.certificates, **({"": seen.authority} if seen.authority else {})}
    return StoreState(
        store=store,
        store_at=seen.store_at,
        leader=seen.leader,
        servers=servers,
        clients=clients,
        engines=engines,
        others=others,
        keys=len(sizes),
        bytes=sum(sizes.values()),
        largest=max(sizes.values(), default=0),
        networks=networks_of(records) if records else (),
        certificates=tuple(Certificate(host, its) for host, its in ends.items()),
        problems=(),
    )


def _ttl(seconds: int | None) -> str:
    return "" if seconds is None else f"{seconds}s"


def _server(its: etcd.Member, told: etcd.Told | str) -> Server:
    if isinstance(told, str):
        return Server(its.name, its.address, False, True, "failed", "", None)
    return Server(
        its.name,
        its.address,
        leader=told.leader == its.id,
        voter=True,
        state="alive" if told.healthy else "unhealthy",
        version=told.version,
        raft=Progress(told.state, told.term, told.commit_index),
    )


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
    return tuple(
        EngineState(
            host,
            node,
            leases[node].id if node in leases else "",
            leases[node].ttl if node in leases else "",
            node in leases,
        )
        for host, node in _all_engines(seen.engines, leases)
    )


def _all_engines(wanted: Mapping[str, str], there: Iterable[str]) -> list[tuple[str, str]]:
    """Those of the fleet's hosts, then others that are registered; host and node of each."""
    hosts = {node: host for host, node in wanted.items()}
    return [(hosts.get(node, ""), node) for node in dict.fromkeys([*wanted.values(), *sorted(there)])]


def _problems(state: StoreState, seen: Seen) -> Iterator[str]:
    if not state.store_at:
        yield NONE
        return
    if not state.leader:
        yield LEADERLESS
    for server in state.servers:
        name = server.name or server.address
        if server.state != "alive":
            yield f"server {name} is {server.state}"
        elif _late(server.raft):
            after = server.raft.last_contact if server.raft else None
            since = "has never heard" if after is None else f"has not heard for {after:g} s"
            yield f"server {name} {since} from a leader"
        if seen.peers and not server.voter:
            yield f"server {name} does not vote"
    yield from _even(state)
    for member in state.clients:
        if member.state not in ("alive", "left"):
            yield f"the agent on {member.name} is {member.state}"
    for host, why in sorted(seen.silent.items()):
        yield f"the agent on {host} does not answer: {why}"
    yield from _ends(state, seen.now)
    yield from _unregistered(state, "it holds no session for {}")


def _problems_of_etcd(state: StoreState, seen: SeenEtcd) -> Iterator[str]:
    if not state.store_at:
        yield NONE
        return
    if not state.leader:
        yield LEADERLESS
    if seen.silent:
        yield f"the server on {seen.store_at} does not answer: {seen.silent}"
    for its, told in seen.servers:
        name = its.name or its.address
        if isinstance(told, str):
            yield f"server {name} is failed: {told}"
        elif not told.healthy:
            yield f"server {name} is unhealthy: it has no answer of a quorum, or an alarm"
    yield from _even(state)
    yield from _ends(state, seen.now)
    yield from _unregistered(state, "there is no key for {}")


def _even(state: StoreState) -> Iterator[str]:
    voters = sum(server.voter for server in state.servers)
    if voters and voters % 2 == 0:
        yield f"{voters} servers vote: no more of them may fail than of {voters - 1}, and one more can"


def _ends(state: StoreState, now: datetime | None) -> Iterator[str]:
    for its in state.certificates:
        name = f"the certificate of {its.host}" if its.host else "the certificate of the authority"
        if its.ends is None:
            yield f"{name} does not work"
        elif now and its.ends <= now + timedelta(days=RENEW_DAYS):
            yield f"{name} {'ended' if its.ends <= now else 'ends'} on {its.ends:%Y-%m-%d}"


def _unregistered(state: StoreState, why: str) -> Iterator[str]:
    for engine in state.engines if state.leader else ():
        if engine.host and not engine.registered:
            yield f"the engine of {engine.host} is not registered: {why.format(engine.node)}"


def _late(raft: Raft | Progress | None) -> bool:
    if not isinstance(raft, Raft) or raft.state == "Leader":
        return False
    return raft.last_contact is None or raft.last_contact > LATE_SECONDS
