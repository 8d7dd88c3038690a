"""What engines keep in the cluster store: networks, endpoints, addresses given out, registered engines.

The keys and values are libnetwork's, as engines up to 20.10 write them (measured on 20.10.5). They are
anybody's who reaches the store: a value that is not as it should be is left out and named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from overweave.printable import one_line

from . import address_mask
from .address_mask import AddressMask, number_of
from .typed import objects, text, whole

ROOT = "docker/"
NODES = f"{ROOT}nodes/"
NETWORKS = f"{ROOT}network/v1.0/network/"
ENDPOINTS = f"{ROOT}network/v1.0/endpoint/"
OVERLAYS = f"{ROOT}network/v1.0/overlay/network/"
SUBNETS = f"{ROOT}network/v1.0/ipam/default/data/GlobalDefault/"
LONGEST = 1 << 20
"""Bytes of a value that is worth parsing; Consul takes 512 KiB."""


@dataclass(frozen=True)
class Endpoint:
    """``locator`` is the address that its engine advertises, "" where the engine wrote none."""

    id: str
    name: str
    network: str
    address: str
    mac: str
    locator: str


@dataclass(frozen=True)
class Subnet:
    """One subnet of an overlay. ``gateway`` is an address without its length."""

    subnet: IPv4Network
    gateway: str
    vni: int


@dataclass(frozen=True)
class Network:
    id: str
    name: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True)
class Pool:
    """The addresses of a subnet, as they are given out by all engines together. ``key`` is the store's."""

    key: str
    subnet: IPv4Network
    mask: AddressMask

    @property
    def used(self) -> int:
        return self.mask.bits - self.mask.free

    def holds(self, address: str) -> bool:
        """Whether an address is given out. Raises `ValueError` where it is not of this subnet."""
        return self.mask.taken(number_of(address, self.subnet))


@dataclass(frozen=True)
class Records:
    """``sizes`` are the bytes of all values by key; ``unreadable`` names keys whose value makes no sense.
    ``recorded`` are the ids of all endpoints that have a key, whatever its value."""

    nodes: frozenset[str]
    networks: Mapping[str, Network]
    endpoints: tuple[Endpoint, ...]
    pools: tuple[Pool, ...]
    sizes: Mapping[str, int]
    unreadable: tuple[str, ...] = ()
    recorded: frozenset[str] = frozenset()


def parse(tree: Mapping[str, bytes]) -> Records:
    """From all keys under `ROOT`."""
    unreadable: list[str] = []

    def values(prefix: str, depth: int) -> Iterator[tuple[list[str], Any]]:
        for key, value in tree.items():
            parts = key.removeprefix(prefix).strip("/").split("/")
            if not key.startswith(prefix) or len(parts) != depth or not (value or depth > 1):
                continue
            try:
                if len(value) > LONGEST:
                    raise ValueError("it is too long")
                yield parts, json.loads(value)
            except (ValueError, RecursionError):
                unreadable.append(one_line(key, 200))

    def made(make: Any, prefix: str, depth: int) -> list[Any]:
        found = []
        for parts, value in values(prefix, depth):
            try:
                found.append(make(parts, value))
            except (ValueError, LookupError, TypeError, AttributeError):
                unreadable.append(one_line(prefix + "/".join(parts), 200))
        return found

    subnets = dict(made(_subnets, OVERLAYS, 1))
    networks = {
        id_: Network(id_, name, subnets.get(id_, ()))
        for id_, name, kind in made(_network, NETWORKS, 1)
        if kind == "overlay"
    }
    return Records(
        nodes=frozenset(one_line(key.removeprefix(NODES), 100) for key in tree if key.startswith(NODES)),
        networks=networks,
        endpoints=tuple(e for e in made(_endpoint, ENDPOINTS, 2) if e.network in networks),
        pools=tuple(_pools(tree, unreadable)),
        sizes={one_line(key, 200): len(value) for key, value in tree.items()},
        unreadable=tuple(unreadable),
        recorded=ids(tree, ENDPOINTS, 2),
    )


def ids(keys: Iterable[str], prefix: str, depth: int) -> frozenset[str]:
    """The last parts of the keys that are ``depth`` parts below a prefix: ids of networks or endpoints."""
    found = (key.removeprefix(prefix).strip("/").split("/") for key in keys if key.startswith(prefix))
    return frozenset(one_line(parts[-1], 100) for parts in found if len(parts) == depth and parts[-1])


def _network(parts: list[str], raw: Any) -> tuple[str, str, str]:
    return text(parts[0]), text(raw["name"]), text(raw["networkType"])


def _subnets(parts: list[str], raw: Any) -> tuple[str, tuple[Subnet, ...]]:
    """The overlay driver's own record: an object, or the bare list that older engines wrote."""
    listed = raw["subnets"] if isinstance(raw, dict) else raw
    if not listed:
        raise ValueError("it has no subnet")
    return text(parts[0]), tuple(
        Subnet(
            IPv4Network(text(its["SubnetIP"])),
            str(IPv4Interface(text(its["GwIP"])).ip),
            whole(its["Vni"]),
        )
        for its in objects(listed)
    )


def _endpoint(parts: list[str], raw: Any) -> Endpoint:
    interface = raw["ep_iface"]
    return Endpoint(
        id=text(parts[1]),
        name=text(raw["name"]),
        network=text(parts[0]),
        address=str(IPv4Interface(text(interface["addr"])).ip) if interface.get("addr") else "",
        mac=text(interface.get("mac") or "").lower(),
        locator=text(raw.get("locator") or ""),
    )


def _pools(tree: Mapping[str, bytes], unreadable: list[str]) -> Iterator[Pool]:
    for key, value in tree.items():
        subnet = key.removeprefix(SUBNETS).strip("/")
        if not key.startswith(SUBNETS) or not subnet or not value:
            continue
        try:
            yield Pool(key, IPv4Network(subnet), address_mask.parse(value[:LONGEST]))
        except ValueError:
            unreadable.append(one_line(key, 200))
