"""The overlay of engines from 1.13 to today: their own swarm. Pure.

Nothing of an engine's configuration changes, and none restarts: managers keep the state by raft (TCP 2377),
all gossip on 7946 by mutual TLS's keys, and containers join an attachable network by its name.
"""

from __future__ import annotations

from overweave import boot
from overweave.anchor import anchors
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import Before
from overweave.facts.swarm import Member, Node
from overweave.images import images
from overweave.model import ALL_AT_ONCE, Batch, Fleet
from overweave.overlay import (
    addresses,
    anchors_there,
    gateway_bridge,
    left_over_probes,
    network_differences,
    network_spec,
)
from overweave.steps import (
    ChangeAutolock,
    ChangeRole,
    CreateNetwork,
    InitSwarm,
    JoinSwarm,
    LeaveSwarm,
    Plan,
    RecordBefore,
    RemoveNetwork,
    RemoveNode,
    RestartEngine,
    Stage,
    Step,
    make_plan,
)

PORT = 2377
MADE = "the swarm's engine made it"


def deployment(
    fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False, batch: Batch = ALL_AT_ONCE
) -> Plan:
    """What is missing: the swarm on its first manager, the others one after the other (each one more changes
    what a majority is), all workers at once, the network, an anchor on each host.

    Engines that are down start first, and the rest is planned when they run.
    """
    if begin := down(fleet, facts):
        return begin
    first: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        assert isinstance(its.engine, Engine)
        first += left_over_probes(its)
        if its.before is None:
            first.append(RecordBefore(name, "first deployment on this host", _before(its, its.engine)))
    members = {name: member_of(facts.hosts[name]) for name in fleet.names}
    advertise, _ = addresses(fleet, facts)
    for name in fleet.names:
        first += boot.install(name, facts.hosts[name].boot, advertise[name].address, {})
    begun = next((n for n in fleet.names if members[n].active and members[n].manager), "")
    via = begun or fleet.managers[0]
    init: list[Step] = []
    if not begun:
        pool = str(fleet.swarm.pool) if fleet.swarm.pool else ""
        why = "it is the first of its managers"
        init.append(InitSwarm(via, why, advertise[via].address, fleet.swarm.port, pool))
    managers: list[Stage] = []
    workers: list[Step] = []
    roles: list[Step] = []
    stale = _stale_nodes(fleet, facts)
    for name in fleet.names:
        # Where a machine was reinstalled that was a manager, one is missing.
        wanted = name in fleet.managers or any(
            node.manager and node.name == facts.hosts[name].identity.hostname for node in stale
        )
        if name == via and not begun:
            continue
        if not members[name].there:
            remotes = tuple(f"{advertise[n].address}:{PORT}" for n in dict.fromkeys((via, *fleet.managers)))
            remotes = tuple(r for r in remotes if r != f"{advertise[name].address}:{PORT}")
            why = "containers of all hosts share its networks"
            join = JoinSwarm(name, why, advertise[name].address, via, remotes, wanted)
            if wanted:
                managers.append(Stage("a manager of the swarm", (join,)))
            else:
                workers.append(join)
        elif members[name].manager != wanted:
            why = "the swarm's state is to be on it" if wanted else "the swarm's state is to be on others"
            # One that is to go can't be the one that says so: one that is to stay is a manager by then.
            at = via if wanted else next((n for n in fleet.managers if n != name), via)
            roles.append(ChangeRole(at, why, members[name].node, name, wanted))
    more = [step for step in roles if isinstance(step, ChangeRole) and step.manager]
    fewer = [step for step in roles if step not in more]
    network = _network(fleet, facts, via)
    lock = _autolock(fleet, facts, via)
    gone = any(isinstance(step, RemoveNetwork) for step in network)
    anew = any(isinstance(step, CreateNetwork) for step in network)
    return make_plan(
        Stage("images and notes", (*first, *(s for n in fleet.names for s in images(fleet, facts.hosts[n])))),
        Stage("the swarm", tuple(init)),
        Stage("nodes that are gone", tuple(step for node in stale for step in without(node, via))),
        *managers,
        Stage("workers of the swarm", tuple(workers)),
        *(Stage("more managers", (step,)) for step in more),
        Stage("lock of managers", tuple(lock)),
        Stage("old anchors", tuple(anchors_there(fleet, facts, "its network is replaced") if gone else ())),
        Stage("old network", tuple(s for s in network if isinstance(s, RemoveNetwork))),
        Stage("network", tuple(s for s in network if isinstance(s, CreateNetwork))),
        Stage("anchors", tuple(anchors(fleet, facts, gone=gone, anew=anew))),
        *(Stage("fewer managers", (step,)) for step in fewer),
    )


def down(fleet: Fleet, facts: FleetFacts) -> Plan:
    """The start of engines that are down, which comes before all else; empty where none is."""
    stopped = [n for n in fleet.names if isinstance(e := facts.hosts[n].engine, Engine) and not e.running]
    return make_plan(Stage("engines", tuple(RestartEngine(n, "the engine is down", ()) for n in stopped)))


