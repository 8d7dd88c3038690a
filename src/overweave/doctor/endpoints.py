"""The store's endpoints against the containers of all hosts: stale ones, and addresses and names twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address

from overweave.facts.engine import Engine
from overweave.facts.libnetwork import Endpoint
from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.preflight.finding import error, note, warning
from overweave.steps import DisconnectEndpoint, HoldAddresses, RejoinNetwork, Step

from .fault import Fault
from .places import Place, Places

GONE = (
    "; should that host come back, stop its engine, remove /var/lib/docker/network/files/local-kv.db, and "
    "start it: no container could join there else"
)
"""Measured on 20.10.5: the engine remembers the endpoint, fails to restore it and then fails every join."""
LASTING = 10.0
"""Seconds that an endpoint may look stale: it is in the store before its container's first process runs."""
STALE = "nobody can have its name and address again: endpoint with name … already exists (moby#20398)"


def stale(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Endpoints whose engine does not have them, or is gone for good."""
    found = []
    names = Counter((e.network, e.name) for e in live.records.endpoints) if live.records else Counter()
    for endpoint in places.stale:
        seen = f"endpoint {endpoint.name} ({endpoint.address} on {_network(live, endpoint)}) has no container"
        seen += f" on {_host_of(endpoint.locator, live)}" if endpoint.locator else " on any host"
        via = _engine_without(endpoint.name, live)
        fix = ""
        if not endpoint.locator:
            fix = "its record names no host, so it is left alone: see who made it"
        elif names[endpoint.network, endpoint.name] > 1:
            fix = f"the store has another endpoint {endpoint.name}, and an engine knows them by name alone: "
            fix += "end that one's container first"
        elif not via:
            fix = f"it takes an engine that runs and has no container {endpoint.name}: rename or remove that"
        if fix:
            found.append(Fault(error("endpoints.stale", seen, matters=STALE, fix=fix), moment=LASTING))
            continue
        gone = endpoint.locator if endpoint.locator not in places.asked else ""
        step = DisconnectEndpoint(
            via, seen, endpoint.id, endpoint.name, endpoint.network, _network(live, endpoint), gone
        )
        fix = "`fab repair` disconnects it"
        if gone:
            fix = f"`fab repair --gone {gone}` disconnects it, if its host does not come back{GONE}"
        fault = error("endpoints.stale", seen, matters=STALE, fix=fix)
        found.append(Fault(fault, (step,), moment=LASTING))
    return found


def unseen(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Endpoints of engines that were not asked. Nothing is said about them."""
    found = []
    for locator, its in places.unseen.items():
        where = _host_of(locator, live) if locator else "hosts that are not in the inventory"
        seen = f"{len(its)} endpoint{'s' * (len(its) > 1)} of {where} not checked: its engine was not asked"
        fix = "name the host in the inventory, or start its engine"
        found.append(Fault(note("endpoints.unseen", seen, fix=fix)))
    return found


def unrecorded(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Containers that their engine has on a network, and the store does not."""
    there = live.records.recorded if live.records else frozenset()
    found = []
    for id_, place in places.live.items():
        if id_ in there:
            continue
        its = place.attachment
        seen = f"the store has no endpoint of container {its.container} ({its.address} on {its.network_name})"
        matters = "other hosts don't know its name, and its address may be given away (moby#18841)"
        step = _rejoin(place, seen)
        fix = "`fab repair` joins it to the network again, if you let it"
        remedies: tuple[Step, ...] = () if its.fixed else (step,)
        if its.fixed:
            fix = "it was given this very address: disconnect it by hand, and connect it again"
        found.append(
            Fault(error("endpoints.unrecorded", seen, matters=matters, fix=fix, host=place.host), remedies)
        )
    return found


def duplicates(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One address, two containers. The one that was made first keeps it."""
    found = []
    by_address: dict[tuple[str, str], list[Place]] = {}
    for place in places.live.values():
        by_address.setdefault(place.key, []).append(place)
    for (_, address), its in by_address.items():
        if len(its) < 2 or not address:
            continue
        keeps, *others = sorted(its, key=lambda p: (not p.attachment.fixed, p.attachment.created, p.host))
        who = " and ".join(f"{p.attachment.container} on {p.host}" for p in (keeps, *others))
        seen = f"{address} on {keeps.attachment.network_name} is the address of {who}"
        movable = [p for p in others if not p.attachment.fixed]
        keep = holding(fleet, live, keeps.attachment.network, (address,), seen)
        steps = tuple(_rejoin(p, seen, keep) for p in movable)
        fix = (
            f"`fab repair` gives {', '.join(p.attachment.container for p in movable)} another, if you let it"
            if len(movable) == len(others)
            else "both were given this very address: change one of them"
        )
        matters = "each host reaches another one of them (moby#33402)"
        found.append(Fault(error("endpoints.duplicate", seen, matters=matters, fix=fix), steps))
    return found


def macs(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """One MAC, two containers with addresses of their own: what comes of one address is told there."""
    by_mac: dict[tuple[str, str], list[Place]] = {}
    for place in places.live.values():
        by_mac.setdefault((place.attachment.network, place.attachment.mac), []).append(place)
    found = []
    for (_, mac), its in by_mac.items():
        if not mac or len({place.attachment.address for place in its}) < 2:
            continue
        who = " and ".join(f"{p.attachment.container} on {p.host}" for p in its)
        seen = f"{mac} on {its[0].attachment.network_name} is the MAC of {who}"
        matters = "packets for one of them go to the other; their rows were not checked"
        fix = "make one of them anew without a MAC of its own (`--mac-address`)"
        found.append(Fault(error("endpoints.mac", seen, matters=matters, fix=fix)))
    return found


def gateways(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    found = []
    for place in places.live.values():
        its = place.attachment
        network = live.records.networks.get(its.network) if live.records else None
        if network is None or its.address not in {s.gateway for s in network.subnets if s.gateway}:
            continue
        seen = f"container {its.container} has the address of the gateway of {network.name}, {its.address}"
        step = _rejoin(place, seen, holding(fleet, live, network.id, (its.address,), seen))
        fix = (
            "give it another address" if its.fixed else "`fab repair` gives it another address, if you let it"
        )
        matters = "every host has that address itself (moby#34149)"
        fault = error("endpoints.gateway", seen, matters=matters, fix=fix, host=place.host)
        found.append(Fault(fault, () if its.fixed else (step,)))
    return found


def names(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Containers of one name on one network: which one answers to it is chance."""
    found = []
    by_name: dict[tuple[str, str], list[Place]] = {}
    for place in places.live.values():
        by_name.setdefault((place.attachment.network, place.attachment.container), []).append(place)
    for (_, name), its in by_name.items():
        if len(its) > 1:
            where = ", ".join(place.host for place in its)
            seen = f"containers on {where} have the name {name} on {its[0].attachment.network_name}"
            found.append(Fault(warning("endpoints.names", seen, fix="rename all but one of them")))
    return found


def unheld(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Addresses in use that the store holds to be free: the next container gets one of them. That comes of
    a store whose data were lost or put back from an older copy."""
    records = live.records
    if records is None:
        return []
    gone = {endpoint.id for endpoint in places.stale}
    used = {(e.network, e.address) for e in records.endpoints if e.address and e.id not in gone} | {
        place.key for place in places.live.values()
    }
    found = []
    for pool in records.pools:
        of_pool = {
            network.id
            for network in records.networks.values()
            if pool.subnet in {s.subnet for s in network.subnets}
        }
        free = tuple(sorted(a for n, a in used if n in of_pool and not _held(pool.holds, a)))
        if not free:
            continue
        seen = f"the store holds {', '.join(free[:5])} of {pool.subnet} to be free, and containers have them"
        step = HoldAddresses(fleet.store_host.name, seen, pool.key, str(pool.subnet), free)
        matters = "the next container gets the address of another (moby#33402)"
        fault = error("addresses.free", seen, matters=matters, fix="`fab repair` notes that in the store")
        found.append(Fault(fault, (step,)))
    return found


def holding(
    fleet: Fleet, live: Live, network: str, addresses: tuple[str, ...], why: str
) -> HoldAddresses | None:
    """The step that holds addresses of a network; None where the store has no mask for them."""
    its = live.records.networks.get(network) if live.records else None
    subnets = {s.subnet for s in its.subnets} if its else set()
    for pool in live.records.pools if live.records else ():
        if pool.subnet in subnets and all(IPv4Address(address) in pool.subnet for address in addresses):
            return HoldAddresses(fleet.store_host.name, why, pool.key, str(pool.subnet), addresses)
    return None


def _rejoin(place: Place, why: str, keep: HoldAddresses | None = None) -> RejoinNetwork:
    its = place.attachment
    return RejoinNetwork(
        place.host, why, its.container, its.network, its.network_name, keep, endpoint=its.endpoint
    )


def _held(holds: Callable[[str], bool], address: str) -> bool:
    try:
        return holds(address)
    except ValueError:
        return True


def _network(live: Live, endpoint: Endpoint) -> str:
    network = live.records.networks.get(endpoint.network) if live.records else None
    return network.name if network else endpoint.network[:12]


def _host_of(locator: str, live: Live) -> str:
    told = {**live.chosen, **live.vteps}
    return next((host for host, vtep in told.items() if vtep == locator), locator)


def _engine_without(name: str, live: Live) -> str:
    """A host whose engine runs and has no container of that name: it takes the name for the endpoint's."""
    for host in live.carrying:
        engine = live.fleet.hosts[host].engine
        if isinstance(engine, Engine) and engine.running and engine.container(name) is None:
            return host
    return ""
