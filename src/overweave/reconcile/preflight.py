"""What would break a wanted network on a host, as far as it can be seen before it is made. Pure.

Whether a hypervisor or a switch drops frames of other MACs than a host's own can't be seen from inside: the
proof behind the change measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.parents import Parent, Parents
from overweave.model import Fleet
from overweave.preflight.finding import Finding, error, warning
from overweave.wanted import BRIDGE, MACVLAN, ON_PARENT, WantedNetwork

DROPS = {
    "vmware": "its port group needs promiscuous mode, MAC address changes and forged transmits",
    "microsoft": "its adapter needs `Set-VMNetworkAdapter -MacAddressSpoofing On`",
    "amazon": "its network takes no address but those of the instance",
    "google": "its network takes no address but those of the instance",
    "oracle": "its adapter needs promiscuous mode 'Allow All'",
}
"""Virtual machines, by systemd-detect-virt, that let no frames of other MACs pass as they come."""


def findings(fleet: Fleet, facts: FleetFacts, parents: Mapping[str, Parents]) -> list[Finding]:
    """Everything that was found about all networks of the inventory. ``parents`` are of the hosts that have
    macvlan or ipvlan networks."""
    found: list[Finding] = []
    for network in fleet.networks or ():
        hosts = [name for name in network.hosts if name in fleet.names]
        if network.driver in ON_PARENT:
            for host in hosts:
                found += _of_parent(network, host, parents[host])
                found += _in_use(network, host, facts)
            found += _sizes(network, {h: parents[h] for h in hosts})
            found += _taken(network, fleet, facts)
        elif network.driver == BRIDGE:
            for host in hosts:
                found += _routes(network, host, facts)
    return found


def _of_parent(network: WantedNetwork, host: str, its: Parents) -> Iterator[Finding]:
    name, driver = network.parents[host], network.driver
    at = f"network {network.name}"
    base, dot, _ = name.partition(".")
    for kind in (driver, *(["vlan"] if dot else [])):
        if why := its.lacks.get(kind):
            yield error(
                "networks.kernel",
                f"{at}: its kernel can make no {kind} interface: {why}",
                fix=f"`modprobe {'8021q' if kind == 'vlan' else kind}` there, or a kernel that has it",
                host=host,
            )
    parent = its.interfaces.get(name) or its.interfaces.get(base)
    if parent is None:
        yield error(
            "networks.parent",
            f"{at}: there is no interface {base}",
            fix=f"name one of {', '.join(_candidates(its)) or 'its own'} by `parent` or `parents`",
            host=host,
        )
        return
    if not parent.up:
        yield error(
            "networks.parent",
            f"{at}: {parent.name} is down",
            fix=f"`ip link set {parent.name} up` there",
            host=host,
        )
    if parent.bridge:
        yield error(
            "networks.parent",
            f"{at}: {parent.name} is a port of the bridge {parent.bridge}, which takes all its frames",
            fix=f"name {parent.bridge} as the parent",
            host=host,
        )
    if parent.wireless and driver == MACVLAN:
        yield error(
            "networks.parent",
            f"{at}: {parent.name} is wireless: access points take frames of its own MAC alone",
            fix="take `driver: ipvlan`, whose containers have the MAC of the parent",
            host=host,
        )
    if driver == MACVLAN and its.machine in DROPS:
        yield warning(
            "networks.machine",
            f"{at}: it is a virtual machine of {its.machine}, which may drop frames of other MACs",
            matters="containers reach nobody on other hosts then; the proof measures it",
            fix=f"{DROPS[its.machine]}; or `driver: ipvlan`",
            host=host,
        )


def _candidates(its: Parents) -> list[str]:
    def fits(parent: Parent) -> bool:
        return parent.name != "lo" and not parent.name.startswith(("veth", "docker", "br-", "ow-"))

    return [name for name, parent in its.interfaces.items() if fits(parent)]


def _in_use(network: WantedNetwork, host: str, facts: FleetFacts) -> Iterator[Finding]:
    engine = facts.hosts[host].engine
    for other in engine.networks if isinstance(engine, Engine) else ():
        on_parent = other.driver in ON_PARENT and other.options.get("parent") == network.parents[host]
        if other.name != network.name and on_parent:
            yield error(
                "networks.parent",
                f"network {network.name}: {network.parents[host]} is the parent of the docker network "
                f"{other.name}, and an engine has one network on each",
                fix=f"give it another parent or a `vlan:`, or `docker network rm {other.name}` there",
                host=host,
            )


def _sizes(network: WantedNetwork, parents: Mapping[str, Parents]) -> Iterator[Finding]:
    sizes = {}
    for host, its in parents.items():
        name = network.parents[host]
        parent = its.interfaces.get(name) or its.interfaces.get(name.partition(".")[0])
        if parent:
            sizes[host] = parent.mtu
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{network.parents[host]} of {host} has {size}" for host, size in sizes.items())
        yield error(
            "networks.mtu",
            f"network {network.name}: its parents have different MTUs: {told}",
            matters="larger packets are lost without a word: nobody on one wire cuts them",
            fix="give all of them the same with `ip link set INTERFACE mtu BYTES`",
        )


def _taken(network: WantedNetwork, fleet: Fleet, facts: FleetFacts) -> Iterator[Finding]:
    """Hosts' own addresses that an engine would give to a container."""
    for subnet in network.subnets:
        kept = {subnet.gateway, *subnet.reserved.values()}
        for host in fleet.names:
            for interface in facts.hosts[host].interfaces.all:
                for address in (a.ip for a in interface.addresses if not interface.name.startswith("ow-")):
                    owner = next((h for h, part in subnet.ranges.items() if address in part), "")
                    if owner and address not in kept:
                        yield error(
                            "networks.address",
                            f"network {network.name}: {address} of {interface.name} is in the range "
                            f"{subnet.ranges[owner]} that {owner} gives to containers",
                            fix="give a `range` without it, or name it under `reserved`",
                            host=host,
                        )


def _routes(network: WantedNetwork, host: str, facts: FleetFacts) -> Iterator[Finding]:
    engine = facts.hosts[host].engine
    mine: set[IPv4Network] = set()
    if isinstance(engine, Engine) and (there := engine.network(network.name)):
        mine = {IPv4Network(text, strict=False) for text in there.subnets if ":" not in text}
    for subnet in network.subnets:
        for route in facts.hosts[host].interfaces.routes:
            beyond = route.gateway and route.destination.prefixlen < subnet.subnet.prefixlen
            if route.destination.overlaps(subnet.subnet) and route.destination not in mine and not beyond:
                yield error(
                    "networks.routes",
                    f"network {network.name}: its subnet {subnet.subnet} overlaps the route to "
                    f"{route.destination} on {route.interface}",
                    fix="choose another subnet",
                    host=host,
                )
