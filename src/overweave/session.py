"""Open connections to a fleet, and all facts of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import fabric

from .adapters.clock import SystemClock
from .adapters.consul_http import ConsulHttp
from .adapters.engine_api import EngineApi
from .adapters.ssh import SshHost
from .advertise import ENGINE_PORT
from .apply.gossip import view
from .audit import Audit, Run, Silent
from .errors import DeadlineExceeded
from .facts import host as host_facts
from .facts import machine, pairs
from .facts.engine import Engine
from .facts.fleet import FleetFacts, StoreFacts
from .facts.paths import PairFacts
from .facts.unit import Unit
from .fleet import Cancel, each
from .gossip.islands import View
from .lock import FleetLock, hold
from .model import SPEC_LABEL, Fleet
from .overlay import addresses
from .ports import KeyValue, Progress, Recorder, unrecorded
from .preflight.ports import listens
from .preflight.travel import wanted_mtu
from .store_host import settle
from .stores import consul
from .waiting import wait_until

SETTLING_SECONDS = 6.0
"""Three heartbeats of a small fleet."""


@dataclass
class Session:
    """Open connections to all hosts of a fleet. `look` marks the store's host in ``fleet``."""

    fleet: Fleet
    hosts: Mapping[str, SshHost]
    cancel: Cancel
    clock: SystemClock
    progress: Progress
    lock: FleetLock
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

    def store(self) -> KeyValue:
        """The store, reached at loopback of the host that carries it."""
        host = self.hosts[self.fleet.store_host.name]
        port = self.fleet.store.port
        return ConsulHttp(lambda: host.stream("127.0.0.1", port), f"Consul on {host.host.name}", self.record)


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
    session.fleet = settle(session.fleet, hosts)
    facts = FleetFacts(hosts)
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
        return FleetFacts(hosts, _look_at_store(session, facts), _answering(views))

    def settled(seen: FleetFacts) -> bool:
        store = seen.store
        if store is None or not store.leader:
            return True
        return all(name in seen.views and f"{at[name]}:{ENGINE_PORT}" in store.nodes for name in carrying)

    # An engine that has just started registers at its next heartbeat, and a busy one may miss an answer:
    # neither is a reason to restart it.
    seen: list[FleetFacts] = []

    def look_again() -> bool:
        seen.append(of_cluster())
        return settled(seen[-1])

    with contextlib.suppress(DeadlineExceeded):
        wait_until(look_again, what="settling", seconds=SETTLING_SECONDS, clock=session.clock)
    return seen[-1]


def look_closer(session: Session, facts: FleetFacts) -> FleetFacts:
    """What preflight needs to know beyond `look`: the hosts' own state, and the paths between them."""
    session.progress("", "looking at what would break, on all hosts and between them")
    seen: dict[str, machine.Machine] = {}

    def look_at(name: str) -> None:
        seen[name] = machine.look(session.hosts[name], facts.hosts[name], clock=session.clock)

    def machines() -> dict[str, machine.Machine]:
        each([name for name in session.fleet.names if name not in seen], look_at, cancel=session.cancel).all()
        return {name: seen[name] for name in session.fleet.names}

    _, refused = addresses(session.fleet, facts)
    if refused:
        return replace(facts, machines=machines())
    # The programs need a while to make their devices.
    measured = measure_paths(session, facts, mtu=wanted_mtu(session.fleet, facts), meanwhile=look_at)
    return replace(facts, machines=machines(), pairs=measured)


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
        clock=session.clock,
        cancel=session.cancel,
        meanwhile=meanwhile,
    )


def _answering(views: Mapping[str, View | None]) -> dict[str, View]:
    return {name: view for name, view in views.items() if view is not None}


def has_cluster_flags(facts: FleetFacts, name: str) -> bool:
    """Whether the unit of a host's engine gives it a cluster store."""
    unit = facts.hosts[name].unit
    return isinstance(unit, Unit) and any(a.startswith("--cluster-store=") for a in unit.arguments)


def _look_at_store(session: Session, facts: FleetFacts) -> StoreFacts | None:
    engine = facts.hosts[session.fleet.store_host.name].engine
    container = engine.container(consul.CONTAINER) if isinstance(engine, Engine) else None
    if container is None or not container.running or SPEC_LABEL not in container.labels:
        return None
    store = session.store()
    leader = store.leader()
    if not leader:
        return StoreFacts("", frozenset())
    return StoreFacts(leader, frozenset(key.removeprefix(consul.NODES) for key in store.keys(consul.NODES)))
