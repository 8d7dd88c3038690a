"""The shim: a host's own interface on a macvlan or ipvlan network, to reach its own containers by. Pure.

The kernel passes nothing between such an interface and the one that it is on. A unit of systemd makes it, so
that it is there again after a boot, and takes it away when it is stopped.
"""

from __future__ import annotations

import hashlib

from overweave.facts.host import HostFacts
from overweave.facts.wanted import UNITS, unit_of
from overweave.steps import InstallUnit, RemoveUnit
from overweave.wanted import DEFAULT_MODES, WantedNetwork

UNIT = """\
# Made by Overweave: this host reaches its own containers on network {name}.
[Unit]
Description=Overweave: way of this host to its own containers on network {name}
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=-/bin/sh -c 'ip link delete {device} 2> /dev/null'
ExecStart=/bin/sh -ec '{commands}'
ExecStop=-/bin/sh -c 'ip link delete {device}'

[Install]
WantedBy=multi-user.target
"""


def device_of(network: str) -> str:
    """The interface's name: of a network's own, and no longer than the kernel takes."""
    return f"ow-{hashlib.sha256(network.encode()).hexdigest()[:8]}"


def unit(network: WantedNetwork, host: str) -> str:
    """The text of its unit on a host."""
    device, parent = device_of(network.name), network.parents[host]
    mode = network.mode or DEFAULT_MODES[network.driver]
    commands = [f"ip link add {device} link {parent} type {network.driver} mode {mode}"]
    commands += [f"ip address add {its.shims[host]}/32 dev {device}" for its in network.subnets]
    commands.append(f"ip link set {device} up")
    # Add and not replace: a route to just this range that somebody else has made stays his.
    commands += [
        f"ip route add {its.ranges[host]} dev {device} src {its.shims[host]}" for its in network.subnets
    ]
    return UNIT.format(name=network.name, device=device, commands="; ".join(commands))


def path_of(network: str) -> str:
    return f"{UNITS}/{unit_of(network)}"


def install(network: WantedNetwork, its: HostFacts, *, anew: bool) -> list[InstallUnit]:
    """``anew``: the network is made by the same plan, and what the shim is on may be, too."""
    wanted, there = unit(network, its.name), its.notes.shims.get(network.name, "")
    runs = network.name in its.notes.run
    if there == wanted and runs and not anew:
        return []
    why = "the host is to reach its own containers"
    if there:
        why = "it is not as it should be" if there != wanted else "it does not run" if not runs else why
    path = path_of(network.name)
    previous = {path: there} if there else {}
    return [InstallUnit(its.name, why, unit_of(network.name), {path: wanted}, previous)]


def remove(network: str, host: str, why: str) -> RemoveUnit:
    return RemoveUnit(host, why, unit_of(network), (path_of(network),))
