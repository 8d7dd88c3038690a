"""Open connections to a fleet, and all facts of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import fabric

from . import backend, certificates, store_part
from .adapters import etcd_http
from .adapters.clock import SystemClock
from .adapters.consul_http import ConsulHttp
from .adapters.engine_api import EngineApi
from .adapters.ssh import SshHost
from .adapters.tls_stream import TlsStream
from .advertise import ENGINE_PORT
from .apply.gossip import view
from .audit import Audit, Run, Silent
from .certificates import Authority, Issuer
from .credentials import AUTHORITY, Credentials, settled
from .errors import DeadlineExceeded, EngineError, Refused, StoreError
from .facts import external, libnetwork, machine, pairs, remembered, store_service, swarm
from .facts import host as host_facts
from .facts.engine import Engine
from .facts.external import External
from .facts.fleet import FleetFacts, StoreFacts
from .facts.paths import PairFacts
from .facts.remembered import Remembered
from .facts.swarm import SwarmFacts
from .facts.unit import Unit
from .fleet import Cancel, each
from .gossip.islands import View
from .lock import FleetLock, hold
from .model import AUTO, CONSUL, ETCD, Fleet
from .overlay import addresses, unrecorded_on, vxlan_port
from .ports import ClusterStore, EtcdStore, KeyValue, Progress, Recorder, Stream, unrecorded
from .preflight.ports import listens
from .preflight.travel import wanted_mtu
from .stores import consul
from .waiting import wait_until

REFUSED = ("ACL not found", "Permission denied")
"""What Consul says to a token that it does not know."""
SETTLING_SECONDS = 6.0
"""Three heartbeats of a small fleet."""


@dataclass
class Session:
    """Open connections to all hosts of a fleet. `look` marks the store's hosts in ``fleet``, and notes in
    ``running_on`` one on which the store runs, the ``credentials`` that hosts have or are to get, and the
    ``issuer`` of their certificates. ``taking_over``: the authority that is to be the fleet's, whatever hosts
    have."""

    fleet: Fleet
    hosts: Mapping[str, SshHost]
    cancel: Cancel
    clock: SystemClock
    progress: Progress
    lock: FleetLock
    running_on: str = ""
    credentials: Credentials | None = None
    issuer: Issuer | None = None
    taking_over: Authority | None = None
    audit: Audit = field(default_factory=Silent)
    record: Recorder = unrecorded

    @contextlib.contextmanager
    def locked(self, run: Run, wait_seconds: float, *, changes: bool = True) -> Iterator[None]:
        """With the locks of all hosts, and with what is changed noted in their audit logs.

        ``changes`` is false of a run that only looks: it takes back nothing that a dead run has left.

        Raises `Locked`, saying who has them, if they are not free within ``wait_seconds``.
        """
        with hold(
            self.hosts,
            run,
            wait_seconds=wait_seconds,
            clock=self.clock,
            cancel=self.cancel,
            progress=self.progress,
            changes=changes,
        ) as self.lock:
            self.audit = Audit(self.hosts, run, cancel=self.cancel, warn=self.progress)
            yield

    def wait_for_ever(self) -> None:
        """Until Ctrl-C, or until a connection is gone (`ConnectionProblem`)."""
        while True:
            self.clock.pause(1)
            for host in self.hosts.values():
                host.check()

    @property
    def serving(self) -> str:
        """A host that runs the store, or that is to run it."""
        return self.running_on or self.fleet.store_host.name

    def keys(self, at: str = "") -> KeyValue:
        """As `store`, of either kind."""
        return self.etcd(at) if self.fleet.store.in_etcd else self.store(at)

    def etcd(self, at: str = "", server: str = "") -> EtcdStore:
        """A store in etcd, reached at loopback of a host that runs a server of it: any, or the one that is
        named. ``server``: the address of another one, which is reached from there."""
        host = self.hosts[at or self.serving]

        def reach() -> Stream:
            assert self.issuer is not None
            stream = host.stream(server or "127.0.0.1", self.fleet.store.port)
            return TlsStream(stream, self.issuer.operator(), seconds=etcd_http.SECONDS)

        where = f"etcd {f'at {server}, from' if server else 'on'} {host.host.name}"
        return etcd_http.EtcdHttp(reach, where, self.record, self.fleet.store.logs)

    def store(self, at: str = "") -> ClusterStore:
        """A store in Consul, reached at loopback of a host that runs it: any, or the one that is named.
        Somebody else's is reached from that host. Raises `Refused` where it is one in etcd."""
        if self.fleet.store.in_etcd:
            raise _no_consul()
        host = self.hosts[at or self.serving]
        its = self.fleet.store
        where = f"at {its.place}, from" if its.external else "on"

        def reach() -> Stream:
            if self.fleet.in_swarm:
                raise _no_store()
            return host.stream(its.external or "127.0.0.1", its.port)

        return ConsulHttp(
            reach,
            f"Consul {where} {host.host.name}",
            self.record,
            # Whoever asks may have been made before the first look.
            lambda: self.credentials.best if self.credentials else None,
            its.logs,
        )


