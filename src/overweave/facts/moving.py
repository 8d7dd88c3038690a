"""What a move from a cluster store to a swarm has to keep: a host's overlays, and how containers are on them.

The note of a move lies on every host as long as it is under way: an engine that has lost its store knows none
of its networks any more, and a container that was taken off one has forgotten its aliases there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from overweave.command import query_script
from overweave.errors import Refused
from overweave.model import PROBE_LABEL, SPEC_LABEL
from overweave.ports import Json, Reader
from overweave.printable import one_line

from .engine import Engine
from .host import HostFacts
from .record import MOVE
from .swarm_records import INGRESS
from .typed import NONSENSE, objects, text, text_map, told_by_engine

QUERY = query_script('test ! -e "$1" || cat "$1"', MOVE)
OURS = frozenset({PROBE_LABEL, SPEC_LABEL})


@dataclass(frozen=True)
class Pool:
    """One subnet of a network, in CIDR form, with what was asked for in it; "" for nothing. ``reserved``:
    addresses that nobody is to get."""

    subnet: str
    gateway: str = ""
    range: str = ""
    reserved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """A network of the store, with all that another one of its name has to have."""

    id: str
    name: str
    driver: str
    pools: tuple[Pool, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    ipv6: bool = False
    ipam: str = "default"


@dataclass(frozen=True)
class Seat:
    """How a container is on a network: ``network`` is its id, "" while that is not known, ``settings`` are
    as in ``EndpointConfig``."""

    network: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fixed(self) -> str:
        """The address that it was given, "" for any."""
        return str((self.settings.get("IPAMConfig") or {}).get("IPv4Address") or "")


@dataclass(frozen=True)
class Wired:
    """A container of a user: ``mode`` is its network mode, ``seats`` are those on overlays, by name."""

    name: str
    running: bool
    mode: str = ""
    removes_itself: bool = False
    seats: Mapping[str, Seat] = field(default_factory=dict)


@dataclass(frozen=True)
class MoveNote:
    """As it was before a host was moved. ``networks``: all of the store, by name; ``containers``: those of
    this host that were on one, or ran; ``drop_in``: the text with the engine's flags; ``managers``: the hosts
    that are to manage the swarm."""

    networks: Mapping[str, Overlay]
    containers: Mapping[str, Wired]
    drop_in: str
    managers: tuple[str, ...]

    def text(self) -> str:
        told = {
            "networks": [_told(its) for its in self.networks.values()],
            "containers": [_told(its) for its in self.containers.values()],
            "drop_in": self.drop_in,
            "managers": self.managers,
        }
        return json.dumps(told, indent=1, sort_keys=True)


@dataclass(frozen=True)
class Moving:
    """What one host has by now. ``networks``: those of the store, where its engine has one."""

    note: MoveNote | None = None
    networks: tuple[Overlay, ...] = ()
    containers: Mapping[str, Wired] = field(default_factory=dict)


def look(reader: Reader, its: HostFacts) -> Moving:
    """Raises `EngineError` where an answer makes no sense, and `Refused` where the note can't be read."""
    (told,) = reader.ask(QUERY)
    note = _note(told.stdout, its.name)
    engine = its.engine
    if not isinstance(engine, Engine) or not engine.running:
        return Moving(note)
    with told_by_engine(
        "what the engine says of its overlays makes no sense", "`docker network inspect` and `docker inspect`"
    ):
        of_store = [network for network in engine.networks if network.scope == "global"]
        networks = tuple(parse_network(reader.engine.network(network.id)) for network in of_store)
        names = {network.name for network in networks} | set(note.networks if note else ())
        names |= {n.name for n in engine.networks if n.scope == "swarm" and n.name != INGRESS}
        on = {a.container for a in engine.attachments if a.network_name in names}
        wanted = [
            c.name
            for c in engine.containers
            if not OURS & c.labels.keys()
            and (c.name in on or c.running or (note is not None and c.name in note.containers))
        ]
        containers = {name: parse_container(reader.engine.container(name), names) for name in wanted}
    return Moving(note, networks, containers)


