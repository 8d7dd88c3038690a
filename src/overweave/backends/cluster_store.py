"""The overlay of engines up to 20.10: a key-value store, two flags, and serf gossip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from overweave.advertise import Advertise, choose
from overweave.errors import Refused
from overweave.facts.absent import Absent
from overweave.facts.engine import Engine, NetworkFact
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
from overweave.gossip.islands import unseen
from overweave.model import MTU_OPTION, PROBE_LABEL, SPEC_LABEL, VXLAN_OVERHEAD, Fleet
from overweave.render import render
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    JoinGossip,
    Plan,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartEngine,
    RunContainer,
    Stage,
    StartContainer,
    Step,
    WriteFile,
    make_plan,
)
from overweave.stores import consul

KEYS = ("cluster-store", "cluster-advertise", "cluster-store-opts")
GATEWAY_BRIDGE = "docker_gwbridge"
"""Engines make this bridge when the first container joins an overlay, and never remove it."""


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


def addresses(fleet: Fleet, facts: FleetFacts) -> tuple[dict[str, Advertise], list[Refused]]:
    return choose(
        {h.name: (h, facts.hosts[h.name].interfaces, facts.hosts[h.name].reached_at) for h in fleet.hosts}
    )


def obstacles(fleet: Fleet, facts: FleetFacts, *, replace_network: bool) -> list[Refused]:
    """Everything that was found and forbids the wanted state, host by host."""
    _, found = addresses(fleet, facts)
    for host in fleet.hosts:
        its = facts.hosts[host.name]
        found += _of_engine(its)
        found += _of_configuration(its)
        found += _of_subnet(fleet, its)
    found += _of_names(facts.hosts.values())
    found += _of_store(fleet, facts)
    if not replace_network:
        found += _of_network(fleet, facts)
    return found


def _of_engine(its: HostFacts) -> list[Refused]:
    engine = its.engine
    if isinstance(engine, Absent):
        return [
            Refused(
                engine.why, host=its.name, hint="install it, as with `apt-get install docker.io` on Debian"
            )
        ]
    if isinstance(its.unit, Absent):
        return [
            Refused(
                f"Docker is not run by docker.service: {its.unit.why}",
                host=its.name,
                hint="install Docker from a package that brings the unit; snap's does not",
            )
        ]
    if version(engine.version) >= (22, 6):
        return [
            Refused(
                f"Docker {engine.version} has no cluster store: it was removed after 20.10",
                host=its.name,
                hint="the backend for this engine is Swarm mode: see `docker swarm init`",
            )
        ]
    if not engine.speaks_consul:
        return [
            Refused(
                f"this Docker {engine.version} was built without Consul, as Debian 12's is",
                host=its.name,
                hint="the backends for this engine are the stores etcd and ZooKeeper, and Swarm mode",
            )
        ]
    if engine.swarm:
        return [
            Refused(
                "the engine is in swarm mode, which forbids a cluster store",
                host=its.name,
                hint="`docker swarm leave` if the swarm is not needed",
            )
        ]
    return []


def _of_configuration(its: HostFacts) -> list[Refused]:
    if isinstance(its.unit, Absent):
        return []
    if its.daemon_json.error:
        return [Refused(its.daemon_json.error, host=its.name, hint="mend it before the engine restarts")]
    found = [
        Refused(
            f"{key} is set in /etc/docker/daemon.json: given as a flag too, the engine would not start",
            host=its.name,
            hint=f"remove {key} from /etc/docker/daemon.json",
        )
        for key in KEYS
        if key in its.daemon_json.settings
    ]
    elsewhere = f"{its.unit.exec_start} {its.unit.environment}"
    if "--cluster-" in elsewhere:
        found.append(
            Refused(
                "docker.service or its environment file sets --cluster- flags that Overweave did not write",
                host=its.name,
                hint="remove them: see `systemctl cat docker` and /etc/default/docker",
            )
        )
    if not its.unit.exec_start:
        found.append(
            Refused("docker.service has no ExecStart", host=its.name, hint="see `systemctl cat docker`")
        )
    if its.unit.overridden_by:
        found.append(
            Refused(
                f"{its.unit.overridden_by} sets ExecStart after Overweave's drop-in and would win",
                host=its.name,
                hint="give it a name that sorts before 90-overweave.conf",
            )
        )
    return found


def _of_subnet(fleet: Fleet, its: HostFacts) -> list[Refused]:
    wanted = fleet.network.subnet
    found = [
        Refused(
            f"the subnet {wanted} overlaps the route to {route.destination} on {route.interface}",
            host=its.name,
            hint="choose another with --subnet or `network: subnet:`",
        )
        for route in its.interfaces.routes
        if route.destination.prefixlen and route.destination.overlaps(wanted)
    ]
    routed = {route.destination for route in its.interfaces.routes}
    networks = its.engine.networks if isinstance(its.engine, Engine) else ()
    for network in networks:
        for text in network.subnets:
            subnet = _ipv4(text)
            mine = network.name == fleet.network.name
            if subnet and not mine and subnet not in routed and subnet.overlaps(wanted):
                found.append(
                    Refused(
                        f"the subnet {wanted} overlaps {subnet} of the docker network {network.name}",
                        host=its.name,
                        hint="choose another with --subnet or `network: subnet:`",
                    )
                )
    return found


def _of_names(hosts: Iterable[HostFacts]) -> list[Refused]:
    by_name: dict[str, list[str]] = {}
    for its in hosts:
        by_name.setdefault(its.identity.hostname, []).append(its.name)
    return [
        Refused(
            f"{' and '.join(names)} both call themselves '{hostname}': gossip goes by host names",
            hint="give each its own with `hostnamectl set-hostname NAME` (docker/classicswarm#1573)",
        )
        for hostname, names in by_name.items()
        if len(names) > 1
    ]


def _of_store(fleet: Fleet, facts: FleetFacts) -> list[Refused]:
    name = fleet.store_host.name
    engine = facts.hosts[name].engine
    there = engine.container(consul.CONTAINER) if isinstance(engine, Engine) else None
    if there and SPEC_LABEL not in there.labels:
        return [
            Refused(
                f"a container named {consul.CONTAINER} is there that Overweave did not make",
                host=name,
                hint=f"rename it with `docker rename {consul.CONTAINER} other`, or choose another store host",
            )
        ]
    return []


def _of_network(fleet: Fleet, facts: FleetFacts) -> list[Refused]:
    found = []
    for its in facts.hosts.values():
        network = its.engine.network(fleet.network.name) if isinstance(its.engine, Engine) else None
        if network and (differences := network_differences(fleet, facts, network)):
            found.append(
                Refused(
                    f"network {network.name} is there with other attributes: {'; '.join(differences)}",
                    host=its.name,
                    hint="ask for it as it is, choose another --network name, or --replace-network",
                )
            )
    return found


def version(text: str) -> tuple[int, ...]:
    """``20.10.24+dfsg1`` as (20, 10, 24)."""
    return tuple(int(part) for part in re.findall(r"\d+", text.split("+")[0].split("-")[0])[:3])


def _ipv4(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None


def network_spec(fleet: Fleet, facts: FleetFacts) -> dict[str, object]:
    """The body of ``POST /networks/create``.

    The MTU option is the underlay's; it is left out at 1500, which engines assume anyway.
    """
    advertise, _ = addresses(fleet, facts)
    mtu = fleet.network.mtu or min(a.mtu for a in advertise.values())
    options = dict(fleet.network.options)
    if mtu != 1500:
        options.setdefault(MTU_OPTION, str(mtu))
    return {
        "Name": fleet.network.name,
        "Driver": "overlay",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": str(fleet.network.subnet)}]},
        "Options": options,
    }


def container_mtu(fleet: Fleet, facts: FleetFacts) -> int:
    """Bytes that a container on the network can send in one packet."""
    options = network_spec(fleet, facts)["Options"]
    assert isinstance(options, dict)
    return int(options.get(MTU_OPTION, 1500)) - VXLAN_OVERHEAD


def network_differences(fleet: Fleet, facts: FleetFacts, there: NetworkFact) -> list[str]:
    """How a network differs from the wanted one, in words; empty where it is the wanted one."""
    if there.driver != "overlay" or there.scope != "global":
        return [f"it is a {there.driver} network of scope {there.scope}, wanted is overlay of scope global"]
    found = []
    wanted = str(fleet.network.subnet)
    if there.subnets != (wanted,):
        found.append(f"subnet {', '.join(there.subnets) or 'none'}, wanted {wanted}")
    spec = network_spec(fleet, facts)["Options"]
    assert isinstance(spec, dict)
    default = {MTU_OPTION: "1500"}
    for key in sorted(
        spec.keys() | (there.options.keys() - {"com.docker.network.driver.overlay.vxlanid_list"})
    ):
        is_, should = (o.get(key, default.get(key, "unset")) for o in (there.options, spec))
        if is_ != should:
            found.append(f"option {key} {is_}, wanted {should}")
    return found


def deployment(fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False) -> Plan:
    """What is missing, in the order that makes the gossip whole at the first try.

    The store host's engine first, then the store, its leader, and the other engines against the live
    store: any other order leaves islands or waits for a heartbeat (engine-facts, convergence).
    """
    advertise, _ = addresses(fleet, facts)
    store_host = fleet.store_host.name
    pulls = [s for h in fleet.names for s in _images(fleet, facts.hosts[h]) if s.archive is None]
    first: list[Step] = []
    engines: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        wanted = flags(fleet, advertise[store_host].address, advertise[name])
        first += _left_over_probes(its)
        files, restart = _configure(its, wanted, facts, advertise[name])
        first += files
        if name == store_host:
            first += restart
        else:
            engines += restart
        if _running(its):
            first += [s for s in _images(fleet, its) if s.archive is not None]
        if name == store_host and _running(its):
            first += _run_store(fleet, its, advertise[name])
    restarted = any(
        isinstance(step, RestartEngine | RunContainer | StartContainer) for step in (*first, *engines)
    )
    gossip: list[Step] = []
    missing = unseen(facts.views)
    if restarted or missing or len(facts.views) < len(fleet.hosts):
        why = "engines restart" if restarted else f"{len(missing)} engines do not see all others"
        gossip.append(JoinGossip("", why, {name: a.address for name, a in advertise.items()}))
    return make_plan(
        Stage("images from a registry", tuple(pulls)),
        Stage("configuration and store", tuple(first)),
        Stage("engines", tuple(engines)),
        Stage("gossip", tuple(gossip)),
        Stage("network", tuple(_network(fleet, facts, replace_network=replace_network))),
    )


def _running(its: HostFacts) -> bool:
    return isinstance(its.engine, Engine) and its.engine.running


def _left_over_probes(its: HostFacts) -> list[RemoveContainer]:
    containers = its.engine.containers if isinstance(its.engine, Engine) else ()
    return [
        RemoveContainer(its.name, "a proof that was broken off left it", c.name)
        for c in containers
        if PROBE_LABEL in c.labels
    ]


def _configure(
    its: HostFacts, wanted: tuple[str, ...], facts: FleetFacts, advertise: Advertise
) -> tuple[list[Step], list[Step]]:
    """Files to write, and the restart if one is needed."""
    assert isinstance(its.unit, Unit)
    assert isinstance(its.engine, Engine)
    files: list[Step] = []
    if its.before is None:
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
    elif facts.store and facts.store.leader and advertise.node not in facts.store.nodes:
        why = "the engine is not registered in the store"
    elif facts.store and facts.store.leader and its.name not in facts.views:
        why = "the engine takes no part in the gossip"
    if not why:
        return files, []
    stops = tuple(sorted(c.name for c in its.engine.containers if c.running and PROBE_LABEL not in c.labels))
    return files, [RestartEngine(its.name, why, stops)]


def _images(fleet: Fleet, its: HostFacts) -> list[ProvideImage]:
    if not isinstance(its.engine, Engine) or not its.engine.running:
        return []
    wanted = [fleet.store.image] if its.name == fleet.store_host.name else []
    return [
        ProvideImage(its.name, "the host does not have it", image, fleet.images.archives.get(image))
        for image in (*wanted, fleet.images.probe)
        if tagged(image) not in its.engine.images
    ]


def tagged(image: str) -> str:
    """As the engine lists it: ``busybox`` is ``busybox:latest``."""
    return image if ":" in image.rsplit("/", 1)[-1] else f"{image}:latest"


def _run_store(fleet: Fleet, its: HostFacts, advertise: Advertise) -> list[Step]:
    assert isinstance(its.engine, Engine)
    container = consul.container(fleet.store, interface=advertise.interface, address=advertise.address)
    there = its.engine.container(consul.CONTAINER)
    wait = AwaitLeader(its.name, "the engines need a store that answers")
    if there is None or there.labels.get(SPEC_LABEL) != container.digest:
        why = "it was made from other settings" if there else "the engines need a store"
        return [
            RunContainer(its.name, why, consul.CONTAINER, container.spec, replace=there is not None),
            wait,
        ]
    if not there.running:
        return [StartContainer(its.name, "it is stopped", consul.CONTAINER), wait]
    return []


def _network(fleet: Fleet, facts: FleetFacts, *, replace_network: bool) -> list[Step]:
    store_host = fleet.store_host.name
    engine = facts.hosts[store_host].engine
    there = engine.network(fleet.network.name) if isinstance(engine, Engine) else None
    steps: list[Step] = []
    if there is not None:
        differences = network_differences(fleet, facts, there)
        if not differences:
            return []
        steps.append(RemoveNetwork(store_host, "; ".join(differences), there.name))
    spec = network_spec(fleet, facts)
    return [*steps, CreateNetwork(store_host, "containers of all hosts share it", fleet.network.name, spec)]


def teardown(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Back to what was there before: network, store with its data, drop-ins, images, the record.

    The network goes while the store still answers; the store goes before its engine restarts.
    """
    network: list[Step] = []
    rest: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        if isinstance(its.engine, Absent):
            continue
        network += _left_over_probes(its)
    carrier = next((n for n in fleet.names if _has_network(facts.hosts[n], fleet.network.name)), None)
    if carrier:
        network.append(RemoveNetwork(carrier, "it was asked for", fleet.network.name))
    for name in fleet.names:
        rest += _undo(facts.hosts[name])
    return make_plan(Stage("network", tuple(network)), Stage("store and configuration", tuple(rest)))