def _silent(host: str, what: str) -> None:
    pass


@contextlib.contextmanager
def connect(
    fleet: Fleet,
    config: fabric.Config,
    *,
    progress: Progress = _silent,
    accept_new_host_keys: bool = False,
    record: Recorder = unrecorded,
) -> Iterator[Session]:
    """Connect to all hosts at once. Raises `FleetError` with the reason of each that can't be reached."""
    cancel = Cancel()
    made: dict[str, SshHost] = {}

    def open_one(name: str) -> None:
        made[name] = SshHost(
            fleet.host(name),
            config.clone(),
            cancel=cancel,
            engine_over=EngineApi,
            accept_new_host_keys=accept_new_host_keys,
            record=record,
        )
        made[name].open()

    count = len(fleet.hosts)
    progress("", f"connecting to {count} host{'s' * (count > 1)}")
    try:
        each(fleet.names, open_one, cancel=cancel).all()
        hosts = {name: made[name] for name in fleet.names}
        clock = SystemClock(cancel)
        yield Session(fleet, hosts, cancel, clock, progress, FleetLock(clock), record=record)
    finally:
        # One after the other takes 0.1 s each: a thread of paramiko's ends at its next look.
        each(made, lambda name: made[name].close(), cancel=cancel)


def look(session: Session) -> FleetFacts:
    """All facts: hosts side by side, then the store and the gossip where they are up."""
    session.progress("", "looking at all hosts")
    hosts = each(
        session.fleet.names, lambda name: host_facts.look(session.hosts[name]), cancel=session.cancel
    ).all()
    if session.fleet.backend == AUTO:
        found, why = backend.choose(session.fleet, hosts)
        if found == ETCD:
            session.progress("", f"the overlay's store is one in etcd: {why}")
        elif found != CONSUL:
            session.progress("", f"the overlay is one of the engines' own {found}: {why}")
    session.fleet = backend.settle(session.fleet, hosts)
    if session.fleet.in_swarm:
        return _look_at_swarm(session, hosts)
    if not session.fleet.store.external:
        if not session.fleet.store.in_etcd:
            session.credentials = settled(
                (hosts[name].credentials.known for name in session.fleet.names), session.credentials
            )
        session.issuer = _issuer(session, hosts)
    facts = FleetFacts(hosts)
    order = [*session.fleet.servers, *session.fleet.agents]
    session.running_on = next((name for name in order if store_part.runs(hosts[name])), "")
    chosen, _ = addresses(session.fleet, facts)
    at = {
        name: its.advertised or (chosen[name].address if name in chosen else "")
        for name, its in hosts.items()
    }
    carrying = [name for name in session.fleet.names if has_cluster_flags(facts, name) and at[name]]

    def of_cluster() -> FleetFacts:
        views = each(
            carrying,
            lambda name: view(session.hosts[name], at[name]),
            cancel=session.cancel,
        ).all()
        return FleetFacts(
            hosts,
            _look_at_store(session),
            _answering(views),
            credentials=session.credentials,
            issuer=session.issuer,
        )

    has_credentials = any(its.credentials.known for its in hosts.values())

    def all_is_there(seen: FleetFacts) -> bool:
        store = seen.store
        if store is None or not store.leader:
            return True
        if has_credentials and not store.admits:
            # A server that has just started does not know all of its tokens yet.
            return False
        return all(name in seen.views and f"{at[name]}:{ENGINE_PORT}" in store.nodes for name in carrying)

    # An engine that has just started registers at its next heartbeat, and a busy one may miss an answer:
    # neither is a reason to restart it.
    seen: list[FleetFacts] = []

    def look_again() -> bool:
        seen.append(of_cluster())
        return all_is_there(seen[-1])

    with contextlib.suppress(DeadlineExceeded):
        wait_until(look_again, what="settling", seconds=SETTLING_SECONDS, clock=session.clock)
    return seen[-1]


