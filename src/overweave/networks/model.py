"""Networks as they are: rows of a table for the fleet, and the container network model of each host.

In that model (Docker's, of libnetwork) a *sandbox* is a network namespace with its DNS, an *endpoint* joins a
sandbox to a network, and a *network* is whose endpoints reach each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Presence:
    """A network on one host. ``vnis`` are those of its vxlan devices there, and those that its engine tells.

    ``endpoints`` counts what is plugged in there, None where the engine did not tell; ``listed`` is false
    where containers are on it and the engine does not list it.
    """

    id: str
    subnets: tuple[str, ...]
    vnis: tuple[int, ...]
    endpoints: int | None
    listed: bool = True


@dataclass(frozen=True)
class Row:
    """One network of all hosts, or local ones that have all of this in common. ``driver`` and ``scope`` are
    "" where no engine told them.

    ``elsewhere`` are names of endpoints of a network of many hosts which none of the hosts that were asked
    has.
    """

    name: str
    driver: str
    scope: str
    flags: tuple[str, ...]
    hosts: Mapping[str, Presence]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Device:
    """``peer`` is the index of the other end, or of what it is on; ``master`` the bridge that it is in."""

    name: str
    index: int
    kind: str
    up: bool
    mtu: int
    mac: str
    addresses: tuple[str, ...]
    peer: int
    master: str


@dataclass(frozen=True)
class Vxlan:
    """``port`` is UDP's; ``peers`` counts the MACs that are forwarded to each address of another host."""

    device: Device
    vni: int
    port: int
    peers: Mapping[str, int]


@dataclass(frozen=True)
class Endpoint:
    """``holder`` is the container, or the word for a sandbox that the engine has for itself; "" where there
    is none. ``interface`` is in the sandbox, and ``port`` the other end of its veth pair, on the host or in
    the overlay's namespace. ``parent`` is the host's device that a macvlan or an ipvlan interface is on.
    """

    id: str
    name: str
    holder: str
    address: str
    mac: str
    sandbox: str
    interface: Device | None = None
    port: Device | None = None
    parent: str = ""
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkTree:
    """``namespace`` is the overlay's, "" for one that is in the host's own. ``waiting`` are stopped
    containers that join it when they start."""

    id: str
    name: str
    driver: str
    scope: str
    subnets: tuple[str, ...]
    vnis: tuple[int, ...]
    flags: tuple[str, ...]
    namespace: str
    bridges: tuple[Device, ...]
    vxlans: tuple[Vxlan, ...]
    endpoints: tuple[Endpoint, ...]
    waiting: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """A container in a sandbox. ``joined``: in that of another one, as with ``--network container:``."""

    name: str
    pid: int
    joined: bool


@dataclass(frozen=True)
class Sandbox:
    """``key`` is its name in Docker's folder of namespaces. ``own``: it is the network of the host itself.
    ``name_servers`` are those in the containers' resolv.conf. ``waiting`` are stopped containers that share
    it when they start."""

    key: str
    inode: int
    own: bool
    members: tuple[Member, ...]
    name_servers: tuple[str, ...]
    devices: tuple[Device, ...]
    waiting: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostTree:
    host: str
    networks: tuple[NetworkTree, ...]
    sandboxes: tuple[Sandbox, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """All that is not as it should be here."""
        return (
            *(w for n in self.networks for w in (*n.wrong, *(w for e in n.endpoints for w in e.wrong))),
            *(w for s in self.sandboxes for w in s.wrong),
        )

    def sandbox(self, key: str) -> Sandbox | None:
        return next((s for s in self.sandboxes if key and s.key == key), None)


@dataclass(frozen=True)
class Overview:
    """``hosts`` are all that were asked, and ``problems`` why some told nothing, or not all. ``trees`` is
    None where they were not asked for. ``wrong`` are the host and what is not as it should be there; without
    trees, what shows in the engines' own lists. ``names`` are of the hosts by the addresses that they have.
    """

    hosts: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    trees: tuple[HostTree, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every host told all that it was asked."""
        return not self.problems
