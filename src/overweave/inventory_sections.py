"""The sections of an inventory as somebody gives them, and in the reader's words what is wrong with one."""

from __future__ import annotations

import difflib
import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, ValidationError

from .errors import InventoryError
from .inventory_base import Model, Name, OptionText, parse_subnet
from .inventory_networks import SECTIONS, GivenNetwork
from .model import Images, Network, Schedule, Store, Swarm
from .printable import one_line

IMAGE = r"^[a-z0-9][a-zA-Z0-9_./:@-]{0,254}$"
CALENDAR = r"[A-Za-z0-9*][A-Za-z0-9*.,:/~_ +-]{1,79}"
MINUTES, HOURS = (5, 6, 10, 12, 15, 20, 30), (1, 2, 3, 4, 6, 8, 12)
FOLDER = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"
ADVERTISE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$|^\d{1,3}(\.\d{1,3}){3}$"


def parse_kind(value: object) -> object:
    """Of a store. ZooKeeper is one that engines have, and that carries nothing (measured on 20.10.5 and
    20.10.24): they take its list of names for one of keys. Raises `ValueError`."""
    if value == "zookeeper":
        raise ValueError(
            "carries no overlay: Docker 20.10 panics in it (libnetwork.(*endpointCnt).Key); take consul or "
            "etcd, or leave `store` out for a swarm"
        )
    return value


def parse_every(value: object) -> str:
    """How often something is done: minutes that divide an hour, hours that divide a day, a word, or a
    calendar expression, which systemd on the hosts knows better. Raises `ValueError`."""
    text = str(value)
    number, unit = (int(text[:-1]), text[-1]) if re.fullmatch(r"\d{1,6}[a-zA-Z]", text) else (0, "")
    if unit and not (unit == "m" and number in MINUTES) and not (unit == "h" and number in HOURS):
        raise ValueError(f"'{text}' divides no day: take 5m, 15m, 30m, 1h, 6h, 12h, daily or weekly")
    if not re.fullmatch(CALENDAR, text):
        raise ValueError(f"'{one_line(text, 100)}' is no calendar expression such as Mon..Fri 03:00")
    return text


def parse_external(value: object) -> str:
    """``ADDRESS`` or ``ADDRESS:PORT`` of a Consul as all hosts reach it. Raises `ValueError`."""
    text = str(value)
    address, colon, port = text.partition(":")
    try:
        its = IPv4Address(address)
    except AddressValueError:
        raise ValueError(f"'{one_line(text, 100)}' is no IPv4 address, with or without a port") from None
    if its.is_loopback or its.is_unspecified:
        raise ValueError(f"'{text}' is another machine on each host: give an address that all of them reach")
    if colon and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise ValueError(f"'{one_line(text, 100)}' has no port from 1 to 65535")
    return text


_Image = Annotated[str, Field(pattern=IMAGE)]
_Port = Annotated[int, Field(ge=1, le=65535)]


class GivenSsh(Model):
    user: str | None = None
    port: _Port | None = None
    key: str | None = None
    known_hosts: str | None = None


class GivenHost(GivenSsh):
    address: Annotated[str, Field(min_length=1, pattern=r"^[^\s,@]+$")] | None = None
    advertise: Annotated[str, Field(pattern=ADVERTISE)] | None = None
    store: bool = False
    manager: bool = False
    zone: Name | None = None


class GivenOverlay(Model):
    name: Name = Network.name
    subnet: Annotated[IPv4Network, BeforeValidator(parse_subnet)] = Network.subnet
    mtu: Annotated[int, Field(ge=1280, le=65535)] | None = None
    options: dict[str, OptionText] = {}


class GivenSchedule(Model):
    every: Annotated[str, BeforeValidator(parse_every)] = Schedule.every
    keep: Annotated[int, Field(ge=1, le=1000)] = Schedule.keep
    folder: Annotated[str, Field(pattern=FOLDER, max_length=200)] = Schedule.folder


