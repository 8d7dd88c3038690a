"""Addresses: does each host have one that its peers reach, and is the wanted subnet free everywhere?"""

from __future__ import annotations

from ipaddress import IPv4Network

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.model import Fleet
from overweave.overlay import addresses

from .finding import Finding, error

FIX = "choose another with --subnet or `network: subnet:`"


def advertised(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    _, refused = addresses(fleet, facts)
    return [error("addresses.advertise", e.message, fix=e.hint, host=e.host) for e in refused]


def subnets(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_subnet(fleet, facts.hosts[name])]


def _of_subnet(fleet: Fleet, its: HostFacts) -> list[Finding]:
    wanted = fleet.network.subnet
    found = [
        error(
            "addresses.routes",
            f"the subnet {wanted} overlaps the route to {route.destination} on {route.interface}",
            host=its.name,
            fix=FIX,
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
