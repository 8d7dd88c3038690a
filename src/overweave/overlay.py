"""The overlay network as it is wanted, and how one that is there differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from . import anchor, store_part
from .advertise import Advertise, choose
from .errors import Refused
from .facts.attachments import Attachment
from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .facts.way import VXLAN_PORT
from .model import (
    ENCRYPTED,
    ESP_EXPANSION,
    ESP_UNIT,
    MTU_OPTION,
    PROBE_LABEL,
    SPEC_LABEL,
    VNIS_OPTION,
    VXLAN_OVERHEAD,
    Fleet,
)
from .steps import Plan, RemoveContainer, RemoveNetwork

GATEWAY_BRIDGE = "docker_gwbridge"
LEFT_OVER = "a proof that was broken off left it"


def addresses(fleet: Fleet, facts: FleetFacts) -> tuple[dict[str, Advertise], list[Refused]]:
    return choose(
        {h.name: (h, facts.hosts[h.name].interfaces, facts.hosts[h.name].reached_at) for h in fleet.hosts}
    )


def vxlan_port(fleet: Fleet, facts: FleetFacts) -> int:
    """Where engines send VXLAN to (UDP): the usual one, unless a swarm that is there says otherwise, or the
    inventory of one that is to be. Only a swarm's managers know its own."""
    if not fleet.in_swarm:
        return VXLAN_PORT
    engines = (its.engine for its in facts.hosts.values())
    members = [engine.member for engine in engines if isinstance(engine, Engine)]
    told = next((its.port or VXLAN_PORT for its in members if its.cluster or its.port), 0)
    return told or fleet.swarm.port


def network_spec(fleet: Fleet, facts: FleetFacts) -> dict[str, object]:
    """The body of ``POST /networks/create``.

    The MTU option is the underlay's; it is left out at 1500, which engines assume anyway.
    """
    options = overlay_options(fleet, facts, fleet.network.mtu, fleet.network.options)
    spec: dict[str, object] = {
        "Name": fleet.network.name,
        "Driver": "overlay",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": str(fleet.network.subnet)}]},
        "Options": options,
    }
    return spec | {"Attachable": True} if fleet.in_swarm else spec


def overlay_options(
    fleet: Fleet, facts: FleetFacts, mtu: int | None, given: Mapping[str, str]
) -> dict[str, str]:
    """Those of an overlay, with what tells it the underlay's ``mtu``; None is the least of the hosts'."""
    advertise, _ = addresses(fleet, facts)
    size = mtu or min((a.mtu for a in advertise.values()), default=1500)
    return {MTU_OPTION: str(size), **given} if size != 1500 else dict(given)


def container_mtu(network: NetworkFact) -> int:
    """Bytes that a container on a network can send in one packet: what the network was made for, whatever
    its underlay can do now."""
    size = underlay_mtu(network) - VXLAN_OVERHEAD
    if ENCRYPTED not in network.options:
        return size
    return (size - ESP_EXPANSION) // ESP_UNIT * ESP_UNIT


def underlay_mtu(network: NetworkFact) -> int:
    """Bytes that the hosts have to carry for a network, whatever they can do now."""
    return int(network.options.get(MTU_OPTION, 1500))


def network_differences(fleet: Fleet, facts: FleetFacts, there: NetworkFact) -> list[str]:
    """How a network differs from the wanted one, in words; empty where it is the wanted one."""
    scope = "swarm" if fleet.in_swarm else "global"
    if there.driver != "overlay" or there.scope != scope:
        return [f"driver {there.driver} and scope {there.scope}, wanted overlay and {scope}"]
    found = []
    if fleet.in_swarm and not there.attachable:
        found.append("not attachable")
    wanted = str(fleet.network.subnet)
    if there.subnets != (wanted,):
        found.append(f"subnet {', '.join(there.subnets) or 'none'}, wanted {wanted}")
    spec = network_spec(fleet, facts)["Options"]
    assert isinstance(spec, dict)
    default = {MTU_OPTION: "1500"}
    for key in sorted(spec.keys() | (there.options.keys() - {VNIS_OPTION})):
        is_, should = (o.get(key, default.get(key, "unset")) for o in (there.options, spec))
        if is_ != should:
            found.append(f"option {key} {is_}, wanted {should}")
    return found


