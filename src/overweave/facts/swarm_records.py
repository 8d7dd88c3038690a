"""What a swarm's engines know of its overlays, in the words of a store's records."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from overweave.errors import EngineError
from overweave.model import VNIS_OPTION
from overweave.ports import EngineReader, Json

from .absent import Absent
from .engine import Engine, NetworkFact
from .fleet import FleetFacts
from .libnetwork import Endpoint, Network, Records, Subnet
from .networks import plugs
from .typed import objects, text, told_by_engine

INGRESS = "ingress"


@dataclass(frozen=True)
class Own:
    """What an engine has on the swarm's overlays that its containers are on: ``endpoints`` of its own, which
    answer for services, and the ``peers`` that it sees in each one's gossip, by the network's id."""

    endpoints: tuple[Endpoint, ...] = ()
    peers: Mapping[str, frozenset[str]] = field(default_factory=dict)


def own(engine: EngineReader, its: Engine | Absent, locator: str) -> Own:
    """``locator``: the address that the engine advertises. Raises `EngineError`, also where an answer makes
    no sense."""
    endpoints: list[Endpoint] = []
    peers = {}
    for network in its.networks if isinstance(its, Engine) else ():
        if not _carries(network):
            continue
        try:
            told = engine.network(network.id)
        except EngineError as e:
            # A worker has a network only as long as a container is on it.
            if e.status == 404:
                continue
            raise
        with told_by_engine(
            f"what the engine says of network {network.name} makes no sense",
            f"`docker network inspect {network.name}`",
        ):
            peers[network.id] = frozenset(text(peer.get("IP")) for peer in objects(told.get("Peers")))
            endpoints += _balancers(told, network.id, locator)
    return Own(tuple(endpoints), peers)


def _balancers(told: Json, network: str, locator: str) -> list[Endpoint]:
    return [
        Endpoint(its.id, its.name, network, its.address.partition("/")[0], its.mac, locator)
        for its in plugs(told)
        if its.holder.startswith("lb-")
    ]


def records(facts: FleetFacts, endpoints: tuple[Endpoint, ...] = ()) -> Records | None:
    """None where no manager tells the nodes. ``endpoints`` are only those that no container has: each engine
    says its own else."""
    if facts.swarm is None or not facts.swarm.leader:
        return None
    networks = {
        network.id: _network(network)
        for its in facts.hosts.values()
        if isinstance(its.engine, Engine)
        for network in its.engine.networks
        if _carries(network)
    }
    nodes = frozenset(f"{node.address}:" for node in facts.swarm.nodes.values() if node.ready)
    return Records(nodes, networks, endpoints, (), {})


def _carries(network: NetworkFact) -> bool:
    # The mesh of published ports has endpoints of its own, which no container shows.
    return network.driver == "overlay" and network.scope == "swarm" and network.name != INGRESS


def _network(its: NetworkFact) -> Network:
    vnis = its.options.get(VNIS_OPTION, "").split(",")
    found = []
    # Subnets of IPv6 have no VNI (libnetwork's overlay driver).
    for subnet, vni in zip((s for s in its.subnets if ":" not in s), vnis, strict=False):
        with contextlib.suppress(ValueError):
            found.append(Subnet(IPv4Network(subnet, strict=False), "", int(vni)))
    return Network(its.id, its.name, tuple(found))
