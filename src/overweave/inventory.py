"""Text to `Fleet`: the YAML inventory and the ``-H`` list. Errors name the path of the value.

``inventory/example.yml`` shows every key and is loaded by the tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, Field, JsonValue, ValidationError

from . import sources
from .errors import InventoryError, UsageError
from .inventory_base import Model, Name, OptionText, parse_subnet
from .inventory_networks import SECTIONS, GivenNetwork, wanted_networks
from .model import (
    CONSUL,
    ETCD,
    IMAGES,
    MTU_OPTION,
    PORTS,
    SERVICE,
    SWARM,
    Access,
    Archive,
    Fleet,
    Host,
    Images,
    Network,
    Schedule,
    Store,
    Swarm,
)
from .printable import one_line

SIZE_LIMIT = 1 << 20
"""Characters of an inventory; ten thousand hosts fit."""
VALUES_LIMIT = 100_000
"""Values of an inventory, its aliases expanded."""

IMAGE = r"^[a-z0-9][a-zA-Z0-9_./:@-]{0,254}$"
CALENDAR = r"[A-Za-z0-9*][A-Za-z0-9*.,:/~_ +-]{1,79}"
MINUTES, HOURS = (5, 6, 10, 12, 15, 20, 30), (1, 2, 3, 4, 6, 8, 12)
FOLDER = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"
ADVERTISE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$|^\d{1,3}(\.\d{1,3}){3}$"


def parse_mtu(value: int) -> int:
    """An underlay's MTU in bytes. Raises `UsageError`."""
    if not 1280 <= value <= 65535:
        raise UsageError(
            f"--mtu: {value} is not an MTU", hint="take the underlay's, from 1280 to 65535 bytes"
        )
    return value


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


class _Ssh(Model):
    user: str | None = None
    port: _Port | None = None
    key: str | None = None
    known_hosts: str | None = None


class _Host(_Ssh):
    address: Annotated[str, Field(min_length=1, pattern=r"^[^\s,@]+$")] | None = None
    advertise: Annotated[str, Field(pattern=ADVERTISE)] | None = None
    store: bool = False
    manager: bool = False
    zone: Name | None = None


class _Network(Model):
    name: Name = Network.name
    subnet: Annotated[IPv4Network, BeforeValidator(parse_subnet)] = Network.subnet
    mtu: Annotated[int, Field(ge=1280, le=65535)] | None = None
    options: dict[str, OptionText] = {}


class _Schedule(Model):
    every: Annotated[str, BeforeValidator(parse_every)] = Schedule.every
    keep: Annotated[int, Field(ge=1, le=1000)] = Schedule.keep
    folder: Annotated[str, Field(pattern=FOLDER, max_length=200)] = Schedule.folder


class _Store(Model):
    kind: Annotated[Literal["consul", "etcd"], BeforeValidator(parse_kind)] | None = None
    image: _Image | None = None
    port: _Port | None = None
    servers: Literal[1, 3, 5] | None = None
    options: dict[str, JsonValue] = {}
    backup: _Schedule = _Schedule()
    external: Annotated[str, BeforeValidator(parse_external)] | None = None
    tls: bool = Store.tls
    run_as: Literal["container", "service"] = "container"


class _Swarm(Model):
    managers: Annotated[int, Field(ge=1, le=7)] | None = None
    port: Annotated[int, Field(ge=1024, le=49151)] = Swarm.port
    pool: Annotated[IPv4Network, BeforeValidator(parse_subnet)] | None = None
    autolock: bool | None = None


class _Archive(Model):
    path: str
    entrypoint: list[str] = []
    command: list[str] = []


class _Images(Model):
    probe: _Image = Images.probe
    archives: dict[_Image, str | _Archive] = {}


