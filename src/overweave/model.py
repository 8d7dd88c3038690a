"""The wanted state: who the hosts are and what network is to span them. Frozen, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

MTU_OPTION = "com.docker.network.driver.mtu"
PROBE_LABEL = "io.overweave.probe"
SPEC_LABEL = "io.overweave.spec"
ANCHOR_LABEL = "io.overweave.anchor"
"""Labels of the containers that Overweave makes: a probe's run, the digest of what one was made from, and the
network that an anchor is on. Names are no mark: a host can be called by another one the next time."""
VXLAN_OVERHEAD = 50
"""Bytes that VXLAN takes from every packet: a container's MTU is the underlay's minus this."""


@dataclass(frozen=True)
class Access:
    """How ssh gets into a host. ``None`` leaves the choice to ~/.ssh/config and its defaults."""

    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True)
class Host:
    """``advertise`` is an interface or an IPv4 address of the host; None: the one that faces the peers."""

    name: str
    access: Access
    advertise: str | None = None
    store: bool = False


@dataclass(frozen=True)
class Network:
    """``mtu`` is the underlay's, in bytes; None: the smallest of the hosts' advertise interfaces."""

    name: str = "overweave"
    subnet: IPv4Network = IPv4Network("10.211.0.0/16")
    mtu: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """``options`` are merged into the store's own configuration file."""

    kind: str = "consul"
    image: str = "hashicorp/consul:1.15.4"
    port: int = 8500
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """An image as a file, for hosts without a registry: ``docker save`` output or a plain tar.

    A plain tar carries no metadata, so ``entrypoint`` and ``command`` can be given for it.
    """

    path: Path
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """``probe`` needs busybox's ``sh``, ``ping``, ``nslookup``, ``nc`` and ``awk``."""

    probe: str = "busybox:1.36"
    archives: Mapping[str, Archive] = field(default_factory=dict)


@dataclass(frozen=True)
class Fleet:
    """Hosts in the order they were given, and what is wanted of them."""

    hosts: tuple[Host, ...]
    network: Network = field(default_factory=Network)
    store: Store = field(default_factory=Store)
    images: Images = field(default_factory=Images)

    @property
    def store_host(self) -> Host:
        """The host that carries the store: the one the inventory marks, else the first."""
        return next((host for host in self.hosts if host.store), self.hosts[0])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.hosts)

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)


@dataclass(frozen=True)
class Batch:
    """How many hosts may restart their engine at once: ``count`` of them, or ``percent`` of the fleet."""

    count: int = 0
    percent: int = 0

    def size(self, hosts: int) -> int:
        """At least one, at most all of ``hosts``."""
        if self.percent:
            return max(1, hosts * self.percent // 100)
        return min(self.count, hosts) or hosts


ALL_AT_ONCE = Batch()


def spec_digest(spec: Mapping[str, object]) -> str:
    """What `SPEC_LABEL` holds: it changes with anything that would make the container another one."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def container_name(prefix: str, host: str) -> str:
    """A container name, and so a DNS name, that tells the host; Docker allows no colons, IPv6 has them."""
    return f"{prefix}-{host.replace(':', '-')}"


def tagged(image: str) -> str:
    """As the engine lists it: ``busybox`` is ``busybox:latest``."""
    return image if ":" in image.rsplit("/", 1)[-1] else f"{image}:latest"
