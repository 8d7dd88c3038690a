"""Where a benchmark is made on a host: its own network, and that of the container that keeps it in the
overlay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from overweave import anchor
from overweave.advertise import Advertise
from overweave.command import query_script
from overweave.errors import OverweaveError, Refused
from overweave.facts import namespaces
from overweave.facts.host import HostFacts
from overweave.facts.typed import text, whole
from overweave.model import Fleet
from overweave.ports import Reader

from .figures import Device
from .limits import features

FEATURES = 'command -v ethtool >/dev/null && ethtool -k "$1"'


@dataclass(frozen=True)
class End:
    """``outer`` and ``inner`` are addresses on the underlay and on the overlay; ``pid`` is of a process in
    the container's network."""

    outer: str
    inner: str
    pid: int
    device: Device


def no_anchor(fleet: Fleet, host: str) -> Refused:
    return Refused(
        f"no container of Overweave's own runs on network {fleet.network.name} here",
        host=host,
        hint="`fab deploy-overlay` makes one on every host; --network NAME measures another network",
    )


def look(reader: Reader, fleet: Fleet, facts: HostFacts, advertise: Advertise) -> End:
    """Raises `Refused` where the host has no anchor that runs."""
    name, network = reader.host.name, fleet.network.name
    found = next((c for c in anchor.there(fleet, facts.engine) if c.running), None)
    if found is None:
        raise no_anchor(fleet, name)
    try:
        pid, inner = container_end(reader.engine.container(found.name), network)
    except (ValueError, LookupError, TypeError, AttributeError) as e:
        raise OverweaveError(
            f"what the engine says of container {found.name} makes no sense: {e}",
            host=name,
            hint=f"see `docker inspect {found.name}` on the host",
        ) from e
    if not pid or not inner:
        raise no_anchor(fleet, name)
    place = f"/proc/{pid}/ns/net"
    asked = namespaces.ask(place)
    links, offloads = reader.ask(asked.query, query_script(FEATURES, advertise.interface))
    space = namespaces.parse(links, asked.mark).get(place)
    link = next(
        (link for link in (space.links if space else ()) for a in link.addresses if a.split("/")[0] == inner),
        None,
    )
    if link is None:
        raise no_anchor(fleet, name)
    its = features(offloads.stdout) if offloads.ok else None
    return End(advertise.address, inner, pid, Device(advertise.interface, advertise.mtu, link.mtu, its))


def container_end(raw: Mapping[str, Any], network: str) -> tuple[int, str]:
    """Process and address of a container on a network: 0 and "" where it has none. Raises `ValueError` and
    its like where the answer makes no sense."""
    networks = raw["NetworkSettings"]["Networks"] or {}
    address = text((networks.get(network) or {}).get("IPAddress") or "")
    return whole(raw["State"]["Pid"]), str(IPv4Address(address)) if address else ""