class _Inventory(Model):
    ssh: _Ssh = _Ssh()
    hosts: Annotated[dict[Name, _Host | None], Field(min_length=1)]
    backend: Literal["auto", "consul", "etcd", "swarm"] = "auto"
    network: _Network = _Network()
    store: _Store = _Store()
    swarm: _Swarm = _Swarm()
    images: _Images = _Images()
    networks: dict[Name, GivenNetwork] | None = None


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key replace an earlier one silently; a host given twice must be an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise InventoryError("", f"line {key_node.start_mark.line + 1}: a key must be a plain word")
            if key in seen:
                raise InventoryError(
                    "",
                    f"line {key_node.start_mark.line + 1}: '{key}' is given twice",
                    hint="keep one of them",
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path) -> Fleet:
    """The fleet of an inventory file. Relative paths in it start at the file's own folder.

    Raises `InventoryError`.
    """
    try:
        # One more than allowed: /dev/zero has no size to look at.
        with path.open(encoding="utf-8") as file:
            text = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise InventoryError(
            "", f"{path}: no such inventory", hint="see inventory/example.yml, or give the hosts with -H"
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise InventoryError("", f"{path}: can't be read: {e}") from e
    try:
        return parse(text, path.parent)
    except InventoryError as e:
        raise InventoryError("", f"{path}: {e.message}", hint=e.hint) from e


def parse(text: str, folder: Path = Path()) -> Fleet:
    """As `load`, from the text of an inventory, or of another tool's that `sources` knows."""
    if len(text) > SIZE_LIMIT:
        raise InventoryError("", f"more than {SIZE_LIMIT} characters are no inventory")
    if (known := sources.recognise(text)) is not None:
        return _validated(known, folder)
    try:
        data = yaml.load(text, _UniqueKeys)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 0
        raise InventoryError("", f"line {line}: not YAML: {e.problem}") from e
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise InventoryError("", f"not YAML: {str(e).splitlines()[0] if str(e) else type(e).__name__}") from e
    if not isinstance(data, dict):
        raise InventoryError(
            "", "an inventory is a mapping with the key 'hosts'", hint="see inventory/example.yml"
        )
    _refuse_bombs(data)
    return _validated(data, folder)


def parse_listed(text: str) -> Fleet:
    """As `parse`, of standard input, which may also be one host in a line, as -H takes it."""
    if not text.strip():
        raise InventoryError("", "there is nothing", hint="pipe an inventory in, or one host in a line")
    if sources.recognise(text) is None and (words := sources.listed(text)):
        return choose(words, None)
    return parse(text)


def schema() -> dict[str, Any]:
    """JSON Schema of an inventory, for editors."""
    told = _Inventory.model_json_schema()
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema"} | told | {"title": "Overweave inventory"}
    )


def _validated(data: dict[str, Any], folder: Path) -> Fleet:
    try:
        wanted = _Inventory.model_validate(data)
    except ValidationError as e:
        raise _first_error(e) from e
    return _fleet(wanted, folder)


def lines_of(text: str, name: str) -> tuple[int, int] | None:
    """The first and the last line, from 1, that an inventory which can be read has of a host; None where it
    does not name that, gives it by an alias, or is another tool's."""
    if sources.recognise(text) is not None:
        return None
    at: yaml.Node | None
    at = node = yaml.compose(text, _UniqueKeys)
    for key in ("hosts", name):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if isinstance(k, yaml.ScalarNode) and k.value == key), None)
        if found is None:
            return None
        at, node = found
    assert at is not None
    assert node is not None
    first, end = at.start_mark.line, node.end_mark
    if node.start_mark.index < at.start_mark.index:
        return None
    lines = text.split("\n")
    # What ends by being outdented ends where the next thing begins.
    outdented = isinstance(node, yaml.MappingNode) and not node.flow_style and end.index < len(text)
    last = end.line - 1 if outdented else end.line
    while last > first and (not lines[last].strip() or lines[last].lstrip().startswith("#")):
        last -= 1
    return first + 1, last + 1


def _refuse_bombs(data: object) -> None:
    """An alias costs a few bytes and stands for everything under its anchor, aliases too."""
    left, count = [data], 0
    while left:
        value = left.pop()
        count += 1
        if count > VALUES_LIMIT:
            raise InventoryError("", f"more than {VALUES_LIMIT} values are no inventory")
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple | set):
            left += value


def _fleet(wanted: _Inventory, folder: Path) -> Fleet:
    hosts = []
    for name, given in wanted.hosts.items():
        host = given or _Host()
        access = Access(
            address=host.address or name,
            user=host.user or wanted.ssh.user,
            port=host.port or wanted.ssh.port,
            key=_path(folder, host.key, f"hosts.{name}.key") or _path(folder, wanted.ssh.key, "ssh.key"),
            known_hosts=_path(folder, host.known_hosts, f"hosts.{name}.known_hosts")
            or _path(folder, wanted.ssh.known_hosts, "ssh.known_hosts"),
        )
        hosts.append(Host(name, access, host.advertise, host.store, host.zone or "", host.manager))
    _refuse_other_backends(hosts, wanted)
    servers = ("store", [host.name for host in hosts if host.store])
    _refuse_count("store.servers", wanted.store.servers, hosts, servers, "carry the store")
    _refuse_ours(hosts, wanted.store)
    archives = {}
    for image, spec in wanted.images.archives.items():
        archive = _Archive(path=spec) if isinstance(spec, str) else spec
        archives[image] = Archive(
            _path(folder, archive.path, f"images.archives.{image}") or folder,
            tuple(archive.entrypoint),
            tuple(archive.command),
        )
    fleet = Fleet(
        hosts=tuple(hosts),
        network=Network(**dict(wanted.network)),
        store=_store(wanted.store, wanted.backend),
        images=Images(wanted.images.probe, archives),
        backend=wanted.backend,
        swarm=Swarm(**dict(wanted.swarm)),
    )
    if wanted.networks is not None:
        fleet = replace(fleet, networks=wanted_networks(wanted.networks, fleet))
    _refuse_twins(fleet.hosts)
    if MTU_OPTION in fleet.network.options:
        raise InventoryError(
            f"network.options.{MTU_OPTION}", "is set by `network: mtu:`", hint="give it there"
        )
    refuse_encrypted(fleet)
    return fleet


