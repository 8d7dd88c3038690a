"""A network that the inventory lists: what it is to be, where, and which containers join it. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

LABEL = "io.overweave.network"
"""Of the networks that were made because an inventory lists them: only those are ever removed."""

OVERLAY, BRIDGE, MACVLAN, IPVLAN = "overlay", "bridge", "macvlan", "ipvlan"
DRIVERS = (OVERLAY, BRIDGE, MACVLAN, IPVLAN)
ON_PARENT = (MACVLAN, IPVLAN)
"""Drivers whose networks are on an interface of each host, and one wire for all of them."""
DEFAULT_MODES = {MACVLAN: "bridge", IPVLAN: "l2"}
"""What an engine takes where no mode is given."""


@dataclass(frozen=True)
class Subnet:
    """``ranges`` are what each host gives out, by its name; hosts without one give out all of it.
    ``reserved`` are addresses that nobody gives out, by name; ``shims`` those that are kept for the hosts
    themselves, whether they have a shim by now or not."""

    subnet: IPv4Network
    gateway: IPv4Address
    ranges: Mapping[str, IPv4Network] = field(default_factory=dict)
    reserved: Mapping[str, IPv4Address] = field(default_factory=dict)
    shims: Mapping[str, IPv4Address] = field(default_factory=dict)


@dataclass(frozen=True)
class Joining:
    """A container of a host that is to be on a network; ``address`` is "" where any will do."""

    host: str
    container: str
    aliases: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True)
class WantedNetwork:
    """``hosts`` are the names of those that have it. ``mtu`` in bytes is the underlay's of an overlay, the
    containers' of a bridge; None: as a deployment chooses it. ``attachable`` is of a swarm's overlay.
    ``parents``: the interface of each host that it is on, with the VLAN's number if it is a VLAN's, as in
    ``eth1.50``; ``mode`` is "" for the driver's own default."""

    name: str
    driver: str
    hosts: tuple[str, ...]
    subnets: tuple[Subnet, ...] = ()
    mtu: int | None = None
    internal: bool = False
    attachable: bool = True
    encrypted: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    mode: str = ""
    shim: bool = False
    containers: tuple[Joining, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether it is one network for all hosts, which is made once."""
        return self.driver == OVERLAY

    @property
    def across(self) -> bool:
        """Whether containers of several hosts reach each other on it."""
        return self.driver != BRIDGE
