"""Where the store lives: as the inventory says, else where it is already, else by the fleet's size. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .facts.host import HostFacts
from .facts.unit import STORE_FLAG, Unit
from .model import CONSUL, ETCD, Fleet, Host
from .stores import consul, etcd

MANY_HOSTS = 10
"""From here on five servers carry the store, and two of them may fail at once."""


def told_store(its: HostFacts) -> tuple[str, ...]:
    """Addresses of the store's servers as they are written down on a host, empty where nothing is.

    Asked of its files and not of its engine, which may be down.
    """
    text = its.unit.drop_in if isinstance(its.unit, Unit) else ""
    if found := etcd.servers_of(text):
        return found
    match = re.search(r"--cluster-store=consul://([0-9.]+):", text)
    if match is None:
        return ()
    return consul.servers_of(its.store_config) or ((match[1],) if match[1] != consul.LOOPBACK else ())


def told_kind(its: HostFacts) -> str:
    """The kind of store that an engine uses, or is to use from its next start on; "" for none. One that
    Overweave does not know counts as Consul: preflight tells whose flags these are."""
    unit = its.unit
    if not isinstance(unit, Unit) or not unit.told_store:
        return ""
    return ETCD if f"{STORE_FLAG}{ETCD}:" in " ".join((unit.drop_in, *unit.arguments)) else CONSUL


def settle(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> Fleet:
    """The fleet with the hosts marked that carry a server of the store.

    Those that are marked in the inventory; else those that do it already, as the files on the hosts tell:
    the order of ``-H`` must not move a store that is there, with all its networks. Others join them if the
    inventory wants more; a store that is there does not grow by itself.
    """
    if fleet.store.external:
        return fleet
    chosen = [host.name for host in fleet.hosts if host.store]
    wanted = fleet.store.servers
    if not chosen:
        chosen = _there(fleet, hosts)
        wanted = wanted or len(chosen) or sized(len(fleet.hosts))
    chosen += spread(fleet.hosts, chosen, (wanted or 0) - len(chosen))
    marked = tuple(replace(host, store=host.name in chosen) for host in fleet.hosts)
    return replace(fleet, hosts=marked)


def _there(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> list[str]:
    told = [addresses for its in hosts.values() if (addresses := told_store(its))]
    for addresses in dict.fromkeys(sorted(told, key=told.count, reverse=True)):
        found = [name for name in fleet.names if any(hosts[name].interfaces.holding(a) for a in addresses)]
        if found:
            return found
    # Where no engine is told of a store any more, as in a move to a swarm, those that carry one know it.
    return [] if told else [name for name in fleet.names if consul.is_server(hosts[name].store_config)]


def sized(hosts: int) -> int:
    """How many servers a fleet of that size gets by itself. Two would be worse than one: each has to run."""
    if hosts < 3:
        return 1
    return 3 if hosts < MANY_HOSTS else 5


def spread(hosts: Sequence[Host], chosen: Collection[str], count: int) -> list[str]:
    """``count`` more hosts in their order, from the zones that have the fewest so far."""
    found: list[str] = []
    zones = Counter(host.zone or host.name for host in hosts if host.name in chosen)
    left = [host for host in hosts if host.name not in chosen]
    while left and len(found) < count:
        best = min(left, key=lambda host: zones[host.zone or host.name])
        left.remove(best)
        found.append(best.name)
        zones[best.zone or best.name] += 1
    return found