def refuse_encrypted(fleet: Fleet) -> None:
    """Raises `InventoryError` where the network is to be encrypted, and its backend can't have that."""
    if "encrypted" in fleet.network.options and not fleet.in_swarm:
        raise InventoryError(
            "network.options.encrypted",
            "works in Swarm mode only: with a cluster store containers fail to join",
            hint="remove it, or say `backend: swarm`",
        )


def _store(wanted: _Store, backend: str) -> Store:
    address, _, port = (wanted.external or "").partition(":")
    # An image, a port and options are of one kind.
    of_one_kind = {"kind", "image", "port", "options", "run_as", "tls", "backup"}
    kind = wanted.kind or (backend if backend in IMAGES else CONSUL)
    more = {
        "kind": kind,
        "image": wanted.image or IMAGES[kind],
        "port": int(port) if port else wanted.port or PORTS[kind],
        "external": address,
        "decided": backend in IMAGES or bool(address) or bool(wanted.model_fields_set & of_one_kind),
    }
    return Store(**dict(wanted) | {"backup": Schedule(**dict(wanted.backup))} | more)


def _refuse_ours(hosts: Sequence[Host], wanted: _Store) -> None:
    """What is for a store of ours says nothing to one that somebody else runs, nor an image to a service."""
    if wanted.run_as == SERVICE and "image" in wanted.model_fields_set:
        raise InventoryError(
            "store.image",
            "is not for a store that runs as a service: it is the hosts' own program",
            hint="remove `image`, or `run_as: service`",
        )
    if not wanted.external:
        return
    ours = {"servers", "options", "backup", "image", "port", "tls", "run_as"}
    given = sorted(wanted.model_fields_set & ours)
    for name in given:
        hint = "give the port behind the address" if name == "port" else f"remove `{name}`, or `external`"
        raise InventoryError(f"store.{name}", "is not for a store that somebody else runs", hint=hint)
    if marked := [host.name for host in hosts if host.store]:
        raise InventoryError(
            f"hosts.{marked[0]}.store",
            "is not for a store that somebody else runs",
            hint="remove `store: true`, or `external`",
        )


def _refuse_other_backends(hosts: Sequence[Host], wanted: _Inventory) -> None:
    """What is for one backend says nothing to another one that was asked for by name."""
    managers = [host.name for host in hosts if host.manager]
    if wanted.backend == SWARM:
        marked = [f"hosts.{host.name}.store" for host in hosts if host.store]
        if given := marked or ["store"] * bool(wanted.store.model_fields_set):
            raise InventoryError(given[0], "a swarm has no store", hint="remove it, or `backend: swarm`")
    kind = wanted.store.kind
    if kind and wanted.backend in IMAGES and wanted.backend != kind:
        raise InventoryError("store.kind", f"is {kind}, and `backend` is {wanted.backend}", hint="remove one")
    if kind == ETCD or wanted.backend == ETCD:
        only = {"external", "run_as", "tls", "backup"}
        for name in sorted(wanted.store.model_fields_set & only):
            raise InventoryError(f"store.{name}", "is for a store in Consul", hint=f"remove `{name}`")
    if wanted.backend in IMAGES:
        marked = [f"hosts.{name}.manager" for name in managers]
        if given := marked or ["swarm"] * bool(wanted.swarm.model_fields_set):
            raise InventoryError(given[0], "is for a swarm", hint="remove it, or say `backend: swarm`")
    number = wanted.swarm.managers
    _refuse_count("swarm.managers", number, hosts, ("manager", managers), "are the managers")
    if number and number % 2 == 0:
        raise InventoryError(
            "swarm.managers",
            f"is {number}: an even number survives no more losses than one less",
            hint=f"take {number - 1} or {number + 1}",
        )


