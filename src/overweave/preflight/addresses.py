"""Addresses: does each host have one that its peers reach, and is the wanted subnet free everywhere?"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.model import Fleet
from overweave.overlay import addresses

from .finding import Finding, error, warning

NAT = "10.0.2.15"
"""What VirtualBox gives to every machine that is made with Vagrant."""
ENOUGH = 4
"""Addresses of the overlay for each host: its anchor, a probe, and two for its user."""
LEAST = 2
TAKEN = 3
"""Addresses of a subnet that no container can have: its first, its last and the gateway's."""

FIX = "choose another with --subnet or `network: subnet:`"


def advertised(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    _, refused = addresses(fleet, facts)
    return [error("addresses.advertise", e.message, fix=e.hint, host=e.host) for e in refused]


def nat(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """The one address that is known to reach nobody, by name."""
    chosen, _ = addresses(fleet, facts)
    if len(fleet.hosts) < 2:
        return []
    found = []
    for name, its in chosen.items():
        if its.address == NAT:
            others = [
                f"{i.name} ({a.ip})"
                for i in facts.hosts[name].interfaces.all
                for a in i.addresses
                if str(a.ip) != NAT and not i.is_dockers
            ]
            found.append(
                error(
                    "addresses.nat",
                    f"it would advertise {NAT}, which VirtualBox gives to every machine behind its NAT",
                    matters="no other host reaches it there (moby/moby#17248)",
                    fix=f"`advertise:` in the inventory: it has {', '.join(others) or 'no other'}",
                    host=name,
                )
            )
    return found


def ways(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Do packets to the peers leave by the interface whose address is advertised?"""
    chosen = {name: its for name, its in addresses(fleet, facts)[0].items() if its.address != NAT}
    found = []
    for name, its in chosen.items():
        by_interface: dict[str, list[str]] = {}
        for other, peer in chosen.items():
            if other != name and (way := _way(facts.hosts[name], peer.address)) != its.interface:
                by_interface.setdefault(way, []).append(other)
        for way, others in by_interface.items():
            found.append(
                warning(
                    "addresses.interface",
                    f"packets to {', '.join(others)} leave by {way}, but {its.address} of {its.interface} is "
                    "advertised"
                    if way
                    else f"it has no route to {', '.join(others)}",
                    matters="answers come back another way, where a firewall may drop them (moby/moby#17248)",
                    fix=f"`advertise: {way}` in the inventory, or a route through {its.interface}"
                    if way
                    else "see `ip route`",
                    host=name,
                )
            )
    return found


def _way(its: HostFacts, address: str) -> str:
    """The interface of the narrowest route to an address, "" where there is none."""
    wanted = IPv4Address(address)
    fitting = [route for route in its.interfaces.routes if wanted in route.destination]
    return max(fitting, key=lambda route: route.destination.prefixlen).interface if fitting else ""


def resolvers(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [
        error(
            "addresses.resolvers",
            f"it asks {resolver} for names, which is inside the subnet {fleet.network.subnet}",
            matters="containers of the overlay would look for it among themselves (moby/moby#19499)",
            host=name,
            fix=FIX,
        )
        for name, machine in facts.machines.items()
        for resolver in machine.names.resolvers
        if resolver in fleet.network.subnet
    ]


def room(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    subnet, hosts = fleet.network.subnet, len(fleet.hosts)
    usable = max(subnet.num_addresses - TAKEN, 0)
    if usable >= ENOUGH * hosts:
        return []
    enough = usable >= LEAST * hosts
    make = warning if enough else error
    return [
        make(
            "addresses.room",
            f"{subnet} has {usable} addresses for containers on {hosts} hosts",
            matters="Overweave takes two on each host, and the rest is soon used up (moby/moby#43052)"
            if enough
            else "Overweave takes two on each host",
            fix="choose a larger one with --subnet or `network: subnet:`",
        )
    ]


def subnets(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_subnet(fleet, facts.hosts[name])]


def _of_subnet(fleet: Fleet, its: HostFacts) -> list[Finding]:
    wanted = fleet.network.subnet
    # Behind a router a wider route may lead anywhere, as to a whole company's 10.0.0.0/8, or to a VPN that
    # takes everything in two halves.
    found = []
    for route in its.interfaces.routes:
        if route.destination.prefixlen > 1 and route.destination.overlaps(wanted):
            beyond = route.gateway and route.destination.prefixlen < wanted.prefixlen
            found.append(
                (warning if beyond else error)(
                    "addresses.routes",
                    f"the subnet {wanted} overlaps the route to {route.destination} on {route.interface}",
                    matters="containers do not reach what is there" if beyond else "",
                    host=its.name,
                    fix=FIX,
                )
            )
    routed = {route.destination for route in its.interfaces.routes}
    networks = its.engine.networks if isinstance(its.engine, Engine) else ()
    for network in networks:
        for text in network.subnets:
            subnet = _ipv4(text)
            mine = network.name == fleet.network.name
            if subnet and not mine and subnet not in routed and subnet.overlaps(wanted):
                found.append(
                    error(
                        "addresses.networks",
                        f"the subnet {wanted} overlaps {subnet} of the docker network {network.name}",
                        host=its.name,
                        fix=FIX,
                    )
                )
    return found


def _ipv4(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None