def users_containers(engine: Engine) -> tuple[str, ...]:
    """Running containers that Overweave did not make: those that somebody would miss."""
    ours = {PROBE_LABEL, SPEC_LABEL}
    return tuple(sorted(c.name for c in engine.containers if c.running and not ours & c.labels.keys()))


def in_use(fleet: Fleet, facts: FleetFacts, plan: Plan) -> list[Refused]:
    """A refusal for each host where users' containers run on the network, if a plan removes it: an engine
    would refuse that too, but only when the anchors are gone already."""
    network = fleet.network.name
    if not any(isinstance(step, RemoveNetwork) and step.name == network for step in plan.steps):
        return []
    found = []
    for name in fleet.names:
        engine = facts.hosts[name].engine
        if not isinstance(engine, Engine):
            continue
        on = {c.name for c in engine.containers if network in c.networks}
        if users := [container for container in users_containers(engine) if container in on]:
            found.append(
                Refused(
                    f"containers are on the overlay here: {', '.join(users[:5])}"
                    + (f" and {len(users) - 5} more" if len(users) > 5 else ""),
                    host=name,
                    hint=f"remove them first, as by `docker rm -f {users[0]}` there, or take them off it: "
                    f"`docker network disconnect {network} {users[0]}`",
                )
            )
    return found


def anchors_there(fleet: Fleet, facts: FleetFacts, why: str) -> list[RemoveContainer]:
    """Removal of the network's anchors from all hosts."""
    return [
        RemoveContainer(its.name, why, c.name)
        for its in facts.hosts.values()
        for c in anchor.there(fleet, its.engine)
    ]


def gateway_bridge(its: HostFacts, why: str) -> list[RemoveNetwork]:
    """Removal of the bridge that an engine makes when the first container joins an overlay, and never
    removes; none where it was there before."""
    engine, before = its.engine, its.before
    if not isinstance(engine, Engine) or before is None or GATEWAY_BRIDGE in before.networks:
        return []
    return [RemoveNetwork(its.name, why, n.name) for n in engine.networks if n.name == GATEWAY_BRIDGE]


def left_over_probes(its: HostFacts) -> list[RemoveContainer]:
    containers = its.engine.containers if isinstance(its.engine, Engine) else ()
    return [RemoveContainer(its.name, LEFT_OVER, c.name) for c in containers if PROBE_LABEL in c.labels]


def unrecorded_on(fleet: Fleet, facts: FleetFacts) -> dict[str, tuple[Attachment, ...]]:
    """Of each host, running containers on what may be an overlay that the store has no record of, or without
    a record of their endpoint; hosts that have none are left out. Nothing while the store does not answer.

    An engine lists the networks that are its own, and those that the store has.
    """
    networks, endpoints = recorded(fleet, facts)
    if networks is None or endpoints is None:
        return {}
    found = {}
    for name, its in facts.hosts.items():
        if not isinstance(its.engine, Engine) or its.engine.swarm:
            continue
        listed = {network.id: network.scope for network in its.engine.networks}
        on = tuple(
            a
            for a in its.engine.attachments
            if a.running
            and a.endpoint
            and (
                a.endpoint not in endpoints and listed.get(a.network, "global") == "global"
                if a.network in networks
                # What its engine lists and the store does not have is in another store.
                else a.network not in listed
            )
        )
        if on:
            found[name] = on
    return found


def recorded(fleet: Fleet, facts: FleetFacts) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Networks and endpoints of which the store has a record; None while that is not known."""
    if facts.store is not None and facts.store.leader:
        return facts.store.networks, facts.store.endpoints
    if facts.store is None and data_are_gone(fleet, facts):
        return frozenset(), frozenset()
    return None, None


def data_are_gone(fleet: Fleet, facts: FleetFacts) -> bool:
    """Whether no host has a store of ours, nor its data. Not known while the engine that is to carry it is
    down."""
    carrier = facts.hosts[fleet.store_host.name].engine
    return (
        isinstance(carrier, Engine)
        and carrier.running
        and not any(store_part.there(its) or store_part.has_data(its) for its in facts.hosts.values())
    )


def networks_are_gone(fleet: Fleet, facts: FleetFacts) -> bool:
    """Whether containers are on networks that the store has no record of. Their engines remember the subnets,
    and can make no network before they are restarted (``Pool overlaps with other one``, measured)."""
    known = recorded(fleet, facts)[0] or frozenset()
    return any(a.network not in known for its in unrecorded_on(fleet, facts).values() for a in its)