def _refuse_count(
    where: str, count: int | None, hosts: Sequence[Host], marked: tuple[str, Sequence[str]], do: str
) -> None:
    """More hosts that are ``marked`` by a key than were asked for, or more asked for than there are."""
    key, names = marked
    if count and len(names) > count:
        raise InventoryError(
            where,
            f"is {count}, and {len(names)} hosts are marked with `{key}: true`: {', '.join(names)}",
            hint=f"mark fewer hosts, or leave `{where.rpartition('.')[2]}` out: the marked hosts {do} then",
        )
    if count and count > len(hosts):
        raise InventoryError(where, f"is {count}, and there are {len(hosts)} hosts")


def _path(folder: Path, text: str | None, where: str) -> Path | None:
    if not text:
        return None
    try:
        return folder / Path(text).expanduser()
    except RuntimeError as e:
        user = text.split("/")[0].removeprefix("~")
        raise InventoryError(where, f"there is no user '{user}'") from e


def _first_error(error: ValidationError) -> InventoryError:
    """The first thing that is wrong, at its path, in the reader's words instead of the library's."""
    errors = error.errors()
    # A union reports every branch; a mapping was never meant to be the plain path.
    fitting = [e for e in errors if not ("str" in e["loc"] and isinstance(e["input"], dict))]
    first = next((e for e in fitting if e["type"] == "extra_forbidden"), (fitting or errors)[0])
    # A union adds its branch to the path, as in archives.x.str; only real keys belong there.
    where = ".".join(str(part) for part in first["loc"] if str(part) not in {"str", "_Archive", "[key]"})
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
        "hosts": _Host,
        "ssh": _Ssh,
        "network": _Network,
        "store": _Store,
        "swarm": _Swarm,
        "images": _Images,
    }
    model: type[BaseModel] = _Inventory if len(location) == 1 else sections.get(str(location[0]), _Inventory)
    if location[:2] == ("images", "archives"):
        model = _Archive
    if location[:2] == ("store", "backup"):
        model = _Schedule
    if location[0] == "networks" and len(location) > 1:
        model = SECTIONS.get(str(location[2]) if len(location) > 3 else "", GivenNetwork)
    known = list(model.model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"


def _refuse_twins(hosts: Iterable[Host]) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for host in hosts:
        place = (host.access.address, host.access.port)
        if place in seen:
            which = host.name if seen[place] == host.name else f"{seen[place]} and {host.name} ({place[0]})"
            raise UsageError(f"host given twice: {which}", hint="name each host once")
        seen[place] = host.name


def parse_host(text: str) -> Host:
    """A host of ``-H``: ``[user@]address[:port]``; IPv6 with a port as ``[::1]:22``."""
    match = re.fullmatch(r"(?:([^@\s]+)@)?(?:\[([^\s\]]+)\]|([^@\s\[\],:]+))(?::(\d{1,5}))?", text)
    if match:
        user, six, name, port = match.groups()
        if port is not None and not 0 < int(port) < 65536:
            raise UsageError(f"'{text}': there is no port {port}", hint="ports go from 1 to 65535")
        return Host(six or name, Access(six or name, user, int(port) if port else None))
    user, _, address = text.rpartition("@")
    try:
        IPv6Address(address)
    except AddressValueError:
        raise UsageError(f"'{text}' is not a host", hint="write it as [user@]address[:port]") from None
    return Host(address, Access(address, user or None))


def choose(names: Sequence[str], inventory: Fleet | None) -> Fleet:
    """The fleet that ``-H`` asks for: hosts of the inventory by name or address, or hosts as they stand.

    With no names it is the whole inventory. A user or port given with ``-H`` wins over the
    inventory's.

    Raises `UsageError` for no hosts, and for a host given twice.
    """
    if not names:
        if inventory is None:
            raise UsageError(
                "no hosts", hint="give them with -H host1,host2 or in a file with --inventory FILE"
            )
        return inventory
    hosts = []
    for name in names:
        given = parse_host(name)
        known = next(
            (h for h in (inventory.hosts if inventory else ()) if given.name in (h.name, h.access.address)),
            None,
        )
        if known is not None:
            access = replace(
                known.access,
                user=given.access.user or known.access.user,
                port=given.access.port or known.access.port,
            )
            given = replace(known, access=access)
        hosts.append(given)
    _refuse_twins(hosts)
    base = inventory or Fleet(())
    return replace(base, hosts=tuple(hosts))
