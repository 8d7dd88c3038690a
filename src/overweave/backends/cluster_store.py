"""The overlay of engines up to 20.10: a key-value store, two flags, and serf gossip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overweave import anchor, backup_unit, boot, store_form, store_part
from overweave.advertise import Advertise
from overweave.certificates import Wanted, fingerprint
from overweave.command import Secret
from overweave.credentials import (
    AUTHORITY,
    ENVIRONMENT,
    OPERATOR,
    environment_of,
    file_of,
    operator_of,
)
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
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
from overweave.render import render
from overweave.steps import (
    AwaitAgent,
    AwaitLeader,
    CreateNetwork,
    GrantAccess,
    JoinGossip,
    MoveStore,
    PassGate,
    Plan,
    RecordBefore,
    RemoveFile,
    RemoveNetwork,
    RestartEngine,
    Stage,
    Step,
    WriteFile,
    WriteSecret,
    make_plan,
)
from overweave.stores import consul, etcd


def heartbeat_and_ttl(hosts: int) -> tuple[int, int]:
    """Seconds between heartbeats, and until a silent engine is forgotten.

    2 and 20 are the quickest that Consul takes (it refuses sessions under 10 s, and the engine asks for
    half the TTL: measured). A larger fleet beats slower, so that the store sees about 16 beats a second.
    """
    heartbeat = max(2, min(20, -(-hosts // 16)))
    return heartbeat, max(20, 6 * heartbeat)


def flags(fleet: Fleet, servers: Sequence[str], advertise: Advertise) -> tuple[str, ...]:
    """``servers`` are the addresses of the store's. An engine takes one address only of Consul: with several
    servers that of its own host's agent. A store that somebody else runs has its own address."""
    heartbeat, ttl = heartbeat_and_ttl(len(fleet.hosts))
    port = fleet.store.https if fleet.https else fleet.store.port
    if fleet.store.in_etcd:
        url = etcd.url(servers, port)
    else:
        one = consul.LOOPBACK if len(fleet.servers) > 1 else servers[0]
        url = consul.url(fleet.store.external or one, port)
    # All three, or none is used, without a word (engine-facts).
    files = ("kv.cacertfile", "kv.certfile", "kv.keyfile") if fleet.https else ()
    return (
        f"--cluster-store={url}",
        f"--cluster-advertise={advertise.flag}",
        f"--cluster-store-opt=discovery.heartbeat={heartbeat}",
        f"--cluster-store-opt=discovery.ttl={ttl}",
        *(f"--cluster-store-opt={name}={consul.TLS}" for name in files),
    )


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
    in_engine = fleet.store.in_engine
    advertise, _ = addresses(fleet, facts)
    servers = [advertise[host.name].address for host in fleet.store_hosts]
    store_is_new = networks_are_gone(fleet, facts) or (
        bool(fleet.servers) and all(_carries_nothing(facts.hosts[name]) for name in fleet.servers)
    )
    there = facts.store
    # A store that lets nobody in yet, or everybody, begins anew with all of its servers at once: those with
    # and those without the gossip's key would not find each other.
    rolling = len(fleet.servers) > 1 and there is not None and bool(there.leader) and there.admits
    at_once = () if rolling else fleet.servers
    pulls = [s for h in fleet.names for s in images(fleet, facts.hosts[h]) if s.archive is None]
    first: list[Step] = []
    waits: list[Step] = []
    late: list[Step] = []
    engines: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        wanted = flags(fleet, servers, advertise[name])
        first += left_over_probes(its)
        certificate = _certificate(fleet, facts, its, advertise[name].address)
        files, restart = _configure(
            fleet, its, wanted, facts, advertise[name], certificate, store_is_new=store_is_new
        )
        first += files
        first += boot.install(
            name, its.boot, advertise[name].address, {n: a.address for n, a in advertise.items()}
        )
        first += backup_unit.wanted(fleet, name, its.backup)
        run: list[Step] = []
        wait: list[Step] = []
        if name in fleet.agents:
            config = _store_config(fleet, facts, advertise, name)
            first += _write_store_config(its, config)
            run, wait = _run_store(fleet, facts, its, config)
        first += _write_credentials(fleet, facts, its, certificate)
        shown = _write_certificate(fleet, its, certificate)
        if restart and its.credentials.certificate and consul.TLS in its.credentials.files:
            # Its engine trusts what it has read at its start, and would not know its agent any more.
            restart = [*shown, *restart]
        else:
            first += shown
        if restart and not wait and name in fleet.servers and (store_is_new or rolling) and in_engine:
            wait = [AwaitLeader(name, f"{fleet.store.title} restarts with its engine")]
        if rolling and fleet.store.in_etcd:
            # It answers when it has all that a quorum has.
            if (run or restart) and name in fleet.servers:
                wait = [AwaitLeader(name, "the next one stops only when this one has all")]
        elif rolling and (run or restart) and name in fleet.servers and in_engine:
            # One that is away for 10 s votes no more for the next 10 (Consul's autopilot): a drill had only
            # two voters left, and stopped one of them.
            others = tuple(
                n for n in fleet.servers if n != name and consul.is_server(facts.hosts[n].store_config)
            )
            wait = [AwaitAgent(name, "the next one stops only when this one has all", others, votes=True)]
        new = bool(run) and not fleet.store.in_etcd and not consul.is_server(its.store_config)
        if rolling and new and name in fleet.servers:
            # A leader that is lost before the others vote takes the store with it.
            there_now = tuple(n for n in fleet.servers if consul.is_server(facts.hosts[n].store_config))
            wait = [AwaitAgent(name, "a server that does not vote is of no use", there_now, votes=True)]
        if rolling and name in fleet.servers and any(isinstance(step, MoveStore) for step in run):
            others = tuple(n for n in fleet.servers if n != name)
            wait = [AwaitAgent(name, "the next one stops only when this one has all", others, votes=True)]
        uploads = [s for s in images(fleet, its) if s.archive is not None]
        if not in_engine:
            first += uploads
            if rolling:
                engines += [*run, *(wait if name in fleet.servers else []), *restart]
            else:
                first += run
                waits += wait if name in fleet.servers else []
                engines += restart
        elif name not in at_once:
            first += uploads
            engines += _in_order(its, restart, run)
            # A server that stops and comes back takes part in no quorum until it has found the leader.
            engines += wait if name in fleet.servers else []
        elif _running(its):
            # The probe's image goes up while the store elects its leader.
            of_store = [s for s in uploads if s.image == fleet.store.image]
            run = [*of_store, *run]
            waiting = _uses_a_store(its) and _has_containers(its)
            if run and restart and (waiting or (fleet.store.in_etcd and len(fleet.servers) > 1)):
                # It would wait for a store that does not let it in yet. An engine that starts before all
                # servers of etcd is held up by those that don't answer (46 s, measured).
                first, late = [*first, *run], [*late, *restart]
            else:
                first += [*restart, *run]
            first += (s for s in uploads if s not in of_store)
            waits += wait
        else:
            first += restart
    down = [name for name in fleet.agents if not store_part.tells(fleet, facts.hosts[name])]
    if down:
        # Without a store nothing else can come true: the rest is planned when its engines run. Their first
        # drop-in too: it stays behind this gate, and must not point at a store that never came.
        own = tuple(
            s
            for s in (*first, *engines)
            if s.host in down
            and not (isinstance(s, WriteFile) and not s.previous)
            # Whether its server starts with the engine is not known either: it may be gone.
            and not isinstance(s, AwaitAgent)
        )
        return make_plan(
            Stage("engine of the store" if len(down) == 1 else "engines of the store", own, guarded=True),
            Stage("gate", _gates(fleet, facts, advertise, [down], registered=False)[0]),
        )
    access = _access(fleet, facts, new=store_is_new)
    if len(at_once) == 1:
        first += [*waits, *access]
        waits, access = [], []
    restarted = [s.host for s in (*first, *late, *engines) if isinstance(s, RestartEngine)]
    moved = [s.host for s in (*first, *engines) if isinstance(s, MoveStore)]
    # What it ran in before goes behind a gate.
    alone = [host for host in moved if host not in {s.host for s in engines}]
    gates = _gates(fleet, facts, advertise, [alone]) if alone else []
    with_store = [host for host in restarted if host in at_once and in_engine]
    changed_store = any(store_form.runs_store(s) for s in (*first, *engines))
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
        Stage("leader", tuple(waits)),
        Stage("access", tuple(access)),
        *(Stage("gate of the store", gate) for gate in gates),
        *_one_by_one(fleet, late),
        *_in_batches(fleet, facts, advertise, engines, batch, first=with_store),
        Stage("gossip", tuple(gossip)),
        Stage(
            "old anchors", tuple(anchors_there(fleet, facts, "its network is replaced") if replaced else ())
        ),
        Stage("old network", tuple(s for s in network if isinstance(s, RemoveNetwork))),
        *(_after_replacement(fleet, facts, gossip_of) if replaced else ()),
        Stage("network", tuple(s for s in network if isinstance(s, CreateNetwork))),
        Stage("anchors", tuple(anchor.anchors(fleet, facts, gone=gone, anew=created) if all_run else ())),
    )