def _has_network(its: HostFacts, name: str) -> bool:
    network = its.engine.network(name) if isinstance(its.engine, Engine) else None
    return network is not None and network.scope == "global"


def _undo(its: HostFacts) -> list[Step]:
    why = "it was made by the deployment"
    steps: list[Step] = []
    engine, unit, before = its.engine, its.unit, its.before
    if isinstance(engine, Engine):
        store = engine.container(consul.CONTAINER)
        if store and SPEC_LABEL in store.labels:
            steps.append(RemoveContainer(its.name, why, store.name))
        if consul.VOLUME in engine.volumes and before is not None:
            steps.append(RemoveVolume(its.name, why, consul.VOLUME))
        if before is not None:
            there = engine.networks
            steps += [
                RemoveNetwork(its.name, why, n.name)
                for n in there
                if n.name == GATEWAY_BRIDGE and n.name not in before.networks
            ]
    if isinstance(unit, Unit) and unit.drop_in:
        keep = before is None or before.drop_in_folder
        steps.append(RemoveFile(its.name, why, DROP_IN, with_folder=not keep))
    carries = isinstance(unit, Unit) and any(a.startswith("--cluster-") for a in unit.arguments)
    if isinstance(unit, Unit) and (unit.drop_in or carries) and "--cluster-" not in unit.environment:
        stops: tuple[str, ...] = ()
        if isinstance(engine, Engine):
            stops = tuple(
                sorted(
                    c.name
                    for c in engine.containers
                    if c.running and not {PROBE_LABEL, SPEC_LABEL} & c.labels.keys()
                )
            )
        steps.append(RestartEngine(its.name, "without the cluster flags", stops))
    return steps


def forget(fleet: Fleet, facts: FleetFacts) -> Plan:
    """The last of a teardown: images that were brought along, and the record itself."""
    steps: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        if its.before is None:
            continue
        if isinstance(its.engine, Engine):
            ours: Mapping[str, None] = dict.fromkeys((tagged(fleet.store.image), tagged(fleet.images.probe)))
            steps += [
                RemoveImage(name, "it was brought along", image)
                for image in ours
                if image in its.engine.images and image not in its.before.images
            ]
        steps.append(RemoveFile(name, "the host is as it was", RECORD_PATH, with_folder=True))
    return make_plan(Stage("what was brought along", tuple(steps)))
