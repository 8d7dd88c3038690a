"""The lab's wire: one bridge, and for each host a network namespace and a cable into it."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from overweave.errors import LabUnavailable

from .shell import must, run
from .spec import Spec

DEFAULT_SUBNETS = tuple(IPv4Network(f"10.96.{third}.0/24") for third in range(256))
MTU = 1500
"""Bytes; what every host's eth0 starts with."""


def used_subnets() -> list[IPv4Network]:
    """Every IPv4 range that this machine has a route to, the default route aside."""
    routes = json.loads(must("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    return [
        IPv4Network(r["dst"], strict=False)
        for r in routes
        if r["dst"][0].isdigit() and r["dst"] != "0.0.0.0/0"
    ]


def free_subnet(wanted: IPv4Network | None, promised: list[IPv4Network]) -> IPv4Network:
    """``wanted`` if nothing on this machine uses it, or else the first default subnet that is free.

    ``promised`` are the subnets of other labs. Raises `LabUnavailable` if there is none.
    """
    used = [*used_subnets(), *promised]
    for subnet in DEFAULT_SUBNETS if wanted is None else (wanted,):
        clash = next((other for other in used if other.overlaps(subnet)), None)
        if clash is None:
            return subnet
    raise LabUnavailable(
        f"{wanted or '10.96.0.0/16'} is in use: this machine or a lab has {clash}",
        hint="give the lab another subnet",
    )


def make_bridge(spec: Spec) -> None:
    """Make the bridge unless it is there. The machine gets the subnet's first address on it."""
    if not _exists(spec.bridge):
        # With an address of its own the bridge doesn't take that of its lowest port, which changes
        # whenever a host comes or goes and would make every neighbour table wrong.
        address = ("address", _mac(spec.gateway))
        must("ip", "link", "add", spec.bridge, *address, "mtu", str(MTU), "type", "bridge")
    must("ip", "link", "set", spec.bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
    must("ip", "address", "replace", f"{spec.gateway}/{spec.network.prefixlen}", "dev", spec.bridge)
    must("ip", "link", "set", spec.bridge, "up")
    if not run("iptables", "-w", "-C", *_forward(spec)).ok:
        must("iptables", "-w", "-I", *_forward(spec))


def remove_bridge(spec: Spec) -> None:
    while run("iptables", "-w", "-D", *_forward(spec)).ok:
        pass
    if _exists(spec.bridge):
        must("ip", "link", "delete", spec.bridge)


def plug_in(spec: Spec, number: int) -> None:
    """Make a host's namespace with a configured eth0, so that it answers ARP before anything boots."""
    unplug(spec, number)
    namespace, veth = spec.namespace(number), spec.veth(number)
    must("ip", "netns", "add", namespace)
    must(
        *("ip", "link", "add", veth, "mtu", str(MTU), "type", "veth"),
        # The same after every power cycle, as a real card's: neighbours remember it for half a minute.
        *("peer", "name", "eth0", "address", _mac(spec.address(number)), "mtu", str(MTU), "netns", namespace),
    )
    address = f"{spec.address(number)}/{spec.network.prefixlen}"
    must(
        *("ip", "-netns", namespace, "-batch", "-"),
        stdin=f"address add {address} broadcast + dev eth0\nlink set lo up\nlink set eth0 up\n".encode(),
    )
    attach(spec, veth)


def unplug(spec: Spec, number: int) -> None:
    """Remove a host's cable and namespace, if there are any.

    The cable goes first: a namespace lets go of its devices some time after it is deleted.
    """
    if _exists(spec.veth(number)):
        must("ip", "link", "delete", spec.veth(number))
    if Path("/run/netns", spec.namespace(number)).exists():
        must("ip", "netns", "delete", spec.namespace(number))


def attach(spec: Spec, interface: str) -> None:
    """Make an interface of this machine a port of the lab's bridge."""
    must("ip", "link", "set", interface, "master", spec.bridge, "up")


def strangers(spec: Spec) -> list[str]:
    """Things on this machine that have names which this lab, not made yet, would use."""
    links = [spec.bridge, *(spec.veth(number) for number in spec.numbers)]
    namespaces = [spec.namespace(number) for number in spec.numbers]
    return [
        *(f"interface {name}" for name in links if _exists(name)),
        *(f"namespace {name}" for name in namespaces if Path("/run/netns", name).exists()),
    ]


def _exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def _mac(address: IPv4Address) -> str:
    return "02:60:" + ":".join(f"{byte:02x}" for byte in address.packed)


def _forward(spec: Spec) -> tuple[str, ...]:
    """With br_netfilter, frames between hosts meet this machine's FORWARD rules, which may drop them."""
    comment = ("-m", "comment", "--comment", f"overweave-lab-{spec.name}")
    return ("FORWARD", "-i", spec.bridge, "-o", spec.bridge, *comment, "-j", "ACCEPT")