def store(fleet: Fleet, facts: FleetFacts) -> Plan:
    """What makes a store run that is gone, and nothing else: engines and networks stay as they are."""
    advertise, _ = addresses(fleet, facts)
    steps: list[Step] = []
    waits: list[Step] = []
    for name in fleet.agents:
        its = facts.hosts[name]
        if not store_part.tells(fleet, its):
            continue
        config = _store_config(fleet, facts, advertise, name)
        run, wait = _run_store(fleet, facts, its, config)
        of_store = [step for step in images(fleet, its) if step.image == fleet.store.image]
        certificate = _certificate(fleet, facts, its, advertise[name].address)
        steps += [
            *_write_store_config(its, config),
            *_write_credentials(fleet, facts, its, certificate),
            *_write_certificate(fleet, its, certificate),
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
    certificate: Secret | None,
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
    content = render(
        "docker.service.conf.j2", exec_start=its.unit.exec_start, flags=wanted, environment=ENVIRONMENT
    )
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
    elif facts.credentials and its.credentials.running != facts.credentials.engine:
        why = "the running engine does not have its token for the store"
    elif certificate and its.credentials.certificate != _shown(fleet, certificate):
        why = "the running engine does not have its certificate for the store"
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


def _in_order(its: HostFacts, restart: Sequence[Step], run: Sequence[Step]) -> list[Step]:
    """An engine that starts waits 60 s for its store before it goes on without the containers on an overlay
    (measured): where there are any, the store has to start with it. Else it starts once, behind the engine.
    """
    return [*run, *restart] if _has_containers(its) else [*restart, *run]


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


def _has_containers(its: HostFacts) -> bool:
    containers = its.engine.containers if isinstance(its.engine, Engine) else ()
    return any(c.name not in (consul.CONTAINER, etcd.CONTAINER) for c in containers)


def _carries_nothing(its: HostFacts) -> bool:
    """Whether a host certainly has no store, and no data of one."""
    return _running(its) and store_part.there(its) is None and not store_part.has_data(its)


def _store_config(fleet: Fleet, facts: FleetFacts, advertise: Mapping[str, Advertise], host: str) -> str:
    if fleet.store.in_etcd:
        servers = {name: advertise[name].address for name in fleet.servers}
        return etcd.config(fleet.store, name=host, servers=servers)
    return consul.config(
        fleet.store,
        address=advertise[host].address,
        servers=[advertise[name].address for name in fleet.servers],
        server=host in fleet.servers,
        strangers=any(_shows_no_token(facts, its) for its in facts.hosts.values()),
    )


def _shows_no_token(facts: FleetFacts, its: HostFacts) -> bool:
    """Whether an engine uses the store without its token: it would be shut out in the middle of its work."""
    token = facts.credentials.engine if facts.credentials else None
    return _uses_a_store(its) and its.credentials.running != token


def _uses_a_store(its: HostFacts) -> bool:
    return isinstance(its.unit, Unit) and its.unit.uses_store


def _certificate(fleet: Fleet, facts: FleetFacts, its: HostFacts, address: str) -> Secret | None:
    """What a host's file with its certificate is to hold; None where that is nobody's business."""
    if facts.issuer is None:
        return None
    is_server = its.name in fleet.servers and not fleet.store.in_etcd
    server = consul.server_name(fleet.store) if is_server else ""
    # Engines trust the authority that they have read at their start: the only server waits for them.
    later = fleet.https and fleet.servers == (its.name,) and not _all_show(facts, besides=its.name)
    return facts.issuer.file(Wanted(its.name, address, server), later=later)


def _all_show(facts: FleetFacts, *, besides: str) -> bool:
    """Whether all engines that run show the store a certificate of this authority."""
    assert facts.issuer is not None
    of = facts.issuer.shown
    return all(
        not its.credentials.certificate or its.credentials.certificate in of
        for name, its in facts.hosts.items()
        if name != besides
    )


def _shown(fleet: Fleet, certificate: Secret | None) -> str:
    """Fingerprint of what an engine shows the store, "" where it uses no HTTPS."""
    return fingerprint(certificate.reveal()) if certificate and fleet.https else ""


def _write_certificate(fleet: Fleet, its: HostFacts, wanted: Secret | None) -> list[Step]:
    there = its.credentials.files.get(consul.TLS)
    if wanted is None or (there == wanted and consul.TLS not in its.credentials.exposed):
        return []
    why = "others than root can read it"
    if there is None:
        why = "agents and engines know each other by certificates"
    elif there != wanted:
        same = fingerprint(there.reveal()) == fingerprint(wanted.reveal())
        why = "it trusts other authorities than the fleet" if same else "its certificate is to be another"
    # etcd reads its certificate whenever somebody comes.
    reload = not fleet.store.in_etcd
    return [WriteSecret(its.name, why, consul.TLS, wanted, there is not None, new_folder=True, reload=reload)]


def _write_credentials(
    fleet: Fleet, facts: FleetFacts, its: HostFacts, certificate: Secret | None
) -> list[Step]:
    """The files that let a host's part of the store, and its engine, in; but for its certificate."""
    if facts.credentials is None and not fleet.store.in_etcd:
        return []
    wanted = {ENVIRONMENT: environment_of(facts.credentials, _shown(fleet, certificate))}
    if its.name in fleet.agents and facts.credentials:
        wanted[consul.SECRETS] = file_of(facts.credentials, server=its.name in fleet.servers)
    if its.name in fleet.servers and facts.credentials and (token := operator_of(facts.credentials)):
        wanted[OPERATOR] = token
    if its.name in fleet.servers and facts.issuer:
        wanted[AUTHORITY] = facts.issuer.authority.text
        if fleet.store.in_etcd:
            wanted[etcd.TRUSTED] = facts.issuer.authorities
    steps: list[Step] = [
        RemoveFile(its.name, "this host has no server of the store", path)
        for path in its.credentials.files
        if path not in wanted and path != consul.TLS
    ]
    for path, text in wanted.items():
        there = path in its.credentials.files
        if its.credentials.files.get(path) != text:
            why = "it is not what the fleet has" if there else "the store lets in who shows what is in there"
        elif path in its.credentials.exposed:
            why = "others than root can read it"
        else:
            continue
        steps.append(WriteSecret(its.name, why, path, text, there, new_folder=True))
    return steps


def _access(fleet: Fleet, facts: FleetFacts, *, new: bool = False) -> list[Step]:
    """``new``: the store is made anew by the steps before, and knows nobody."""
    known = facts.store is not None and bool(facts.store.leader) and facts.store.admits
    if facts.credentials is None or (known and not new):
        return []
    return [GrantAccess(fleet.store_host.name, "the store lets in whom it knows", facts.credentials)]


def _write_store_config(its: HostFacts, wanted: str) -> list[Step]:
    if its.store_config == wanted:
        return []
    why = "the store is to run with other settings" if its.store_config else "the store reads it"
    path = etcd.CONFIG if etcd.is_config(wanted) else consul.CONFIG
    return [WriteFile(its.name, why, path, wanted, its.store_config, new_folder=True)]


def _run_store(fleet: Fleet, facts: FleetFacts, its: HostFacts, config: str) -> tuple[list[Step], list[Step]]:
    """What makes a host's part of the store run, and the wait for its leader."""
    if not store_part.tells(fleet, its):
        return [], []
    other = bool(facts.credentials) and _holds_other_secrets(fleet, facts, its)
    if run := store_form.run(fleet, its, config, anew=other):
        return run, [AwaitLeader(its.name, "the engines need a store that answers")]
    if facts.store and not facts.store.leader:
        return [], [AwaitLeader(its.name, "the store runs and has no leader")]
    return [], []


def _holds_other_secrets(fleet: Fleet, facts: FleetFacts, its: HostFacts) -> bool:
    assert facts.credentials is not None
    wanted = file_of(facts.credentials, server=its.name in fleet.servers)
    return its.credentials.files.get(consul.SECRETS) != wanted


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
