"""The overlay of engines up to 20.10: a key-value store, two flags, and serf gossip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from overweave import anchor, backup_unit, boot, store_form, store_part
from overweave.advertise import Advertise
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.gossip.islands import unseen
from overweave.images import images
from overweave.model import ALL_AT_ONCE, Batch, Fleet
from overweave.overlay import (
    addresses,
    anchors_there,
    left_over_probes,
    network_differences,
    network_spec,
    networks_are_gone,
    users_containers,
)
from overweave.steps import (
    AwaitAgent,
    AwaitLeader,
    CreateNetwork,
    GrantAccess,
    JoinGossip,
    MoveStore,
    PassGate,
    Plan,
    RemoveNetwork,
    RestartEngine,
    Stage,
    Step,
    WriteFile,
    make_plan,
)
from overweave.stores import consul

from . import cluster_host


@dataclass(frozen=True)
class _Change:
    """What a deployment begins with. ``new``: there is no store yet, or none that has a network.

    ``rolling``: the store has several servers and lives, so only a minority of them stops at once. One that
    lets nobody in yet, or everybody, begins anew with all of its servers at once: those with and those
    without the gossip's key would not find each other.
    """

    fleet: Fleet
    facts: FleetFacts
    advertise: Mapping[str, Advertise]
    new: bool
    rolling: bool

    @property
    def at_once(self) -> tuple[str, ...]:
        """Hosts whose servers may all stop."""
        return () if self.rolling else self.fleet.servers

    @cached_property
    def peers(self) -> dict[str, str]:
        return {name: its.address for name, its in self.advertise.items()}

    @cached_property
    def store(self) -> list[str]:
        """Addresses of the hosts that carry a server."""
        return [self.peers[host.name] for host in self.fleet.store_hosts]


@dataclass
class _Work:
    """Steps of all hosts by when they come: the configuration and the store, the ``waits`` for its leader,
    ``late`` the engines of its servers that could not go before it, and then the other engines."""

    first: list[Step] = field(default_factory=list)
    waits: list[Step] = field(default_factory=list)
    late: list[Step] = field(default_factory=list)
    engines: list[Step] = field(default_factory=list)


def deployment(
    fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False, batch: Batch = ALL_AT_ONCE
) -> Plan:
    """What is missing, in the order that makes the gossip whole at the first try.

    The engines of the store's hosts first, then the store, its leader, and the other engines against the
    live store, in batches: any other order leaves islands or waits for a heartbeat (engine-facts,
    convergence). Of a store with several servers that is alive, only a minority stops at once: they are
    part of the batches then. Behind the last batch, and behind every one if there are several, all that
    restarted passes a gate. A store that runs beside the engines comes first, and engines restart against it.
    """
    advertise, _ = addresses(fleet, facts)
    there = facts.store
    change = _Change(
        fleet,
        facts,
        advertise,
        new=networks_are_gone(fleet, facts) or _carry_nothing(facts, fleet.servers),
        rolling=len(fleet.servers) > 1 and there is not None and bool(there.leader) and there.admits,
    )
    work = _Work()
    for name in fleet.names:
        _add_host(work, change, name)
    down = [name for name in fleet.agents if not store_part.tells(fleet, facts.hosts[name])]
    if down:
        return _until_all_tell(change, work, down)
    pulls = [s for h in fleet.names for s in images(fleet, facts.hosts[h]) if s.archive is None]
    first, waits, access = work.first, work.waits, _access(fleet, facts, new=change.new)
    if len(change.at_once) == 1:
        first, waits, access = [*first, *waits, *access], [], []
    restarted = [s.host for s in (*first, *work.late, *work.engines) if isinstance(s, RestartEngine)]
    moved = [s.host for s in (*first, *work.engines) if isinstance(s, MoveStore)]
    # What it ran in before goes behind a gate.
    alone = [host for host in moved if host not in {s.host for s in work.engines}]
    gates = gates_of(fleet, facts, advertise, [alone]) if alone else []
    with_store = [host for host in restarted if host in change.at_once and fleet.store.in_engine]
    changed_store = any(store_form.runs_store(s) for s in (*first, *work.engines))
    gossip = [] if restarted else _gossip(change, changed_store=changed_store)
    # What a stopped engine has on the network is not known: it has to run before the network is touched.
    all_run = all(cluster_host.running(facts.hosts[name]) for name in fleet.names)
    network = _network(fleet, facts) if all_run else []
    replaced = any(isinstance(step, RemoveNetwork) for step in network)
    created = any(isinstance(step, CreateNetwork) for step in network)
    gone = replaced or change.new
    return make_plan(
        Stage("images from a registry", tuple(pulls)),
        Stage("configuration and store", tuple(first), guarded=True),
        Stage("leader", tuple(waits)),
        Stage("access", tuple(access)),
        *(Stage("gate of the store", gate) for gate in gates),
        *_one_by_one(fleet, work.late),
        *_in_batches(fleet, facts, advertise, work.engines, batch, first=with_store),
        Stage("gossip", tuple(gossip)),
        Stage(
            "old anchors", tuple(anchors_there(fleet, facts, "its network is replaced") if replaced else ())
        ),
        Stage("old network", tuple(s for s in network if isinstance(s, RemoveNetwork))),
        *(_after_replacement(fleet, facts, change.peers) if replaced else ()),
        Stage("network", tuple(s for s in network if isinstance(s, CreateNetwork))),
        Stage("anchors", tuple(anchor.anchors(fleet, facts, gone=gone, anew=created) if all_run else ())),
    )


def _carry_nothing(facts: FleetFacts, servers: Sequence[str]) -> bool:
    return bool(servers) and all(cluster_host.carries_nothing(facts.hosts[name]) for name in servers)


def _add_host(work: _Work, change: _Change, name: str) -> None:
    fleet, facts, advertise = change.fleet, change.facts, change.advertise
    its, own = facts.hosts[name], advertise[name]
    wanted = cluster_host.flags(fleet, change.store, own)
    certificate = cluster_host.certificate(fleet, facts, its, own.address)
    files, restart = cluster_host.configure(
        fleet, its, wanted, facts, own, certificate, store_is_new=change.new
    )
    first = [
        *left_over_probes(its),
        *files,
        *boot.install(name, its.boot, own.address, change.peers),
        *backup_unit.wanted(fleet, name, its.backup),
    ]
    run: list[Step] = []
    wait: list[Step] = []
    if name in fleet.agents:
        config = cluster_host.store_config(fleet, facts, advertise, name)
        first += cluster_host.write_store_config(its, config)
        run, wait = cluster_host.run_store(fleet, facts, its, config)
    first += cluster_host.write_credentials(fleet, facts, its, certificate)
    shown = cluster_host.write_certificate(fleet, its, certificate)
    if restart and its.credentials.certificate and consul.TLS in its.credentials.files:
        # Its engine trusts what it has read at its start, and would not know its agent any more.
        restart = [*shown, *restart]
    else:
        first += shown
    wait = _wait_of_server(change, name, run, restart, wait) if name in fleet.servers else []
    uploads = [s for s in images(fleet, its) if s.archive is not None]
    if not fleet.store.in_engine:
        first += uploads
        if change.rolling:
            work.engines += [*run, *wait, *restart]
        else:
            first += run
            work.waits += wait
            work.engines += restart
    elif name not in change.at_once:
        first += uploads
        # A server that stops and comes back takes part in no quorum until it has found the leader.
        work.engines += [*_in_order(its, restart, run), *wait]
    elif cluster_host.running(its):
        # The probe's image goes up while the store elects its leader.
        of_store = [s for s in uploads if s.image == fleet.store.image]
        run = [*of_store, *run]
        waiting = cluster_host.uses_a_store(its) and cluster_host.has_containers(its)
        if run and restart and (waiting or (fleet.store.in_etcd and len(fleet.servers) > 1)):
            # It would wait for a store that does not let it in yet. An engine that starts before all
            # servers of etcd is held up by those that don't answer (46 s, measured).
            first += run
            work.late += restart
        else:
            first += [*restart, *run]
        first += (s for s in uploads if s not in of_store)
        work.waits += wait
    else:
        first += restart
    work.first += first


def _wait_of_server(
    change: _Change, name: str, run: Sequence[Step], restart: Sequence[Step], wait: list[Step]
) -> list[Step]:
    """What is waited for when a server has changed by ``run``, or its engine has by ``restart``; ``wait`` if
    nothing more than that it needs by itself."""
    fleet, facts, rolling = change.fleet, change.facts, change.rolling
    servers_there = tuple(n for n in fleet.servers if consul.is_server(facts.hosts[n].store_config))
    others = tuple(n for n in fleet.servers if n != name)
    if rolling and any(isinstance(step, MoveStore) for step in run):
        return [AwaitAgent(name, "the next one stops only when this one has all", others, votes=True)]
    if rolling and run and not fleet.store.in_etcd and name not in servers_there:
        # A leader that is lost before the others vote takes the store with it.
        return [AwaitAgent(name, "a server that does not vote is of no use", servers_there, votes=True)]
    if rolling and fleet.store.in_etcd and (run or restart):
        # It answers when it has all that a quorum has.
        return [AwaitLeader(name, "the next one stops only when this one has all")]
    if rolling and fleet.store.in_engine and (run or restart):
        # One that is away for 10 s votes no more for the next 10 (Consul's autopilot): a drill had only
        # two voters left, and stopped one of them.
        voting = tuple(n for n in others if n in servers_there)
        return [AwaitAgent(name, "the next one stops only when this one has all", voting, votes=True)]
    if restart and not wait and fleet.store.in_engine and (change.new or rolling):
        return [AwaitLeader(name, f"{fleet.store.title} restarts with its engine")]
    return wait


def _until_all_tell(change: _Change, work: _Work, down: Sequence[str]) -> Plan:
    """Without a store nothing else can come true: the rest is planned when the engines of its hosts run.
    Their first drop-in too: it stays behind this gate, and must not point at a store that never came."""
    own = tuple(
        s
        for s in (*work.first, *work.engines)
        if s.host in down
        and not (isinstance(s, WriteFile) and not s.previous)
        # Whether its server starts with the engine is not known either: it may be gone.
        and not isinstance(s, AwaitAgent)
    )
    (gate,) = gates_of(change.fleet, change.facts, change.advertise, [down], registered=False)
    return make_plan(
        Stage("engine of the store" if len(down) == 1 else "engines of the store", own, guarded=True),
        Stage("gate", gate),
    )


def _gossip(change: _Change, *, changed_store: bool) -> list[Step]:
    """What makes the gossip whole where no engine restarts."""
    if changed_store:
        return [JoinGossip("", "the store restarts", change.peers)]
    if missing := unseen(change.facts.views):
        return [JoinGossip("", f"{len(missing)} engines do not see all others", change.peers)]
    if (silent := len(change.fleet.hosts) - len(change.facts.views)) > 0:
        return [JoinGossip("", f"{silent} engines say nothing", change.peers)]
    return []


def store(fleet: Fleet, facts: FleetFacts) -> Plan:
    """What makes a store run that is gone, and nothing else: engines and networks stay as they are."""
    advertise, _ = addresses(fleet, facts)
    steps: list[Step] = []
    waits: list[Step] = []
    for name in fleet.agents:
        its = facts.hosts[name]
        if not store_part.tells(fleet, its):
            continue
        config = cluster_host.store_config(fleet, facts, advertise, name)
        run, wait = cluster_host.run_store(fleet, facts, its, config)
        of_store = [step for step in images(fleet, its) if step.image == fleet.store.image]
        certificate = cluster_host.certificate(fleet, facts, its, advertise[name].address)
        steps += [
            *cluster_host.write_store_config(its, config),
            *cluster_host.write_credentials(fleet, facts, its, certificate),
            *cluster_host.write_certificate(fleet, its, certificate),
            *of_store,
            *run,
        ]
        waits += wait if name in fleet.servers else []
    access = _access(fleet, facts) if steps or waits else []
    if len(fleet.servers) == 1:
        steps, waits, access = [*steps, *waits, *access], [], []
    return make_plan(
        Stage("store", tuple(steps)), Stage("leader", tuple(waits)), Stage("access", tuple(access))
    )


def _in_batches(
    fleet: Fleet,
    facts: FleetFacts,
    advertise: Mapping[str, Advertise],
    engines: Sequence[Step],
    batch: Batch,
    *,
    first: list[str],
) -> list[Stage]:
    """Restarts, and a gate behind each batch. ``first``: the store's hosts whose engines have restarted by
    then: they share the gate of a single batch, and have their own if there are several."""
    hosts = list(dict.fromkeys(step.host for step in engines))
    size = batch.size(len(fleet.hosts))
    parts = _parts(hosts, size, store_form.stopping(fleet, facts.hosts, engines))
    if len(parts) <= 1 and size >= len(hosts) + len(first):
        groups = [first + hosts] if first or hosts else []
        gates = gates_of(fleet, facts, advertise, groups)
        restarts = Stage("engines", tuple(engines), guarded=True)
        return [restarts, *(Stage("gate", gate) for gate in gates)]
    groups = [first, *parts] if first else parts
    stages = []
    for number, (part, gate) in enumerate(
        zip(groups, gates_of(fleet, facts, advertise, groups, prove=True), strict=True), 1
    ):
        steps = tuple(step for step in engines if step.host in part)
        title = f"batch {number} of {len(groups)}"
        stages += [Stage(f"engines, {title}", steps, guarded=True), Stage(f"gate of {title}", gate)]
    return stages


def _parts(hosts: Sequence[str], size: int, servers: frozenset[str]) -> list[list[str]]:
    """Batches of ``size``, with no more than a minority of the store's servers in each."""
    few = max(1, (len(servers) - 1) // 2)
    parts: list[list[str]] = []
    for host in hosts:
        for part in parts:
            if len(part) < size and (host not in servers or len(servers.intersection(part)) < few):
                part.append(host)
                break
        else:
            parts.append([host])
    return parts


def gates_of(
    fleet: Fleet,
    facts: FleetFacts,
    advertise: Mapping[str, Advertise],
    groups: Sequence[Sequence[str]],
    *,
    registered: bool = True,
    prove: bool = False,
) -> list[tuple[Step, ...]]:
    """A gate for each group of hosts that restart one after the other."""
    later = [name for group in groups for name in group]
    gates: list[tuple[Step, ...]] = []
    for group in groups:
        later = later[len(group) :]
        # Engines that have no flags yet can't gossip; what runs with flags has to see the group, and be seen.
        speaking = [name for name in fleet.names if name not in later or name in facts.views]
        has_network = all(
            isinstance(engine := facts.hosts[name].engine, Engine) and engine.network(fleet.network.name)
            for name in fleet.names
        )
        gates.append(
            (
                PassGate(
                    "",
                    "engines restart",
                    tuple(group),
                    {name: advertise[name].node for name in group} if registered else {},
                    # Till its own turn comes, an engine gossips where it does now.
                    {
                        name: str(facts.views[name].address) if name in later else advertise[name].address
                        for name in speaking
                    }
                    if registered
                    else {},
                    {
                        name: users_containers(engine)
                        for name in group
                        if isinstance(engine := facts.hosts[name].engine, Engine)
                    },
                    prove=prove and has_network,
                ),
            )
        )
    return gates


def _in_order(its: HostFacts, restart: Sequence[Step], run: Sequence[Step]) -> list[Step]:
    """An engine that starts waits 60 s for its store before it goes on without the containers on an overlay
    (measured): where there are any, the store has to start with it. Else it starts once, behind the engine.
    """
    return [*run, *restart] if cluster_host.has_containers(its) else [*restart, *run]


def _one_by_one(fleet: Fleet, restarts: Sequence[Step]) -> list[Stage]:
    """Engines of the store that start when it is up: it stops with the engine on each, but never on most."""
    title = "engine of the store"
    if len(fleet.servers) == 1:
        return [Stage(title, tuple(restarts), guarded=True)]
    why = f"{fleet.store.title} restarts with its engine"
    hosts = dict.fromkeys(step.host for step in restarts)
    return [
        Stage(title, (*(s for s in restarts if s.host == host), AwaitLeader(host, why)), guarded=True)
        for host in hosts
    ]


def _access(fleet: Fleet, facts: FleetFacts, *, new: bool = False) -> list[Step]:
    """``new``: the store is made anew by the steps before, and knows nobody."""
    known = facts.store is not None and bool(facts.store.leader) and facts.store.admits
    if facts.credentials is None or (known and not new):
        return []
    return [GrantAccess(fleet.store_host.name, "the store lets in whom it knows", facts.credentials)]


def _after_replacement(fleet: Fleet, facts: FleetFacts, gossip_of: Mapping[str, str]) -> tuple[Stage, ...]:
    """Restart the engines that had an anchor on the old network: each has a stuck thread now (see `anchor`),
    and would fail to reach the store at random while the new network is made."""
    why = "its last container has left the old network (moby#39036)"
    restarts: dict[str, Step] = {
        name: RestartEngine(name, why, users_containers(engine))
        for name in fleet.names
        if isinstance(engine := facts.hosts[name].engine, Engine) and anchor.there(fleet, engine)
    }
    joined = (JoinGossip("", "engines restart", gossip_of),) if restarts else ()
    # One server after the other.
    of_store = [
        (restarts.pop(name), AwaitLeader(name, f"{fleet.store.title} restarts with its engine"))
        for name in fleet.servers
        if name in restarts and fleet.store.in_engine
    ]
    return (
        *(Stage("engine of the store", steps) for steps in of_store),
        Stage("engines that left the old network", tuple(restarts.values())),
        Stage("gossip after that", joined),
    )


def _network(fleet: Fleet, facts: FleetFacts) -> list[Step]:
    """Networks of the name that differ are removed: a shared one once, a host's own one there."""
    store_host = fleet.store_host.name
    steps: list[Step] = []
    wanted_is_there = False
    for name in (store_host, *(n for n in fleet.names if n != store_host)):
        engine = facts.hosts[name].engine
        there = engine.network(fleet.network.name) if isinstance(engine, Engine) else None
        if there is None or (name != store_host and there.scope == "global"):
            continue
        if differences := network_differences(fleet, facts, there):
            steps.append(RemoveNetwork(name, "; ".join(differences), there.name))
        else:
            wanted_is_there = True
    if not wanted_is_there:
        spec = network_spec(fleet, facts)
        steps.append(CreateNetwork(store_host, "containers of all hosts share it", fleet.network.name, spec))
    return steps
