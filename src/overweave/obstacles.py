"""What was found and forbids an overlay with a cluster store, before anything is changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network

from .errors import Refused
from .facts.absent import Absent
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .model import SPEC_LABEL, Fleet
from .overlay import addresses, network_differences
from .store_host import told_store
from .stores import consul

KEYS = ("cluster-store", "cluster-advertise", "cluster-store-opts")


def obstacles(fleet: Fleet, facts: FleetFacts, *, replace_network: bool) -> list[Refused]:
    """Everything that was found and forbids the wanted state, host by host."""
    _, found = addresses(fleet, facts)
    unaddressed = bool(found)
    for host in fleet.hosts:
        its = facts.hosts[host.name]
        found += _of_engine(its)
        found += _of_configuration(its)
        found += _of_subnet(fleet, its)
    found += of_strangers(fleet, facts)
    found += _of_names(facts.hosts.values())
    found += _of_store(fleet, facts)
    if not replace_network and not unaddressed:
        found += _of_network(fleet, facts)
    return found


def of_strangers(fleet: Fleet, facts: FleetFacts) -> list[Refused]:
    """Hosts that belong to an overlay whose store is none of these hosts: only a part of it was named."""
    owned = {str(a.ip) for its in facts.hosts.values() for i in its.interfaces.all for a in i.addresses}
    return [
        Refused(
            f"it is in an overlay whose store is at {told}, which is none of the hosts given",
            host=its.name,
            hint="name all hosts of that overlay, the one with the store too",
        )
        for its in facts.hosts.values()
        if (told := told_store(its)) and told not in owned
    ]


def of_others(facts: FleetFacts, nodes: frozenset[str]) -> list[Refused]:
    """For a teardown: engines that are registered in the store and were not named. ``nodes`` are the
    fleet's own."""
    others = sorted(facts.store.nodes - nodes) if facts.store else []
    if not others:
        return []
    return [
        Refused(
            f"other engines use this store: {', '.join(others)}",
            hint="name all hosts of the overlay: without the store theirs is gone too",
        )
    ]


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
    for other in fleet.names:
        its = facts.hosts[other].engine
        container = its.container(consul.CONTAINER) if isinstance(its, Engine) else None
        if other != name and container and SPEC_LABEL in container.labels:
            return [
                Refused(
                    f"the store is there already, and two would part the fleet: {name} was asked to carry it",
                    host=other,
                    hint=f"mark {other} with `store: true` in the inventory, or destroy-overlay first",
                )
            ]
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
