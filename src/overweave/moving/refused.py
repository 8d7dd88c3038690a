"""What can't be moved to a swarm, by name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import islice

from overweave import store_host
from overweave.backend import no_swarm
from overweave.facts.engine import Engine
from overweave.facts.moving import Overlay, Wired
from overweave.facts.swarm_records import INGRESS
from overweave.facts.unit import STORE_FLAG, Unit
from overweave.model import ENCRYPTED, ETCD
from overweave.overlay import GATEWAY_BRIDGE
from overweave.preflight import store
from overweave.preflight.finding import Finding, error, warning

from .turn import Site

ENGINES_POOL = IPv4Network("10.0.0.0/8")
"""Where a swarm takes the subnet of its own network from, the first /24 that is free, unless it is told
otherwise (20.10)."""
FREE = tuple(IPv4Network(f"10.{number}.0.0/16") for number in range(254, 0, -1))


def findings(site: Site) -> list[Finding]:
    """Errors forbid the move; a warning tells what another network can't have."""
    nodes = frozenset(its.node for its in site.advertise.values())
    of_store = [*store.strangers(site.fleet, site.facts), *store.others(site.facts, nodes)]
    return [*of_store, *_hosts(site), *_networks(site), *_containers(site), *_addresses(site)]


def pool(site: Site) -> str:
    """Where the swarm is to take the subnet of its own network from: as the inventory says, else a range that
    is nobody's where engines would take one of the store's; "" for where engines do."""
    if site.fleet.swarm.pool:
        return str(site.fleet.swarm.pool)
    taken = [IPv4Network(its.subnet, strict=False) for o in site.networks.values() for its in o.pools]
    first = next(ENGINES_POOL.subnets(new_prefix=24))
    if not any(first.overlaps(its) for its in taken):
        return ""
    routes = [r.destination for its in site.facts.hosts.values() for r in its.interfaces.routes]
    # A default route leads everywhere.
    used = [*taken, *(route for route in routes if route.prefixlen)]
    return str(next((its for its in FREE if not any(its.overlaps(other) for other in used)), ""))


def _hosts(site: Site) -> Iterator[Finding]:
    for name in site.fleet.names:
        its = site.its(name)
        engine, unit = its.engine, its.unit
        if not isinstance(engine, Engine) or not isinstance(unit, Unit):
            yield error("move.engine", "Docker is not installed there", host=name)
            continue
        if site.seen[name].note:
            if site.joined(name) and not engine.member.active:
                why = engine.member.error or "see `docker info` there"
                yield error("move.swarm", f"its swarm is {engine.member.state}", fix=why, host=name)
            continue
        if not engine.running:
            yield error("move.engine", "its engine is down", fix="`systemctl start docker`", host=name)
        elif engine.member.there:
            yield error(
                "move.swarm",
                "it is in a swarm already, and not by this move",
                fix="`docker swarm leave` if that is not needed, or leave the host out",
                host=name,
            )
        elif store_host.told_kind(its) == ETCD:
            yield error(
                "move.store",
                "its engine has its store in etcd, and a move begins at one in Consul",
                fix="`fab destroy-overlay`, then `fab deploy-overlay --backend swarm`",
                host=name,
            )
        elif STORE_FLAG not in unit.drop_in:
            yield error(
                "move.flags",
                "its engine has a cluster store that Overweave did not give it"
                if unit.uses_store
                else "its engine has no cluster store",
                fix="take the cluster flags out of its unit or daemon.json, then `fab deploy-overlay`"
                if unit.uses_store
                else "`fab deploy-overlay` first, or leave it out and `fab add-host` it behind the move",
                host=name,
            )
        if why := no_swarm(engine) if engine.running else "":
            yield error("move.engine", f"it has {why}", fix="see `fab backends`", host=name)


def _networks(site: Site) -> Iterator[Finding]:
    if site.fleet.network.name not in site.networks:
        yield error(
            "move.network",
            f"the store has no network {site.fleet.network.name}",
            fix="`fab deploy-overlay` makes it, and proves it; or name another with --network",
        )
    known = [o for seen in site.seen.values() for o in seen.networks]
    for name, its in sorted(site.networks.items()):
        if len({o.id for o in known if o.name == name}) > 1:
            yield error(
                "move.network",
                f"the store has several networks with the name {name}",
                fix="remove all but one of them: `docker network rm ID`",
            )
        for what, why in _not_movable(its):
            yield error("move.network", f"network {name} {what}", fix=why)
        if reserved := [a for part in its.pools for a in part.reserved]:
            yield warning(
                "move.network",
                f"network {name} keeps {', '.join(reserved)} free (--aux-address)",
                matters="a swarm may give them to containers",
            )


def _not_movable(its: Overlay) -> Iterator[tuple[str, str]]:
    if its.name in (INGRESS, GATEWAY_BRIDGE):
        yield "has a name that every swarm has for itself", "containers have to be on one with another name"
    if its.driver != "overlay":
        yield (
            f"has the driver {its.driver}, which is none of Docker's own",
            "its plugin's papers may know how",
        )
    if its.ipam != "default":
        yield f"gets its addresses from {its.ipam}, which is none of Docker's own", "remove it, or its driver"
    if its.ipv6:
        yield "has IPv6, which no overlay of a swarm carries", "make it anew without --ipv6"
    if ENCRYPTED in its.options:
        yield "is encrypted: no container could join it so far", "remove it, and make it behind the move"


def _containers(site: Site) -> Iterator[Finding]:
    ids = {its.id: name for name, its in site.networks.items()}
    for host in site.order:
        if not site.has_flags(host):
            continue
        for its in site.seen[host].containers.values():
            if its.seats and its.removes_itself and its.running:
                yield error(
                    "move.container",
                    f"container {its.name} removes itself when it stops (--rm)",
                    fix="wait till it has ended, or run it without --rm",
                    host=host,
                )
            if name := _by_id(its, ids):
                yield error(
                    "move.container",
                    f"container {its.name} was made with the id of network {name}, not with its name",
                    matters="a new network of that name has another id",
                    fix=f"make it anew with --network {name}",
                    host=host,
                )


def _by_id(its: Wired, ids: dict[str, str]) -> str:
    whole = [id_ for id_ in ids if len(its.mode) >= 12 and id_.startswith(its.mode)]
    return ids[whole[0]] if whole and its.mode not in ids.values() else ""


def _addresses(site: Site) -> Iterator[Finding]:
    """A swarm takes an address of each network for itself as soon as the first container is on it: the lowest
    that is free then (20.10)."""
    fixed: dict[str, set[str]] = {}
    for host in site.order:
        for its in site.seen[host].containers.values() if site.has_flags(host) else ():
            for network, seat in its.seats.items():
                if its.running and seat.fixed:
                    fixed.setdefault(network, set()).add(seat.fixed)
    for network, addresses in sorted(fixed.items()):
        part = site.networks[network].pools[0]
        subnet = IPv4Network(part.subnet, strict=False)
        nobodys = (str(subnet.network_address), part.gateway or str(subnet[1]))
        where = IPv4Network(part.range or part.subnet, strict=False)
        first = [a for a in map(str, islice(where, 4)) if a not in nobodys][:2]
        if addresses.issuperset(first):
            yield error(
                "move.address",
                f"containers have the first addresses of network {network} as their own: {', '.join(first)}",
                matters="a swarm needs one of them for itself",
                fix=f"`docker network disconnect {network} CONTAINER`, and connect it with another --ip",
            )
