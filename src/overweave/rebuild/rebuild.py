"""From what hosts know and the store has to the keys that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from overweave.errors import Refused
from overweave.facts import libnetwork
from overweave.facts import libnetwork_keys as keys
from overweave.facts.fleet import FleetFacts
from overweave.facts.libnetwork import Endpoint
from overweave.facts.libnetwork_keys import Overlay
from overweave.facts.remembered import Joined, Remembered
from overweave.model import Fleet
from overweave.printable import one_line
from overweave.steps import KeyWrite, Plan, PutKeys, Stage, make_plan, some

from .conflicts import conflicts, strangers
from .overlays import AGAIN, Lost, overlay

HELD = "containers use it, and the store would give it to others"
MISSING = "containers use it, and the store has no record of it"


def rebuild(
    fleet: Fleet, facts: FleetFacts, hosts: Mapping[str, Remembered], tree: Mapping[str, bytes]
) -> tuple[Plan, list[Refused]]:
    """What is missing of the overlays that containers are on, and what forbids to write it: one is empty.

    Nothing that the store has is overwritten but lists, which get longer, and counts; the record of an
    endpoint goes where its container is there again under another id.
    """
    its = Lost(fleet, facts, hosts, tree, libnetwork.parse(tree))
    refused = strangers(its)
    overlays = []
    try:
        for id_ in its.networks:
            found, wrong = overlay(its, id_)
            refused += [*wrong, *conflicts(its, found)]
            overlays.append(found)
        if refused:
            return Plan(), refused
        plan = make_plan(
            Stage("what is given out", tuple(_given_out(its, overlays))),
            Stage("networks", tuple(step for o in overlays for step in _network(its, o))),
        )
    except ValueError as e:
        return Plan(), [
            *refused,
            Refused(
                f"what the store has makes no sense: {one_line(e, 300)}",
                hint=f"see who wrote it; where nobody needs it, delete that key, {AGAIN}",
            ),
        ]
    return plan, []


def _given_out(its: Lost, overlays: Iterable[Overlay]) -> Iterator[PutKeys]:
    """The first of all: nobody must get what is in use once the network can be seen again."""
    used: dict[IPv4Network, list[str]] = {}
    for found in overlays:
        for segment in found.segments:
            here = {j.address for j in found.joined if IPv4Address(j.address) in segment.subnet}
            used[segment.subnet] = sorted({segment.gateway, *here}, key=IPv4Address)
    vnis = sorted({segment.vni for found in overlays for segment in found.segments})
    if not used:
        return
    wanted: list[tuple[str, Callable[[bytes | None], bytes], str]] = [
        (keys.VNIS, lambda old: keys.vnis(old, vnis), f"VNI {some(map(str, vnis))}"),
        (keys.CONFIG, lambda old: keys.pools(old, used), f"subnet {some(map(str, used))}"),
        *(
            (keys.mask_key(subnet), partial(keys.mask, subnet=subnet, used=its), f"{some(its)} of {subnet}")
            for subnet, its in used.items()
        ),
    ]
    for key, make, what in wanted:
        old = its.tree.get(key)
        try:
            new = make(old or None)
        except ValueError as e:
            raise ValueError(f"{key}: {e}") from e
        if new != old:
            does = f"note in the store that {what} can't be given out"
            yield PutKeys(its.via, HELD, does, (KeyWrite(key, old, new),))


def _network(its: Lost, found: Overlay) -> Iterator[PutKeys]:
    """The network itself last: with it all is there. Its count before that: engines leave out a network that
    has none, and look for its endpoints when it changes (measured)."""
    key = partial(keys.endpoint_key, found.id)
    there = {k: v for k, v in its.tree.items() if k.startswith(key("").rstrip("/") + "/") and v}
    missing = [place for place in found.joined if key(place.endpoint) not in there]
    gone = _replaced(its, found, missing)
    wanted: dict[str, bytes | None] = {}
    known = its.records.networks.get(found.id)
    # A VNI is chosen when the first container joins: till then the record has 0.
    if known is None or not known.subnets or any(subnet.vni == 0 for subnet in known.subnets):
        wanted[keys.overlay_key(found.id)] = keys.overlay(found)
    wanted |= {key(endpoint.id): None for endpoint in gone}
    wanted |= {key(place.endpoint): _endpoint(its, found, place) for place in missing}
    if missing or not its.tree.get(keys.count_key(found.id)):
        wanted[keys.count_key(found.id)] = keys.count(len(there) - len(gone) + len(missing))
    if known is None:
        wanted[keys.network_key(found.id)] = keys.network(found)
    writes = tuple(
        KeyWrite(name, old, new) for name, new in wanted.items() if (old := its.tree.get(name)) != new
    )
    if writes:
        yield PutKeys(its.via, MISSING, _told(found, missing, gone, new=known is None), writes)


def _told(found: Overlay, missing: list[Joined], gone: list[Endpoint], *, new: bool) -> str:
    vnis = ", ".join(f"{segment.subnet} with VNI {segment.vni}" for segment in found.segments)
    who = some(f"{place} ({place.address})" for place in missing)
    count = f"{len(missing)} endpoint{'s' * (len(missing) != 1)}"
    told = f"write network {found.name} (id {found.id[:12]}, {vnis})" if new else ""
    if missing:
        told += f" and {count}: {who}" if new else f"write {count} of network {found.name}: {who}"
    elif not new:
        told = f"write the VNI and the count of network {found.name}"
    return told + (f"; remove the records that {some(e.name for e in gone)} had before" if gone else "")


def _endpoint(its: Lost, found: Overlay, place: Joined) -> bytes:
    subnet = next(s.subnet for s in found.segments if IPv4Address(place.address) in s.subnet)
    return keys.endpoint(place, subnet, its.facts.hosts[place.host].advertised)


def _replaced(its: Lost, found: Overlay, missing: Iterable[Joined]) -> list[Endpoint]:
    """Records of an older time: their containers are there again, with other endpoints. An engine knows
    endpoints by their names, and could not remove one of two."""
    asked = {host.advertised for host in its.facts.hosts.values()}
    live = {place.endpoint for place in found.joined}
    names = {place.container for place in missing}
    return [
        endpoint
        for endpoint in its.records.endpoints
        if endpoint.network == found.id
        and endpoint.id not in live
        and endpoint.name in names
        and endpoint.locator in asked
    ]
