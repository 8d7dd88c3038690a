"""The overlays that containers are on, as all hosts together know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from overweave.errors import Refused
from overweave.facts import libnetwork_keys as keys
from overweave.facts.fleet import FleetFacts
from overweave.facts.libnetwork import Records
from overweave.facts.libnetwork_keys import Overlay
from overweave.facts.remembered import Remembered, Segment
from overweave.model import Fleet

AGAIN = "then run the same command again"


@dataclass(frozen=True)
class Lost:
    """``hosts`` are what the fleet's hosts know, ``tree`` all keys that the store has."""

    fleet: Fleet
    facts: FleetFacts
    hosts: Mapping[str, Remembered]
    tree: Mapping[str, bytes]
    records: Records

    @property
    def via(self) -> str:
        """The host that the plan names for what is written to the store."""
        return self.fleet.store_host.name

    @property
    def networks(self) -> tuple[str, ...]:
        """Ids of the overlays that containers are on."""
        return tuple(sorted({joined.network for host in self.hosts.values() for joined in host.joined}))


def overlay(its: Lost, id_: str) -> tuple[Overlay, list[Refused]]:
    """An overlay, and where its hosts contradict each other."""
    joined = tuple(j for host in its.hosts.values() for j in host.joined if j.network == id_)
    name = joined[0].network_name
    of = f"network {name} (id {id_[:12]})"
    seen: dict[IPv4Network, tuple[Segment, str]] = {}
    refused = []
    for host, remembered in its.hosts.items():
        for segment in remembered.segments.get(id_, ()):
            other, where = seen.setdefault(segment.subnet, (segment, host))
            if (segment.vni, segment.gateway) != (other.vni, other.gateway):
                refused.append(
                    Refused(
                        f"the hosts do not agree on {segment.subnet} of {of}: VNI {other.vni} and gateway "
                        f"{other.gateway} on {where}, VNI {segment.vni} and {segment.gateway} on {host}",
                        hint=f"restart the engine of the one that is wrong, {AGAIN}",
                    )
                )
    segments = tuple(sorted((segment for segment, _ in seen.values()), key=lambda s: s.vni))
    for place in joined:
        if not any(IPv4Address(place.address) in segment.subnet for segment in segments):
            refused.append(
                Refused(
                    f"{place.container} has {place.address}, which is in no subnet that {of} has on any host",
                    host=place.host,
                    hint=f"`docker network disconnect -f {name} {place.container}`, {AGAIN}",
                )
            )
        if not its.facts.hosts[place.host].advertised:
            refused.append(
                Refused(
                    f"its engine announces no address of this host, and {place.container} is on {of}",
                    host=place.host,
                    hint="see `--cluster-advertise` in `systemctl cat docker` and `ip address` there",
                )
            )
    wanted = its.fleet.network.options if name == its.fleet.network.name else {}
    inside = [place for place in joined if place.networks == 1]
    found = Overlay(
        id=id_,
        name=name,
        segments=segments,
        joined=joined,
        options=keys.options_of(segments, wanted),
        internal=bool(inside) and not any(place.outside for place in inside),
        created=min((place.created for place in joined if place.created), default=""),
    )
    return found, refused
