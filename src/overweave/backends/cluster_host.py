"""What a host of a cluster store is to have: its files, its engine's flags, its part of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overweave import store_form, store_part
from overweave.advertise import Advertise
from overweave.certificates import Wanted, fingerprint
from overweave.command import Secret
from overweave.credentials import AUTHORITY, ENVIRONMENT, OPERATOR, environment_of, file_of, operator_of
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
from overweave.model import Fleet
from overweave.overlay import anchors_there, users_containers
from overweave.render import render
from overweave.steps import AwaitLeader, RecordBefore, RemoveFile, RestartEngine, Step, WriteFile, WriteSecret
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


def configure(
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


def store_config(fleet: Fleet, facts: FleetFacts, advertise: Mapping[str, Advertise], host: str) -> str:
    """The text of the configuration file of a host's part of the store."""
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


def write_store_config(its: HostFacts, wanted: str) -> list[Step]:
    """``wanted``: as `store_config` gives it."""
    if its.store_config == wanted:
        return []
    why = "the store is to run with other settings" if its.store_config else "the store reads it"
    path = etcd.CONFIG if etcd.is_config(wanted) else consul.CONFIG
    return [WriteFile(its.name, why, path, wanted, its.store_config, new_folder=True)]


def run_store(fleet: Fleet, facts: FleetFacts, its: HostFacts, config: str) -> tuple[list[Step], list[Step]]:
    """What makes a host's part of the store run, and the wait for its leader."""
    if not store_part.tells(fleet, its):
        return [], []
    other = bool(facts.credentials) and _holds_other_secrets(fleet, facts, its)
    if run := store_form.run(fleet, its, config, anew=other):
        return run, [AwaitLeader(its.name, "the engines need a store that answers")]
    if facts.store and not facts.store.leader:
        return [], [AwaitLeader(its.name, "the store runs and has no leader")]
    return [], []


def certificate(fleet: Fleet, facts: FleetFacts, its: HostFacts, address: str) -> Secret | None:
    """What a host's file with its certificate is to hold; None where that is nobody's business."""
    if facts.issuer is None:
        return None
    is_server = its.name in fleet.servers and not fleet.store.in_etcd
    server = consul.server_name(fleet.store) if is_server else ""
    # Engines trust the authority that they have read at their start: the only server waits for them.
    later = fleet.https and fleet.servers == (its.name,) and not _all_show(facts, besides=its.name)
    return facts.issuer.file(Wanted(its.name, address, server), later=later)


def write_certificate(fleet: Fleet, its: HostFacts, wanted: Secret | None) -> list[Step]:
    """``wanted``: as `certificate` gives it."""
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


def write_credentials(
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


def running(its: HostFacts) -> bool:
    """Whether its engine runs."""
    return isinstance(its.engine, Engine) and its.engine.running


def uses_a_store(its: HostFacts) -> bool:
    """Whether its engine is told of a cluster store by its unit."""
    return isinstance(its.unit, Unit) and its.unit.uses_store


def has_containers(its: HostFacts) -> bool:
    """Whether it has any but the store's."""
    containers = its.engine.containers if isinstance(its.engine, Engine) else ()
    return any(c.name not in (consul.CONTAINER, etcd.CONTAINER) for c in containers)


def carries_nothing(its: HostFacts) -> bool:
    """Whether a host certainly has no store, and no data of one."""
    return running(its) and store_part.there(its) is None and not store_part.has_data(its)


def _shows_no_token(facts: FleetFacts, its: HostFacts) -> bool:
    """Whether an engine uses the store without its token: it would be shut out in the middle of its work."""
    token = facts.credentials.engine if facts.credentials else None
    return uses_a_store(its) and its.credentials.running != token


def _holds_other_secrets(fleet: Fleet, facts: FleetFacts, its: HostFacts) -> bool:
    assert facts.credentials is not None
    wanted = file_of(facts.credentials, server=its.name in fleet.servers)
    return its.credentials.files.get(consul.SECRETS) != wanted


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