class GivenStore(Model):
    kind: Annotated[Literal["consul", "etcd"], BeforeValidator(parse_kind)] | None = None
    image: _Image | None = None
    port: _Port | None = None
    servers: Literal[1, 3, 5] | None = None
    options: dict[str, JsonValue] = {}
    backup: GivenSchedule = GivenSchedule()
    external: Annotated[str, BeforeValidator(parse_external)] | None = None
    tls: bool = Store.tls
    run_as: Literal["container", "service"] = "container"


class GivenSwarm(Model):
    managers: Annotated[int, Field(ge=1, le=7)] | None = None
    port: Annotated[int, Field(ge=1024, le=49151)] = Swarm.port
    pool: Annotated[IPv4Network, BeforeValidator(parse_subnet)] | None = None
    autolock: bool | None = None


class GivenArchive(Model):
    path: str
    entrypoint: list[str] = []
    command: list[str] = []


class GivenImages(Model):
    probe: _Image = Images.probe
    archives: dict[_Image, str | GivenArchive] = {}


class GivenInventory(Model):
    ssh: GivenSsh = GivenSsh()
    hosts: Annotated[dict[Name, GivenHost | None], Field(min_length=1)]
    backend: Literal["auto", "consul", "etcd", "swarm"] = "auto"
    network: GivenOverlay = GivenOverlay()
    store: GivenStore = GivenStore()
    swarm: GivenSwarm = GivenSwarm()
    images: GivenImages = GivenImages()
    networks: dict[Name, GivenNetwork] | None = None


def schema() -> dict[str, Any]:
    """JSON Schema of an inventory, for editors."""
    told = GivenInventory.model_json_schema()
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema"} | told | {"title": "Overweave inventory"}
    )


def first_error(error: ValidationError) -> InventoryError:
    """The first thing that is wrong, at its path, in the reader's words instead of the library's."""
    errors = error.errors()
    # A union reports every branch; a mapping was never meant to be the plain path.
    fitting = [e for e in errors if not ("str" in e["loc"] and isinstance(e["input"], dict))]
    first = next((e for e in fitting if e["type"] == "extra_forbidden"), (fitting or errors)[0])
    # A union adds its branch to the path, as in archives.x.str; only real keys belong there.
    where = ".".join(str(part) for part in first["loc"] if str(part) not in {"str", "GivenArchive", "[key]"})
    kind, given = first["type"], first["input"]
    shown = one_line(repr(given), 100)
    key = str(first["loc"][-1]) if first["loc"] else ""
    if kind == "extra_forbidden":
        return InventoryError(where, "unknown key", hint=_nearest(key, first["loc"]))
    if kind == "model_type":
        return InventoryError(where, f"must be a mapping, not {shown}", hint="see inventory/example.yml")
    if kind == "missing":
        return InventoryError(where, "is missing", hint="see inventory/example.yml")
    if kind == "value_error":
        return InventoryError(where, str(first["ctx"]["error"]))
    if kind == "string_pattern_mismatch":
        return InventoryError(
            where, f"'{one_line(given, 100)}' is not allowed here", hint="see inventory/example.yml"
        )
    return InventoryError(where, f"{first['msg'][0].lower()}{first['msg'][1:]}, not {shown}")


def _nearest(key: str, location: tuple[int | str, ...]) -> str:
    sections: dict[str, type[BaseModel]] = {
        "hosts": GivenHost,
        "ssh": GivenSsh,
        "network": GivenOverlay,
        "store": GivenStore,
        "swarm": GivenSwarm,
        "images": GivenImages,
    }
    model: type[BaseModel] = (
        GivenInventory if len(location) == 1 else sections.get(str(location[0]), GivenInventory)
    )
    if location[:2] == ("images", "archives"):
        model = GivenArchive
    if location[:2] == ("store", "backup"):
        model = GivenSchedule
    if location[0] == "networks" and len(location) > 1:
        model = SECTIONS.get(str(location[2]) if len(location) > 3 else "", GivenNetwork)
    known = list(model.model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
