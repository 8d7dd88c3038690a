"""The overlay of engines up to 20.10: a key-value store, two flags, and serf gossip."""

from __future__ import annotations

from collections.abc import Mapping

from overweave import anchor
from overweave.advertise import Advertise
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
from overweave.gossip.islands import unseen
from overweave.model import SPEC_LABEL, Fleet, tagged
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


def deployment(fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False) -> Plan:
    """What is missing, in the order that makes the gossip whole at the first try.

    The store host's engine first, then the store, its leader, and the other engines against the live
    store: any other order leaves islands or waits for a heartbeat (engine-facts, convergence).
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
        # Without a store nothing else can come true: the rest is planned when its engine runs.
        return make_plan(Stage("engine of the store", tuple(s for s in first if s.host == store_host)))
    restarted = any(
        isinstance(step, RestartEngine | RunContainer | StartContainer) for step in (*first, *engines)
    )
    gossip: list[Step] = []
    gossip_of = {name: a.address for name, a in advertise.items()}
    missing = unseen(facts.views)
    if restarted or missing or len(facts.views) < len(fleet.hosts):
        if restarted:
            why = (
                "engines restart"
                if engines or any(isinstance(s, RestartEngine) for s in first)
                else "the store restarts"
            )
        elif missing:
            why = f"{len(missing)} engines do not see all others"
        else:
            why = f"{len(fleet.hosts) - len(facts.views)} engines say nothing"
        gossip.append(JoinGossip("", why, gossip_of))
    # What a stopped engine has on the network is not known: it has to run before the network is touched.
    all_run = all(_running(facts.hosts[name]) for name in fleet.names)
    network = _network(fleet, facts) if all_run else []
    replaced = any(isinstance(step, RemoveNetwork) for step in network)
    created = any(isinstance(step, CreateNetwork) for step in network)
    gone = replaced or store_is_new
    return make_plan(
        Stage("images from a registry", tuple(pulls)),
        Stage("configuration and store", tuple(first)),
        Stage("engines", tuple(engines)),
        Stage("gossip", tuple(gossip)),
        Stage(
            "old anchors", tuple(anchors_there(fleet, facts, "its network is replaced") if replaced else ())
        ),
        Stage("old network", tuple(s for s in network if isinstance(s, RemoveNetwork))),
        *(_after_replacement(fleet, facts, gossip_of) if replaced else ()),
        Stage("network", tuple(s for s in network if isinstance(s, CreateNetwork))),
        Stage("anchors", tuple(_anchors(fleet, facts, gone=gone, anew=created) if all_run else ())),
    )


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
        files.append(WriteFile(its.name, why, DROP_IN, content, its.unit.drop_in))
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
        run = RunContainer(its.name, why, consul.CONTAINER, container.spec, replace=there is not None)
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
