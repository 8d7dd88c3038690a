"""The wanted state: who the hosts are and what network is to span them. Frozen, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path

from .wanted import WantedNetwork

MTU_OPTION = "com.docker.network.driver.mtu"
ENCRYPTED = "encrypted"
VNIS_OPTION = "com.docker.network.driver.overlay.vxlanid_list"
"""Options of an overlay. Engines of a swarm add the last one by themselves."""
PROBE_LABEL = "io.overweave.probe"
SPEC_LABEL = "io.overweave.spec"
ANCHOR_LABEL = "io.overweave.anchor"
"""Labels of the containers that Overweave makes: a probe's run, the digest of what one was made from, and the
network that an anchor is on. Names are no mark: a host can be called by another one the next time."""
VXLAN_OVERHEAD = 50
"""Bytes that VXLAN takes from every packet: a container's MTU is the underlay's minus this."""
ESP_EXPANSION, ESP_UNIT = 26, 4
"""Bytes that engines leave for encryption besides, and what the rest is a multiple of (libnetwork's overlay
driver: `pktExpansion`, `maxMTU`)."""


@dataclass(frozen=True)
class Access:
    """How ssh gets into a host. ``None`` leaves the choice to ~/.ssh/config and its defaults.

    ``key_learnt``: the first host key that it shows is kept in ``known_hosts``, as of a machine that was just
    made on this computer; a changed one is refused as ever.
    """

    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    key_learnt: bool = False


@dataclass(frozen=True)
class Host:
    """``advertise`` is an interface or an IPv4 address of the host; None: the one that faces the peers.

    ``store``: it carries a server of the store; ``manager``: its engine is a manager of the swarm. ``zone``:
    hosts of one fail together; "": each by itself.
    """

    name: str
    access: Access
    advertise: str | None = None
    store: bool = False
    zone: str = ""
    manager: bool = False


@dataclass(frozen=True)
class Network:
    """``mtu`` is the underlay's, in bytes; None: the smallest of the hosts' advertise interfaces."""

    name: str = "overweave"
    subnet: IPv4Network = IPv4Network("10.211.0.0/16")
    mtu: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


CONTAINER, SERVICE = "container", "service"
"""How a host runs its part of the store: in its engine, or beside it."""

NEVER = "never"
PERIODS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400}
"""Seconds between two backups, of the words that systemd's calendar has for it."""


@dataclass(frozen=True)
class Schedule:
    """When every host with a server of the store backs it up into its ``folder``, and how many backups it
    keeps. ``every``: as in 30m, 6h, daily, a calendar expression of systemd's, or `NEVER`."""

    every: str = "daily"
    keep: int = 7
    folder: str = "/var/backups/overweave"

    @property
    def on(self) -> bool:
        return self.every != NEVER

    @property
    def period(self) -> int | None:
        """Seconds; None of a calendar expression."""
        if self.every in PERIODS:
            return PERIODS[self.every]
        found = re.fullmatch(r"(\d+)([mh])", self.every)
        return int(found[1]) * {"m": 60, "h": 3600}[found[2]] if found else None

    @property
    def calendar(self) -> str:
        """As systemd takes it. Backups come at the same times of a day, whenever a host was started."""
        if self.every.endswith("m") and self.period:
            return f"*:0/{self.period // 60}"
        if self.every.endswith("h") and self.period:
            return f"0/{self.period // 3600}:00"
        return self.every


AUTO, CONSUL, ETCD, SWARM = "auto", "consul", "etcd", "swarm"
"""What carries the overlay: what all engines can do, a cluster store in Consul or in etcd, the engines' own
swarm."""
TITLES = {CONSUL: "Consul", ETCD: "etcd"}
"""The kinds of store, the best first, as people write them."""
IMAGES = {CONSUL: "hashicorp/consul:1.15.4", ETCD: "quay.io/coreos/etcd:v3.4.23"}
PORTS = {CONSUL: 8500, ETCD: 2379}
"""What each kind of store is run from, and where it listens, unless somebody says otherwise."""