def kept(its: Mapping[str, Any], id_: str) -> dict[str, Any]:
    """Of what an engine says of a container on a network, that which it is to be told to have it so again.
    ``id_``: the container's."""
    # The short id is the engine's own addition, and it refuses to be told of it.
    aliases = [a for a in its.get("Aliases") or () if not id_.startswith(str(a))]
    found = {
        "Aliases": aliases,
        "Links": its.get("Links"),
        "DriverOpts": its.get("DriverOpts"),
        "IPAMConfig": its.get("IPAMConfig"),
    }
    return {key: value for key, value in found.items() if value}


def parse_network(raw: Json) -> Overlay:
    """Of ``GET /networks/NAME``. The gateway of a subnet that the engine chose itself has a mask (20.10)."""
    ipam = raw.get("IPAM") or {}
    return Overlay(
        id=text(raw["Id"]),
        name=text(raw["Name"]),
        driver=text(raw.get("Driver") or ""),
        pools=tuple(
            Pool(
                text(its.get("Subnet") or ""),
                text(its.get("Gateway") or "").partition("/")[0],
                text(its.get("IPRange") or ""),
                tuple(sorted(text_map(its.get("AuxiliaryAddresses")).values())),
            )
            for its in objects(ipam.get("Config"))
        ),
        options=text_map(raw.get("Options")),
        labels={key: _as_it_is(value) for key, value in (raw.get("Labels") or {}).items()},
        internal=raw.get("Internal") is True,
        ipv6=raw.get("EnableIPv6") is True,
        ipam=text(ipam.get("Driver") or "default"),
    )


def parse_container(raw: Json, networks: Iterable[str]) -> Wired:
    """Of ``GET /containers/NAME/json``."""
    id_, names = text(raw["Id"]), set(networks)
    settings = raw.get("HostConfig") or {}
    joined = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    return Wired(
        name=text(raw["Name"]).lstrip("/"),
        running=(raw.get("State") or {}).get("Running") is True,
        mode=text(settings.get("NetworkMode") or ""),
        removes_itself=settings.get("AutoRemove") is True,
        seats={
            text(name): Seat(text((its or {}).get("NetworkID") or ""), kept(its or {}, id_))
            for name, its in joined.items()
            if name in names
        },
    )


def _told(its: object) -> Any:
    if isinstance(its, Overlay | Pool | Wired | Seat):
        return {name: _told(value) for name, value in vars(its).items()}
    if isinstance(its, Mapping):
        return {name: _told(value) for name, value in its.items()}
    return [_told(value) for value in its] if isinstance(its, tuple) else its


def _as_it_is(value: Json) -> str:
    """With its lines: it goes into a file again, and is shown to nobody."""
    if not isinstance(value, str):
        raise TypeError(f"{one_line(value, 40)} is no text")
    return value


def _note(told: str, host: str) -> MoveNote | None:
    if not told:
        return None
    try:
        raw = json.loads(told)
        networks = [
            Overlay(
                **its | {"pools": tuple(Pool(**p | {"reserved": tuple(p["reserved"])}) for p in its["pools"])}
            )
            for its in raw["networks"]
        ]
        containers = [
            Wired(**its | {"seats": {name: Seat(**seat) for name, seat in its["seats"].items()}})
            for its in raw["containers"]
        ]
        return MoveNote(
            {its.name: its for its in networks},
            {its.name: its for its in containers},
            _as_it_is(raw["drop_in"]),
            tuple(text(name) for name in raw["managers"]),
        )
    except NONSENSE as e:
        raise Refused(
            f"its note of the move, {MOVE}, can't be read: {type(e).__name__}: {one_line(e, 200)}",
            host=host,
            hint="it has the networks, aliases and flags of before: put a copy of it back",
        ) from e