def look_for_store(session: Session) -> FleetFacts:
    """As `look`, for what works on a store of either kind. Raises `Refused` where there is none, and is to be
    none."""
    facts = look(session)
    if session.fleet.in_swarm:
        raise _no_store()
    return facts


def look_for_consul(session: Session) -> FleetFacts:
    """As `look_for_store`, for what works on one in Consul alone."""
    facts = look(session)
    refuse_without_consul(session.fleet)
    return facts


def look_for_swarm(session: Session) -> FleetFacts:
    """As `look`, for what works on a swarm. Raises `Refused` where there is none, and is to be none."""
    facts = look(session)
    if not session.fleet.in_swarm:
        raise Refused(
            "these hosts are in no swarm, and this works on nothing else",
            hint=f"their overlay's store is one in {session.fleet.store.title}",
        )
    return facts


def refuse_without_consul(fleet: Fleet) -> None:
    """Raises `Refused` where a fleet that was looked at has no store in Consul, and is to have none."""
    if fleet.in_swarm:
        raise _no_store()
    if fleet.store.in_etcd:
        raise _no_consul()


def _no_consul() -> Refused:
    return Refused(
        "these hosts have their store in etcd, and this works on a store in Consul alone",
        hint="`fab store-status` and `fab doctor` look at it; docs/etcd.md says what else works there",
    )


def _no_store() -> Refused:
    return Refused(
        "these hosts are in a swarm, which has no store",
        hint="`fab status` shows its managers; what they know is on each of them",
    )


def _look_at_swarm(session: Session, hosts: Mapping[str, host_facts.HostFacts]) -> FleetFacts:
    """Ask one of the managers; again for some seconds while nodes that run are not ready yet."""
    engines = {n: e for n, its in hosts.items() if isinstance(e := its.engine, Engine) and e.running}
    managers = [n for n, engine in engines.items() if engine.member.active and engine.member.manager]
    running = {engine.member.node for engine in engines.values() if engine.member.active}
    seen: list[SwarmFacts] = []

    def look_again() -> bool:
        for name in managers:
            with contextlib.suppress(EngineError):
                seen.append(swarm.look(session.hosts[name].engine))
                return all(node.ready for node in seen[-1].nodes.values() if node.id in running)
        return not managers

    with contextlib.suppress(DeadlineExceeded):
        wait_until(look_again, what="settling", seconds=SETTLING_SECONDS, clock=session.clock)
    return FleetFacts(hosts, swarm=seen[-1] if seen else None)


def _issuer(session: Session, hosts: Mapping[str, host_facts.HostFacts]) -> Issuer:
    """As the last one, if there was one, with the files that hosts have now."""
    last, now = session.issuer, certificates.now()
    texts = {name: its.credentials.text(consul.TLS) for name, its in hosts.items()}
    authority = session.taking_over or certificates.settled(
        (its.credentials.text(AUTHORITY) for its in hosts.values()), now, last.authority if last else None
    )
    return Issuer(
        authority,
        {name: certificates.parse(text) for name, text in texts.items() if text},
        last.told if last else now,
        last.issued if last else {},
    )