@dataclass(frozen=True)
class Store:
    """``kind`` is what the inventory says if ``decided``, else what engines turn out to have. ``options`` are
    merged into the store's own configuration file. ``servers``: how many hosts carry one; None: by the
    fleet's size. ``external``: the address of one that somebody else runs, which is used and
    never changed, "" for one of ours. ``tls``: engines use HTTPS on their own host, too, and not only from
    one host to the other. ``run_as``: `CONTAINER`, of ``image``, or `SERVICE`, of the hosts' own program."""

    kind: str = CONSUL
    image: str = IMAGES[CONSUL]
    port: int = PORTS[CONSUL]
    options: Mapping[str, object] = field(default_factory=dict)
    servers: int | None = None
    backup: Schedule = Schedule()
    external: str = ""
    tls: bool = False
    run_as: str = CONTAINER
    decided: bool = False

    def of_kind(self, kind: str) -> Store:
        """The same as another kind, where nobody has decided for one."""
        if kind == self.kind or self.decided:
            return self
        return replace(self, kind=kind, image=IMAGES[kind], port=PORTS[kind])

    @property
    def in_etcd(self) -> bool:
        return self.kind == ETCD

    @property
    def title(self) -> str:
        """Its kind, as people write it."""
        return TITLES[self.kind]

    @property
    def https(self) -> int:
        """The port that takes HTTPS: of Consul beside ``port``, which takes HTTP."""
        return self.port if self.in_etcd else self.port + 1

    @property
    def in_engine(self) -> bool:
        """Whether a host's part of it stops when its engine does."""
        return self.run_as == CONTAINER

    @property
    def logs(self) -> str:
        """The command that shows on a host what its part of it has said."""
        return f"docker logs {self.kind}" if self.in_engine else "journalctl -u overweave-consul"

    @property
    def start(self) -> str:
        """The command that starts a host's part of it."""
        return f"docker start {self.kind}" if self.in_engine else "systemctl start overweave-consul"

    @property
    def place(self) -> str:
        """Where somebody else's is."""
        return f"{self.external}:{self.port}"


@dataclass(frozen=True)
class Swarm:
    """``managers``: how many engines keep the swarm's state; None: by the fleet's size. ``port`` is that of
    VXLAN (UDP). ``pool``: where networks of others that give no subnet get theirs; None: the engines' own.
    ``autolock``: managers that start wait for a key; None: as it is."""

    managers: int | None = None
    port: int = 4789
    pool: IPv4Network | None = None
    autolock: bool | None = None


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
    """Hosts in the order they were given, and what is wanted of them. ``networks`` are those beside the
    overlay; None where the inventory says nothing of them."""

    hosts: tuple[Host, ...]
    network: Network = field(default_factory=Network)
    store: Store = field(default_factory=Store)
    images: Images = field(default_factory=Images)
    backend: str = AUTO
    swarm: Swarm = field(default_factory=Swarm)
    networks: tuple[WantedNetwork, ...] | None = None

    @property
    def in_swarm(self) -> bool:
        return self.backend == SWARM

    @property
    def managers(self) -> tuple[str, ...]:
        """Names of the hosts whose engines are to be the swarm's managers; none without a swarm."""
        if not self.in_swarm:
            return ()
        return tuple(host.name for host in self.hosts if host.manager) or self.names[:1]

    @property
    def store_hosts(self) -> tuple[Host, ...]:
        """The hosts that carry a server of the store: those that are marked, else the first. Of somebody
        else's store: one of those that use it. In a swarm: its managers."""
        if self.in_swarm:
            return tuple(self.host(name) for name in self.managers)
        return tuple(host for host in self.hosts if host.store) or self.hosts[:1]

    @property
    def store_host(self) -> Host:
        """One host that carries a server of the store."""
        return self.store_hosts[0]

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the hosts that carry a server of the store."""
        return () if self.store.external or self.in_swarm else tuple(host.name for host in self.store_hosts)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the hosts that run the store's container. With several servers of Consul those are all
        hosts, and each engine uses its own host's agent: it takes one address only (engine-facts)."""
        return self.names if len(self.servers) > 1 and not self.store.in_etcd else self.servers

    @property
    def https(self) -> bool:
        """Whether engines use the store by HTTPS: a single server is another host's, and without it their
        token would be on the wire for all to read. etcd has no tokens, and knows engines by it."""
        return (
            (self.store.in_etcd and not self.in_swarm)
            or len(self.servers) == 1
            or (self.store.tls and not self.store.external)
        )

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
