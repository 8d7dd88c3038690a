"""Text to `Fleet`: the YAML inventory and the ``-H`` list. Errors name the path of the value.

``inventory/example.yml`` shows every key and is loaded by the tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Network, IPv6Address, NetmaskValueError
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from .errors import InventoryError, UsageError
from .model import MTU_OPTION, Access, Archive, Fleet, Host, Images, Network, Store
from .printable import one_line

SIZE_LIMIT = 1 << 20
"""Characters of an inventory; ten thousand hosts fit."""
VALUES_LIMIT = 100_000
"""Values of an inventory, its aliases expanded."""

NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62})$"
IMAGE = r"^[a-z0-9][a-zA-Z0-9_./:@-]{0,254}$"
ADVERTISE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$|^\d{1,3}(\.\d{1,3}){3}$"


def parse_subnet(value: object) -> IPv4Network:
    """An IPv4 subnet in CIDR form, with room for containers; host bits must be zero.

    Raises `ValueError` with a message that says what would be right. IPv6 is refused because
    overlay containers are IPv4 only through Docker 29.
    """
    text = str(value)
    try:
        subnet = IPv4Network(text)
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"'{text}' is not an IPv4 subnet such as 10.211.0.0/16") from None
    except ValueError:
        right = IPv4Network(text, strict=False)
        raise ValueError(f"'{text}' has host bits set; the subnet is {right}") from None
    if "/" not in text or subnet.prefixlen > 29 or subnet.prefixlen < 8:
        raise ValueError(f"'{text}' leaves no room for containers: take a prefix from /8 to /29")
    return subnet


def parse_mtu(value: int) -> int:
    """An underlay's MTU in bytes. Raises `UsageError`."""
    if not 1280 <= value <= 65535:
        raise UsageError(
            f"--mtu: {value} is not an MTU", hint="take the underlay's, from 1280 to 65535 bytes"
        )
    return value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Name = Annotated[str, Field(pattern=NAME)]
_Image = Annotated[str, Field(pattern=IMAGE)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_OptionText = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]


class _Ssh(_Model):
    user: str | None = None
    port: _Port | None = None
    key: str | None = None
    known_hosts: str | None = None


class _Host(_Ssh):
    address: Annotated[str, Field(min_length=1, pattern=r"^[^\s,@]+$")] | None = None
    advertise: Annotated[str, Field(pattern=ADVERTISE)] | None = None
    store: bool = False


class _Network(_Model):
    name: _Name = Network.name
    subnet: Annotated[IPv4Network, BeforeValidator(parse_subnet)] = Network.subnet
    mtu: Annotated[int, Field(ge=1280, le=65535)] | None = None
    options: dict[str, _OptionText] = {}


class _Store(_Model):
    kind: Literal["consul"] = "consul"
    image: _Image = Store.image
    port: _Port = Store.port
    options: dict[str, JsonValue] = {}


class _Archive(_Model):
    path: str
    entrypoint: list[str] = []
    command: list[str] = []


class _Images(_Model):
    probe: _Image = Images.probe
    archives: dict[_Image, str | _Archive] = {}


class _Inventory(_Model):
    ssh: _Ssh = _Ssh()
    hosts: Annotated[dict[_Name, _Host | None], Field(min_length=1)]
    network: _Network = _Network()
    store: _Store = _Store()
    images: _Images = _Images()


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
    """As `load`, from the text of an inventory."""
    if len(text) > SIZE_LIMIT:
        raise InventoryError("", f"more than {SIZE_LIMIT} characters are no inventory")
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
    try:
        wanted = _Inventory.model_validate(data)
    except ValidationError as e:
        raise _first_error(e) from e
    return _fleet(wanted, folder)


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
        hosts.append(Host(name, access, host.advertise, host.store))
    stores = [host.name for host in hosts if host.store]
    if len(stores) > 1:
        raise InventoryError(
            "hosts", f"{' and '.join(stores)} are both marked 'store: true'", hint="keep one of them"
        )
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
        store=Store(**dict(wanted.store)),
        images=Images(wanted.images.probe, archives),
    )
    _refuse_twins(fleet.hosts)
    if MTU_OPTION in fleet.network.options:
        raise InventoryError(
            f"network.options.{MTU_OPTION}", "is set by `network: mtu:`", hint="give it there"
        )
    if "encrypted" in fleet.network.options:
        raise InventoryError(
            "network.options.encrypted",
            "works in Swarm mode only: with a cluster store containers fail to join",
            hint="remove it",
        )
    return fleet


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
        "images": _Images,
    }
    model: type[BaseModel] = _Inventory if len(location) == 1 else sections.get(str(location[0]), _Inventory)
    if location[:2] == ("images", "archives"):
        model = _Archive
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
