"""The overlay of engines up to 20.10: a key-value store, two flags, and serf gossip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overweave import anchor
from overweave.advertise import Advertise
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
from overweave.gossip.islands import unseen
from overweave.model import ALL_AT_ONCE, SPEC_LABEL, Batch, Fleet, tagged
from overweave.overlay import (
    addresses,
    anchors_there,
    left_over_probes,
    network_differences,
    network_spec,
    users_containers,
)
from overweave.render import render
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    JoinGossip,
    PassGate,
    Plan,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RemoveNetwork,
    RestartEngine,
    RunContainer,
    Stage,
    StartContainer,
    Step,
    WriteFile,
    make_plan,
)
from overweave.stores import consul


def heartbeat_and_ttl(hosts: int) -> tuple[int, int]:
    """Seconds between heartbeats, and until a silent engine is forgotten.

    2 and 20 are the quickest that Consul takes (it refuses sessions under 10 s, and the engine asks for
    half the TTL: measured). A larger fleet beats slower, so that the store sees about 16 beats a second.
    """
    heartbeat = max(2, min(20, -(-hosts // 16)))
    return heartbeat, max(20, 6 * heartbeat)


def flags(fleet: Fleet, store_address: str, advertise: Advertise) -> tuple[str, ...]:
    heartbeat, ttl = heartbeat_and_ttl(len(fleet.hosts))
    return (
        f"--cluster-store={consul.url(fleet.store, store_address)}",
        f"--cluster-advertise={advertise.flag}",
        f"--cluster-store-opt=discovery.heartbeat={heartbeat}",
        f"--cluster-store-opt=discovery.ttl={ttl}",
    )


def deployment(
    fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False, batch: Batch = ALL_AT_ONCE
) -> Plan:
    """What is missing, in the order that makes the gossip whole at the first try.

    The store host's engine first, then the store, its leader, and the other engines against the live
    store, in batches: any other order leaves islands or waits for a heartbeat (engine-facts, convergence).
    Behind the last batch, and behind every one if there are several, all that restarted passes a gate.
    """
    advertise, _ = addresses(fleet, facts)
    store_host = fleet.store_host.name
    carrier = facts.hosts[store_host].engine
    store_is_new = (
        isinstance(carrier, Engine)
        and carrier.running
        and carrier.container(consul.CONTAINER) is None
        and consul.VOLUME not in carrier.volumes
    )
    pulls = [s for h in fleet.names for s in _images(fleet, facts.hosts[h]) if s.archive is None]
    first: list[Step] = []
    engines: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        wanted = flags(fleet, advertise[store_host].address, advertise[name])
        first += left_over_probes(its)
        files, restart = _configure(fleet, its, wanted, facts, advertise[name], store_is_new=store_is_new)
        first += files
        if name == store_host:
            first += restart
        else:
            engines += restart
        uploads = [s for s in _images(fleet, its) if s.archive is not None]
        if name == store_host and _running(its):
            # The probe's image goes up while the store elects its leader.
            of_store = [s for s in uploads if s.image == fleet.store.image]
            run, wait = _run_store(fleet, facts, its, advertise[name])
            first += [*of_store, *run, *(s for s in uploads if s not in of_store), *wait]
        else:
            first += uploads
    if not _running(facts.hosts[store_host]):
        # Without a store nothing else can come true: the rest is planned when its engine runs. Its first
        # drop-in too: it stays behind this gate, and must not point at a store that never came.
        own = tuple(
            s for s in first if s.host == store_host and not (isinstance(s, WriteFile) and not s.previous)
        )
        return make_plan(
            Stage("engine of the store", own, guarded=True),
            Stage("gate", _gates(fleet, facts, advertise, [[store_host]], registered=False)[0]),
        )
    restarted = [s.host for s in (*first, *engines) if isinstance(s, RestartEngine)]
    changed_store = any(isinstance(s, RunContainer | StartContainer) for s in first)
    gossip: list[Step] = []
    gossip_of = {name: a.address for name, a in advertise.items()}
    missing = unseen(facts.views)
    if changed_store and not restarted:
        gossip.append(JoinGossip("", "the store restarts", gossip_of))
    elif not restarted and missing:
        gossip.append(JoinGossip("", f"{len(missing)} engines do not see all others", gossip_of))
    elif not restarted and len(facts.views) < len(fleet.hosts):
        silent = len(fleet.hosts) - len(facts.views)
        gossip.append(JoinGossip("", f"{silent} engines say nothing", gossip_of))
    # What a stopped engine has on the network is not known: it has to run before the network is touched.
    all_run = all(_running(facts.hosts[name]) for name in fleet.names)
    network = _network(fleet, facts) if all_run else []
    replaced = any(isinstance(step, RemoveNetwork) for step in network)
    created = any(isinstance(step, CreateNetwork) for step in network)
    gone = replaced or store_is_new
    return make_plan(
        Stage("images from a registry", tuple(pulls)),
        Stage("configuration and store", tuple(first), guarded=True),
        *_in_batches(
            fleet, facts, advertise, engines, batch, first=[h for h in restarted if h == store_host]
        ),
        Stage("gossip", tuple(gossip)),
        Stage(
            "old anchors", tuple(anchors_there(fleet, facts, "its network is replaced") if replaced else ())
        ),
        Stage("old network", tuple(s for s in network if isinstance(s, RemoveNetwork))),
        *(_after_replacement(fleet, facts, gossip_of) if replaced else ()),
        Stage("network", tuple(s for s in network if isinstance(s, CreateNetwork))),
        Stage("anchors", tuple(_anchors(fleet, facts, gone=gone, anew=created) if all_run else ())),
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
    """Restarts, and a gate behind each batch. ``first``: the store's host, if its engine has restarted by
    then: it shares the gate of a single batch, and has its own if there are several."""
    hosts = list(dict.fromkeys(step.host for step in engines))
    size = batch.size(len(fleet.hosts))
    parts = [hosts[i : i + size] for i in range(0, len(hosts), size)]
    if len(parts) <= 1 and size >= len(hosts) + len(first):
        groups = [first + hosts] if first or hosts else []
        gates = _gates(fleet, facts, advertise, groups)
        restarts = Stage("engines", tuple(engines), guarded=True)
        return [restarts, *(Stage("gate", gate) for gate in gates)]
    groups = [first, *parts] if first else parts
    stages = []
    for number, (part, gate) in enumerate(
        zip(groups, _gates(fleet, facts, advertise, groups, prove=True), strict=True), 1
    ):
        steps = tuple(step for step in engines if step.host in part)
        title = f"batch {number} of {len(groups)}"
        stages += [Stage(f"engines, {title}", steps, guarded=True), Stage(f"gate of {title}", gate)]
    return stages


def _gates(
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


def _running(its: HostFacts) -> bool:
    return isinstance(its.engine, Engine) and its.engine.running


def _configure(
    fleet: Fleet,
    its: HostFacts,
    wanted: tuple[str, ...],
    facts: FleetFacts,
    advertise: Advertise,
    *,
    store_is_new: bool,
) -> tuple[list[Step], list[Step]]:
    """Files to write, and the restart if one is needed."""
    assert isinstance(its.unit, Unit)
    assert isinstance(its.engine, Engine)
    files: list[Step] = []
    # A stopped engine can't say what is there: it is noted in the next round, when it runs.
    if its.before is None and its.engine.running:
        before = Before(frozenset(n.name for n in its.engine.networks), its.engine.images, its.drop_in_folder)
        files.append(RecordBefore(its.name, "first deployment on this host", before))
    content = render("docker.service.conf.j2", exec_start=its.unit.exec_start, flags=wanted)
    if its.unit.drop_in != content:
        why = "the cluster flags differ" if its.unit.drop_in else "the engine needs the cluster flags"
        files.append(
            WriteFile(its.name, why, DROP_IN, content, its.unit.drop_in, new_folder=not its.drop_in_folder)
        )
    why = ""
    if not its.engine.running:
        why = "the engine is down"
    elif not set(wanted) <= set(its.unit.arguments):
        why = "the running engine does not carry the flags"
    elif its.unit.drop_in != content:
        why = "its unit changed"
    elif store_is_new:
        why = "its store is gone with all data, and it would go on with what it remembers of it"
    elif its.unit.stray_threads:
        why = f"threads of it are stuck in a dead network namespace: {its.unit.stray_threads} (moby#39036)"
    elif facts.store and facts.store.leader and advertise.node not in facts.store.nodes:
        why = "the engine is not registered in the store"
    elif facts.store and facts.store.leader and its.name not in facts.views:
        why = "the engine takes no part in the gossip"
    if not why:
        return files, []
    steps: list[Step] = []
    if store_is_new:
        # An engine that starts holds up for 60 s on a container whose network can't come (measured).
        steps += [
            step for step in anchors_there(fleet, facts, "its network is gone") if step.host == its.name
        ]
    return files, [*steps, RestartEngine(its.name, why, users_containers(its.engine))]


def _images(fleet: Fleet, its: HostFacts) -> list[ProvideImage]:
    if not isinstance(its.engine, Engine) or not its.engine.running:
        return []
    wanted = [fleet.store.image] if its.name == fleet.store_host.name else []
    return [
        ProvideImage(its.name, "the host does not have it", image, fleet.images.archives.get(image))
        for image in (*wanted, fleet.images.probe)
        if tagged(image) not in its.engine.images
    ]


def _run_store(
    fleet: Fleet, facts: FleetFacts, its: HostFacts, advertise: Advertise
) -> tuple[list[Step], list[Step]]:
    """What makes the store run, and the wait for its leader."""
    assert isinstance(its.engine, Engine)
    container = consul.container(fleet.store, interface=advertise.interface, address=advertise.address)
    there = its.engine.container(consul.CONTAINER)
    wait: list[Step] = [AwaitLeader(its.name, "the engines need a store that answers")]
    if there is None or there.labels.get(SPEC_LABEL) != container.digest:
        why = "it was made from other settings" if there else "the engines need a store"
        new = () if consul.VOLUME in its.engine.volumes else (consul.VOLUME,)
        run = RunContainer(its.name, why, consul.CONTAINER, container.spec, there is not None, new)
        return [run], wait
    if not there.running:
        return [StartContainer(its.name, "it is stopped", consul.CONTAINER)], wait
    if facts.store and not facts.store.leader:
        return [], [AwaitLeader(its.name, "the store runs and has no leader")]
    return [], []


def _after_replacement(
    fleet: Fleet, facts: FleetFacts, gossip_of: Mapping[str, str]
) -> tuple[Stage, Stage, Stage]:
    """Restart the engines that had an anchor on the old network: each has a stuck thread now (see `anchor`),
    and would fail to reach the store at random while the new network is made."""
    why = "its last container has left the old network (moby#39036)"
    restarts: dict[str, Step] = {
        name: RestartEngine(name, why, users_containers(engine))
        for name in fleet.names
        if isinstance(engine := facts.hosts[name].engine, Engine) and anchor.there(fleet, engine)
    }
    store_host = fleet.store_host.name
    of_store: tuple[Step, ...] = ()
    if store_host in restarts:
        of_store = (restarts.pop(store_host), AwaitLeader(store_host, "Consul restarts with its engine"))
    joined = (JoinGossip("", "engines restart", gossip_of),) if of_store or restarts else ()
    return (
        Stage("engine of the store", of_store),
        Stage("engines that left the old network", tuple(restarts.values())),
        Stage("gossip after that", joined),
    )


def _anchors(fleet: Fleet, facts: FleetFacts, *, gone: bool, anew: bool) -> list[Step]:
    """One on each host: see `anchor`. One that is stopped is made anew, its network may be another.

    ``gone``: earlier steps remove those that are there; ``anew``: the network is made anew.
    """
    steps: list[Step] = []
    spec = anchor.spec(fleet)
    for name in fleet.names:
        old = () if gone else anchor.there(fleet, facts.hosts[name].engine)
        good = [c for c in old if c.running and c.labels.get(SPEC_LABEL) == spec["Labels"][SPEC_LABEL]]
        keep = [] if anew else good[:1]
        own = anchor.name(fleet, name)
        # A name of an earlier inventory is as good, but one anchor is enough.
        steps += [
            RemoveContainer(name, "one anchor is enough" if keep else "it is stopped or outdated", c.name)
            for c in old
            if c not in keep and (keep or c.name != own)
        ]
        if not keep:
            replace = any(c.name == own for c in old)
            why = "it is stopped or outdated" if replace else "it keeps the host in the overlay"
            steps.append(RunContainer(name, why, own, spec, replace=replace))
    return steps


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
