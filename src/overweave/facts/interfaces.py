"""IPv4 addresses and routes of a host."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from overweave.command import Result, query
from overweave.errors import CommandFailed

from .typed import objects, text, whole

QUERIES = (query("ip", "-json", "-4", "address", "show"), query("ip", "-json", "-4", "route", "show"))


@dataclass(frozen=True)
class Interface:
    """``mtu`` in bytes. ``addresses`` are those of global scope, the kernel's first one first."""

    name: str
    mtu: int
    addresses: tuple[IPv4Interface, ...]

    @property
    def is_dockers(self) -> bool:
        """Whether an engine made it, going by its name."""
        return re.fullmatch(r"docker\d+|docker_gwbridge|br-[0-9a-f]{12}|veth.*", self.name) is not None


@dataclass(frozen=True)
class Route:
    """``gateway``: by way of another router, so that what is there is not on this link."""

    destination: IPv4Network
    interface: str
    gateway: bool = False


@dataclass(frozen=True)
class Interfaces:
    all: tuple[Interface, ...]
    routes: tuple[Route, ...]

    def named(self, name: str) -> Interface | None:
        return next((interface for interface in self.all if interface.name == name), None)

    def holding(self, address: str) -> Interface | None:
        """The interface that has an address, or None where the host does not own it."""
        return next((i for i in self.all if any(str(a.ip) == address for a in i.addresses)), None)


def parse(results: Sequence[Result]) -> Interfaces:
    """Raises `CommandFailed` where iproute2 is missing or too old for JSON (before 4.13)."""
    for result in results:
        if not result.ok:
            raise CommandFailed(
                str(result.command), result.status, result.output, hint="install iproute2 4.13 or later"
            )
    try:
        links, routes = (json.loads(result.stdout or "[]") for result in results)
    except RecursionError as e:
        raise ValueError("JSON without an end to its depth") from e
    return Interfaces(
        tuple(
            Interface(
                text(link["ifname"]),
                whole(link["mtu"]),
                tuple(
                    IPv4Interface(f"{a['local']}/{a['prefixlen']}")
                    for a in link["addr_info"]
                    if a["family"] == "inet" and a["scope"] == "global"
                ),
            )
            for link in links
            if link.get("ifname")
        ),
        tuple(_route(r) for r in routes if r.get("type", "unicast") == "unicast"),
    )


def _route(raw: Mapping[str, Any]) -> Route:
    # Of several ways the first one stands for all.
    way = raw if raw.get("dev") else next(iter(objects(raw.get("nexthops"))), {})
    return Route(
        IPv4Network("0.0.0.0/0" if raw["dst"] == "default" else raw["dst"]),
        text(way.get("dev", "")),
        bool(way.get("gateway") or way.get("via")),
    )
