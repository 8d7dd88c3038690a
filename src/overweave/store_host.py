"""Where the store lives: what the inventory says, else where it already is, else the first host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .facts.host import HostFacts
from .facts.unit import Unit
from .model import Fleet


def told_store(its: HostFacts) -> str:
    """The address of the store in Overweave's drop-in on a host, "" where there is none.

    Asked of the file and not of the engine, which may be down.
    """
    text = its.unit.drop_in if isinstance(its.unit, Unit) else ""
    match = re.search(r"--cluster-store=consul://([0-9.]+):", text)
    return match[1] if match else ""


def settle(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> Fleet:
    """The fleet with its store host marked, where drop-ins on its hosts tell which one it is.

    The order of ``-H`` must not move a store that is there, with all its networks.
    """
    if any(host.store for host in fleet.hosts):
        return fleet
    told = [address for its in hosts.values() if (address := told_store(its))]
    for address in dict.fromkeys(sorted(told, key=told.count, reverse=True)):
        for name in fleet.names:
            if hosts[name].interfaces.holding(address):
                marked = tuple(replace(host, store=host.name == name) for host in fleet.hosts)
                return replace(fleet, hosts=marked)
    return fleet
