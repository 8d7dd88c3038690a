"""Network namespaces of a host: links, neighbours, forwarding rows and routes of each.

The engine keeps one for each overlay network that is in use there (``3-8a3fc0d1e2``: an epoch and the first
ten characters of the network's id), and one for each container (twelve hex digits).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from overweave.command import Query, Result, query_script
from overweave.errors import OverweaveError
from overweave.printable import one_line
from overweave.render import script

HOST = "host"
"""The name of the host's own namespace."""
OVERLAYS = "[0-9]*-*"
"""Matches the namespaces of overlay networks."""


FOLDER = "/var/run/docker/netns"
"""Docker's folder of namespaces: overlays' are named by epoch and id, sandboxes' by chance."""


@dataclass(frozen=True)
class Link:
    """A network device. ``kind`` is ``vxlan``, ``bridge``, ``veth``, … or "" for hardware.

    ``peer`` is the other end of a veth pair: the index of that link, in a namespace of its own. ``vni``,
    ``port`` (UDP) and ``local`` are of a vxlan device. ``addresses`` are IPv4 in CIDR form.
    """

    name: str
    index: int
    kind: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    master: str
    peer: int
    vni: int
    port: int
    local: str
    addresses: tuple[str, ...]
    sent: int
    received: int


@dataclass(frozen=True)
class Neighbour:
    address: str
    mac: str
    device: str
    permanent: bool


@dataclass(frozen=True)
class Forwarding:
    """Packets for ``mac`` go to the host with the address ``vtep``; "" for the row of a local link."""

    mac: str
    device: str
    vtep: str
    permanent: bool


@dataclass(frozen=True)
class Route:
    """``destination`` is in CIDR form or ``default``; ``gateway`` "" where it is on the link."""

    destination: str
    gateway: str
    device: str
    source: str


@dataclass(frozen=True)
class Namespace:
    """``inode`` tells namespaces apart, whatever path leads to them."""

    name: str
    inode: int
    links: tuple[Link, ...]
    neighbours: tuple[Neighbour, ...]
    forwarding: tuple[Forwarding, ...]
    routes: tuple[Route, ...]

    def link(self, name: str) -> Link | None:
        return next((link for link in self.links if link.name == name), None)

    def vxlans(self) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.kind == "vxlan")

    def interface(self, mac: str, address: str) -> Link | None:
        """The link of an endpoint: by its MAC, else by its IPv4 address."""
        by_mac = (link for link in self.links if mac and link.mac == mac)
        owned = (link for link in self.links if address in (a.partition("/")[0] for a in link.addresses))
        return next(by_mac, None) or next(owned, None)

    def other_end(self, link: Link) -> Link | None:
        """The other end of a pair of devices, one of which is in another namespace: each has the other's
        index, which is its own only in its namespace."""
        return next((x for x in self.links if x.index == link.peer and x.peer == link.index), None)

    @property
    def bridged(self) -> bool:
        """Whether every container's pair of devices is on a bridge: one that is not reaches nobody, and
        nobody is asked for neighbours."""
        return all(link.master for link in self.links if link.kind == "veth")

    def knows(self, address: str) -> bool:
        """Whether there is a neighbour row for a container's address."""
        return any(n.address == address and n.mac for n in self.neighbours)

    def vtep_of(self, address: str, mac: str = "") -> str:
        """Where packets for a container's address are sent; "" without a forwarding row.

        ``mac`` is the container's, for when there is no neighbour row: at the next ARP for it, the engine
        writes that one anew (measured with Docker 20.10), and till then containers go by what they know.
        """
        macs = {n.address: n.mac for n in self.neighbours if n.mac}
        where = {f.mac: f.vtep for f in self.forwarding if f.vtep}
        return where.get(macs.get(address, mac), "")


@dataclass(frozen=True)
class Look:
    """A query for namespaces, and the mark that parts its answer."""

    query: Query
    mark: str


def ask(*wanted: str, links_only: bool = False) -> Look:
    """``wanted`` are names or patterns of namespaces in Docker's folder, paths, or "" for the host's own.

    ``links_only``: links with their addresses and without their counters, which is a third of the programs
    to start where there are hundreds of namespaces.
    """
    mark = secrets.token_hex(16)
    parts = "links" if links_only else "all"
    return Look(query_script(script("look-at-namespaces.sh"), mark, parts, *wanted), mark)


