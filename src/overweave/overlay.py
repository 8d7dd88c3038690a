"""The overlay network as it is wanted, and how one that is there differs. Pure."""

from __future__ import annotations

from . import anchor
from .advertise import Advertise, choose
from .errors import Refused
from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .model import MTU_OPTION, PROBE_LABEL, SPEC_LABEL, VXLAN_OVERHEAD, Fleet
from .steps import RemoveContainer


def addresses(fleet: Fleet, facts: FleetFacts) -> tuple[dict[str, Advertise], list[Refused]]:
    return choose(
        {h.name: (h, facts.hosts[h.name].interfaces, facts.hosts[h.name].reached_at) for h in fleet.hosts}
    )


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


def container_mtu(network: NetworkFact) -> int:
    """Bytes that a container on a network can send in one packet: what the network was made for, whatever
    its underlay can do now."""
    return int(network.options.get(MTU_OPTION, 1500)) - VXLAN_OVERHEAD


def network_differences(fleet: Fleet, facts: FleetFacts, there: NetworkFact) -> list[str]:
    """How a network differs from the wanted one, in words; empty where it is the wanted one."""
    if there.driver != "overlay" or there.scope != "global":
        return [f"driver {there.driver} and scope {there.scope}, wanted overlay and global"]
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


def users_containers(engine: Engine) -> tuple[str, ...]:
    """Running containers that Overweave did not make: those that somebody would miss."""
    ours = {PROBE_LABEL, SPEC_LABEL}
    return tuple(sorted(c.name for c in engine.containers if c.running and not ours & c.labels.keys()))


def anchors_there(fleet: Fleet, facts: FleetFacts, why: str) -> list[RemoveContainer]:
    """Removal of the network's anchors from all hosts."""
    return [
        RemoveContainer(its.name, why, c.name)
        for its in facts.hosts.values()
        for c in anchor.there(fleet, its.engine)
    ]


def left_over_probes(its: HostFacts) -> list[RemoveContainer]:
    containers = its.engine.containers if isinstance(its.engine, Engine) else ()
    return [
        RemoveContainer(its.name, "a proof that was broken off left it", c.name)
        for c in containers
        if PROBE_LABEL in c.labels
    ]