def teardown(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Anchors and network go, and hosts leave a swarm that they were not in before: workers first, then each
    manager, the last one with the swarm itself. A swarm with other networks in it stays."""
    members = {name: member_of(facts.hosts[name]) for name in fleet.names}
    at = next((n for n in fleet.names if members[n].active and members[n].manager), "")
    containers: list[Step] = list(anchors_there(fleet, facts, "it was made by the deployment"))
    for its in facts.hosts.values():
        containers += left_over_probes(its)
    engine = facts.hosts[at].engine if at else None
    there = isinstance(engine, Engine) and engine.network(fleet.network.name) is not None
    leads = facts.swarm is not None and bool(facts.swarm.leader)
    leaving = [n for n in fleet.names if members[n].there and _joined_by_us(facts.hosts[n])]
    if others(fleet, facts):
        leaving = []
    # Without a leader nothing can be changed: where all leave, the network goes with the swarm.
    there = there and (leads or not leaving)
    network = [RemoveNetwork(at, "it was asked for", fleet.network.name)] if there else []
    units = [step for name in fleet.names for step in boot.remove(name, facts.hosts[name].boot)]
    why = "the deployment made it join"
    stay = next((n for n in fleet.names if leads and members[n].manager and n not in leaving), "")
    demoted = [
        ChangeRole(stay, why, members[n].node, n, False) for n in leaving if stay and members[n].manager
    ]
    # Of a swarm that stays, those that leave are taken off its list.
    # One that is locked does not know its own.
    forgotten = [RemoveNode(stay, why, members[n].node, n) for n in leaving if stay and members[n].node]
    workers = [n for n in leaving if stay or not members[n].manager]
    return make_plan(
        Stage("probes and anchors", (*units, *containers)),
        Stage("network", tuple(network)),
        *(Stage("fewer managers", (step,)) for step in demoted),
        Stage("workers", tuple(LeaveSwarm(n, why) for n in workers)),
        Stage("nodes", tuple(forgotten)),
        *(Stage("a manager", (LeaveSwarm(n, why),)) for n in reversed(leaving) if n not in workers),
        Stage(
            "what the engines made",
            tuple(step for n in leaving for step in gateway_bridge(facts.hosts[n], MADE)),
        ),
    )


def others(fleet: Fleet, facts: FleetFacts) -> list[str]:
    """Names of the swarm's other networks: those of users."""
    return sorted(
        {
            network.name
            for its in facts.hosts.values()
            if isinstance(its.engine, Engine)
            for network in its.engine.networks
            if network.scope == "swarm" and network.name not in (fleet.network.name, "ingress")
        }
    )


def member_of(its: HostFacts) -> Member:
    return its.engine.member if isinstance(its.engine, Engine) else Member()


def _before(its: HostFacts, engine: Engine) -> Before:
    names = frozenset(n.name for n in engine.networks)
    return Before(names, engine.images, its.drop_in_folder, engine.member.there)


def _joined_by_us(its: HostFacts) -> bool:
    return its.before is not None and not its.before.swarm


def _network(fleet: Fleet, facts: FleetFacts, at: str) -> list[Step]:
    engine = facts.hosts[at].engine
    there = engine.network(fleet.network.name) if isinstance(engine, Engine) else None
    spec = network_spec(fleet, facts)
    create = CreateNetwork(at, "containers of all hosts share it", fleet.network.name, spec)
    if there is None:
        return [create]
    if differences := network_differences(fleet, facts, there):
        return [RemoveNetwork(at, "; ".join(differences), there.name), create]
    return []


def _autolock(fleet: Fleet, facts: FleetFacts, at: str) -> list[Step]:
    """What it takes to have managers lock themselves as the inventory says; a new swarm's don't."""
    wanted = fleet.swarm.autolock
    now = facts.swarm.cluster.autolock if facts.swarm else False
    if wanted is None or wanted == now:
        return []
    why = "keep that: `fab swarm-unlock-key FILE`" if wanted else "the inventory says so"
    return [ChangeAutolock(at, why, wanted)]


def _stale_nodes(fleet: Fleet, facts: FleetFacts) -> list[Node]:
    """Nodes that a host of the fleet was before it left, or was installed anew."""
    current = {member_of(facts.hosts[name]).node for name in fleet.names}
    names = {facts.hosts[name].identity.hostname for name in fleet.names}
    nodes = facts.swarm.nodes.values() if facts.swarm else ()
    return [n for n in nodes if n.id not in current and n.name in names and n.state == "down"]


def without(node: Node, at: str, why: str = "its host is another node now") -> list[Step]:
    """A manager that is gone goes on to count in what a majority is, until it is a worker."""
    demoted: list[Step] = [ChangeRole(at, why, node.id, node.name, False)] if node.manager else []
    return [*demoted, RemoveNode(at, why, node.id, node.name)]