def look_closer(session: Session, facts: FleetFacts) -> FleetFacts:
    """What preflight needs to know beyond `look`: the hosts' own state, and the paths between them."""
    session.progress("", "looking at what would break, on all hosts and between them")
    seen: dict[str, machine.Machine] = {}

    def look_at(name: str) -> None:
        seen[name] = machine.look(session.hosts[name], facts.hosts[name], clock=session.clock)

    def machines() -> dict[str, machine.Machine]:
        each([name for name in session.fleet.names if name not in seen], look_at, cancel=session.cancel).all()
        return {name: seen[name] for name in session.fleet.names}

    if session.fleet.store.external:
        facts = replace(facts, external=_external(session))
    if session.fleet.agents and not session.fleet.store.in_engine:
        facts = replace(facts, programs=_programs(session))
    _, refused = addresses(session.fleet, facts)
    if refused:
        return replace(facts, machines=machines(), remembered=remember(session, facts))
    # The programs need a while to make their devices.
    measured = measure_paths(session, facts, mtu=wanted_mtu(session.fleet, facts), meanwhile=look_at)
    return replace(facts, machines=machines(), pairs=measured, remembered=remember(session, facts))


def _programs(session: Session) -> dict[str, str]:
    names = session.fleet.agents
    return each(names, lambda name: store_service.version(session.hosts[name]), cancel=session.cancel).all()


def _external(session: Session) -> dict[str, External]:
    return each(
        session.fleet.names,
        lambda name: external.look(session.hosts[name], session.store(name), session.fleet.store),
        cancel=session.cancel,
    ).all()


def remember(session: Session, facts: FleetFacts) -> dict[str, Remembered]:
    """What the hosts know of overlays, of those that know of any that the store has no record of."""
    return each(
        unrecorded_on(session.fleet, facts),
        lambda name: remembered.look(session.hosts[name], facts.hosts[name]),
        cancel=session.cancel,
    ).all()


def measure_paths(
    session: Session, facts: FleetFacts, *, mtu: int, meanwhile: Callable[[str], None] = lambda host: None
) -> PairFacts:
    """The underlay between all hosts, in both directions, with packets of up to ``mtu`` bytes. The hosts'
    advertise addresses must be known. ``meanwhile`` is done for each host while its program gets ready."""
    advertise, _ = addresses(session.fleet, facts)
    return pairs.measure(
        session.hosts,
        {name: a.address for name, a in advertise.items()},
        listens(session.fleet, facts),
        mtu=mtu,
        vxlan=vxlan_port(session.fleet, facts),
        clock=session.clock,
        cancel=session.cancel,
        meanwhile=meanwhile,
    )


def _answering(views: Mapping[str, View | None]) -> dict[str, View]:
    return {name: view for name, view in views.items() if view is not None}


def has_cluster_flags(facts: FleetFacts, name: str) -> bool:
    """Whether the unit of a host's engine gives it a cluster store."""
    unit = facts.hosts[name].unit
    return isinstance(unit, Unit) and unit.uses_store


def _look_at_store(session: Session) -> StoreFacts | None:
    if not (session.running_on or session.fleet.store.external):
        return None
    store = session.keys()
    leader = store.leader()
    if not leader:
        return StoreFacts("", frozenset())
    its = session.credentials
    tokens = (its.agent, its.engine) if its else ()
    try:
        keys = store.keys(libnetwork.ROOT)
        admits = all(session.store().admits(token) for token in tokens)
    except StoreError as e:
        if any(word in e.message for word in REFUSED):
            return StoreFacts(leader, frozenset(), admits=False, refuses=True)
        if re.search(r"\b500\b", e.message):
            # Its agent tells a leader for some time that is gone, and can't reach it.
            return StoreFacts("", frozenset())
        raise
    return StoreFacts(
        leader,
        frozenset(key.removeprefix(consul.NODES) for key in keys if key.startswith(consul.NODES)),
        libnetwork.ids(keys, libnetwork.NETWORKS, 1),
        libnetwork.ids(keys, libnetwork.ENDPOINTS, 2),
        admits=admits,
    )
