"""What a host knows by itself of the overlays that its containers are on: all that is left where the store's
data are lost.

Its engine keeps no copy of the store: with an empty one it lists no overlay any more. But it remembers the
endpoint of each container that runs, and the overlay's namespace has the subnets, VNIs and MTU (measured on
20.10.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from overweave.command import query_script
from overweave.errors import EngineError, OverweaveError
from overweave.model import PROBE_LABEL, SPEC_LABEL
from overweave.ports import Json, Reader
from overweave.printable import one_line

from . import attachments, namespaces
from .engine import Engine
from .host import HostFacts
from .machine import root_of
from .namespaces import Namespace
from .typed import NONSENSE, text, text_map, texts
from .way import VXLAN_PORT

ID = re.compile(r"[0-9a-f]{64}")
CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
ANONYMOUS = (
    'cd "$1/containers" && grep -l \'"IsAnonymousEndpoint":true\' -- */config.v2.json | cut -d/ -f1; true'
)
"""Containers that were given no name, by id: their engine does not tell, and their peers don't know the name
that they got."""
OUTSIDE = "grep -ao 'gateway_[0-9a-f]\\{12\\}' \"$1/network/files/local-kv.db\" | sort -u; true"
"""Sandboxes with a way out of their overlays, by the begin of their id: from the engine's own file, as it
may not answer for networks while its store is away."""


@dataclass(frozen=True)
class Joined:
    """A running container's place on an overlay. ``created`` as in ``2026-11-22T02:02:44.648Z``; ``ours``:
    Overweave made it; ``outside``: it has a way out, which an internal network alone gives nobody;
    ``networks``: how many it is on."""

    host: str
    container: str
    network: str
    network_name: str
    endpoint: str
    sandbox: str
    address: str
    mac: str
    aliases: tuple[str, ...] = ()
    anonymous: bool = False
    created: str = ""
    ours: bool = False
    outside: bool = True
    networks: int = 1

    def __str__(self) -> str:
        return f"{self.container} on {self.host}"


@dataclass(frozen=True)
class Segment:
    """A subnet of an overlay as it lives on a host. ``gateway`` is an address without its length; ``mtu`` is
    that of the vxlan device, in bytes."""

    subnet: IPv4Network
    gateway: str
    vni: int
    mtu: int


@dataclass(frozen=True)
class Remembered:
    """``segments`` are those of each overlay, by the network's id."""

    joined: tuple[Joined, ...] = ()
    segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)


def look(reader: Reader, its: HostFacts) -> Remembered:
    """What the host knows; nothing where its engine does not run or is one of a swarm. Raises `EngineError`,
    and `OverweaveError` where an answer makes no sense or the namespaces can't be looked at."""
    if not isinstance(its.engine, Engine) or not its.engine.running or its.engine.swarm:
        return Remembered()
    wanted = namespaces.ask("", namespaces.OVERLAYS)
    root = root_of(its)
    seen, anonymous, outside = reader.ask(
        wanted.query, query_script(ANONYMOUS, root), query_script(OUTSIDE, root)
    )
    spaces = namespaces.all_of_host(seen, wanted.mark, reader.host.name)
    try:
        raw = reader.engine.containers()
        on = {a.network for a in attachments.parse(raw) if a.running and a.endpoint}
        overlays = {id_: found for id_ in sorted(on) if (found := tuple(segments(spaces, id_)))}
        names = {a.container for a in attachments.parse(raw) if a.running and a.network in overlays}
        joined = tuple(
            its
            for container in _inspected(reader, sorted(names))
            for its in parse(
                container,
                reader.host.name,
                overlays,
                anonymous=frozenset(anonymous.stdout.split()),
                outside=frozenset(outside.stdout.split()),
            )
        )
    except NONSENSE as e:
        raise OverweaveError(
            f"the engine's containers make no sense: {type(e).__name__}: {one_line(e)}",
            host=reader.host.name,
            hint="please report this with the output of `docker ps -a` and `docker inspect`",
        ) from e
    return Remembered(joined, overlays)


def parse(
    raw: Json,
    host: str,
    overlays: Iterable[str],
    *,
    anonymous: frozenset[str] = frozenset(),
    outside: frozenset[str] = frozenset(),
) -> Iterator[Joined]:
    """The places of a container on ``overlays``, by id, from its inspection. ``anonymous`` and ``outside``
    are the lines of `ANONYMOUS` and `OUTSIDE`. Raises `ValueError` and its like for what makes no sense."""
    id_ = _id(raw["Id"])
    labels = text_map((raw.get("Config") or {}).get("Labels"))
    sandbox = text(raw["NetworkSettings"].get("SandboxID") or "")
    networks = raw["NetworkSettings"].get("Networks") or {}
    for name, its in networks.items():
        if not its.get("EndpointID") or text(its["NetworkID"]) not in overlays:
            continue
        yield Joined(
            host=host,
            container=text(raw["Name"]).lstrip("/"),
            network=_id(its["NetworkID"]),
            network_name=text(name),
            endpoint=_id(its["EndpointID"]),
            # One that shares the network of another container has no endpoint of its own.
            sandbox=_id(sandbox),
            address=str(IPv4Address(text(its["IPAddress"]))),
            mac=text(its.get("MacAddress") or "").lower(),
            aliases=texts(its.get("Aliases")),
            anonymous=id_ in anonymous,
            created=created if CREATED.fullmatch(created := text(raw.get("Created") or "")) else "",
            ours=bool({PROBE_LABEL, SPEC_LABEL} & labels.keys()),
            outside=f"gateway_{sandbox[:12]}" in outside,
            networks=len(networks),
        )


def _inspected(reader: Reader, names: Iterable[str]) -> Iterator[Json]:
    for name in names:
        try:
            yield reader.engine.container(name)
        except EngineError as e:
            # It went in this moment.
            if e.status != 404:
                raise


def segments(spaces: Mapping[str, Namespace], network: str) -> Iterator[Segment]:
    """The subnets of an overlay, by its id: those of its newest namespace that have a vxlan device."""
    space = namespaces.newest(spaces, network)
    for link in space.vxlans() if space else ():
        bridge = space.link(link.master) if space else None
        for address in bridge.addresses if bridge else ():
            its = IPv4Interface(address)
            if link.vni and link.port in (0, VXLAN_PORT):
                yield Segment(its.network, str(its.ip), link.vni, link.mtu)


def _id(value: object) -> str:
    """Raises `ValueError` for what is no id of an engine: it becomes part of a key."""
    its = text(value)
    if not ID.fullmatch(its):
        raise ValueError(f"{its!r:.80} is no id")
    return its