def all_of_host(result: Result, mark: str, host: str) -> dict[str, Namespace]:
    """`parse`, with the host's own. Raises `OverweaveError` where that was not seen."""
    found = parse(result, mark)
    if not result.ok or HOST not in found:
        said = one_line(result.stderr.strip(), 200) or "the host's own is not in the answer"
        raise OverweaveError(
            f"its network namespaces could not be looked at: {said}",
            host=host,
            hint="is iproute2 4.13 or later there, and nsenter?",
        )
    return found


def parse(result: Result, mark: str) -> dict[str, Namespace]:
    """By name. A namespace that went while it was looked at is left out."""
    parts = result.stdout.split(f"{mark}\n")
    found = {}
    for at in range(0, len(parts) - 5, 5):
        name, inode = _title(parts[at])
        links, neighbours, forwarding, routes = (_objects(part) for part in parts[at + 1 : at + 5])
        # iproute2 prints an empty object for each link that a filter leaves out.
        links = [raw for raw in links if raw.get("ifname")]
        if not links:
            continue
        found[name] = Namespace(
            name=name,
            inode=inode,
            links=tuple(_link(raw) for raw in links),
            neighbours=tuple(
                Neighbour(
                    _text(raw, "dst"),
                    _text(raw, "lladdr").lower(),
                    _text(raw, "dev"),
                    "PERMANENT" in _list(raw, "state"),
                )
                for raw in neighbours
            ),
            forwarding=tuple(
                Forwarding(
                    _text(raw, "mac").lower(),
                    _text(raw, "ifname"),
                    _text(raw, "dst"),
                    raw.get("state") == "permanent",
                )
                for raw in forwarding
            ),
            routes=tuple(
                Route(_text(raw, "dst"), _text(raw, "gateway"), _text(raw, "dev"), _text(raw, "prefsrc"))
                for raw in routes
            ),
        )
    return found


def pattern(network: str) -> str:
    """Finds the namespaces of an overlay by its id, and maybe others: see `belongs`."""
    return f"*-{network[:6]}*"


def belongs(name: str, network: str) -> bool:
    """Whether a namespace in Docker's folder is that of the overlay with this id.

    libnetwork cuts the whole name to 12 characters (``osl.GenerateKey``), so that a large epoch leaves fewer
    of the id.
    """
    number, dash, rest = name.partition("-")
    return (
        bool(dash and rest) and number.isascii() and number.isdigit() and name == f"{number}-{network}"[:12]
    )


def epoch(name: str) -> int:
    """The number before the dash of an overlay's namespace; -1 where there is none."""
    number = name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else -1


def newest(found: Mapping[str, Namespace], network: str) -> Namespace | None:
    """Of the namespaces of one network, by its id: a killed engine may leave one, and makes the next with a
    higher epoch."""
    its = (space for name, space in found.items() if belongs(name, network))
    return max(its, key=lambda space: epoch(space.name), default=None)


def _title(part: str) -> tuple[str, int]:
    name, _, inode = part.strip().rpartition(" ")
    return one_line(name, 200), int(inode) if inode.isascii() and inode.isdigit() else 0


def _objects(part: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(part.strip() or "[]")
    except (ValueError, RecursionError):
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _link(raw: Mapping[str, Any]) -> Link:
    info = _map(raw, "linkinfo")
    data = _map(info, "info_data")
    stats = _map(raw, "stats64") or _map(raw, "stats")
    flags = _list(raw, "flags")
    return Link(
        name=_text(raw, "ifname"),
        index=_number(raw, "ifindex"),
        kind=_text(info, "info_kind"),
        mac=_text(raw, "address").lower(),
        mtu=_number(raw, "mtu"),
        up="UP" in flags,
        carrier="LOWER_UP" in flags,
        master=_text(raw, "master"),
        peer=_number(raw, "link_index"),
        vni=_number(data, "id"),
        port=_number(data, "port"),
        local=_text(data, "local"),
        addresses=tuple(_addresses(raw.get("addr_info"))),
        sent=_number(_map(stats, "tx"), "packets"),
        received=_number(_map(stats, "rx"), "packets"),
    )


def _addresses(value: object) -> Iterable[str]:
    for raw in value if isinstance(value, list) else ():
        if isinstance(raw, dict) and raw.get("family") == "inet":
            yield f"{_text(raw, 'local')}/{_number(raw, 'prefixlen')}"


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _list(raw: Mapping[str, Any], key: str) -> list[Any]:
    value = raw.get(key)
    return value if isinstance(value, list) else []


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return one_line(value, 100) if isinstance(value, str) else ""


def _number(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
