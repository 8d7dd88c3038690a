"""Text to `Fleet`: the YAML inventory and the ``-H`` list. Errors name the path of the value.

``inventory/example.yml`` shows every key and is loaded by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from . import sources
from .errors import InventoryError, UsageError
from .inventory_networks import only_in_swarm, wanted_networks
from .inventory_sections import GivenArchive, GivenHost, GivenInventory, GivenStore, first_error
from .model import (
    CONSUL,
    ENCRYPTED,
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

SIZE_LIMIT = 1 << 20
"""Characters of an inventory; ten thousand hosts fit."""
VALUES_LIMIT = 100_000
"""Values of an inventory, its aliases expanded."""


def parse_mtu(value: int) -> int:
    """An underlay's MTU in bytes. Raises `UsageError`."""
    if not 1280 <= value <= 65535:
        raise UsageError(
            f"--mtu: {value} is not an MTU", hint="take the underlay's, from 1280 to 65535 bytes"
        )
    return value


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
    return _of_file(path, lambda data: data)


def load_beside(path: Path, hosts: Mapping[str, Mapping[str, Any]]) -> Fleet:
    """`load`, where it is known already how ssh reaches the hosts: the file says what else is wanted of these
    or of some of them, and needs no hosts."""
    return _of_file(path, lambda data: _beside(data, hosts))


def of_hosts(hosts: Mapping[str, Mapping[str, Any]]) -> Fleet:
    """The fleet of hosts that are known already, with nothing else that is wanted."""
    return _validated({"hosts": hosts}, Path())


def _beside(data: dict[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    given = data.get("hosts") or {}
    if not isinstance(given, dict):
        return data
    for name in given:
        if name not in hosts:
            raise InventoryError(
                f"hosts.{name}", "is no machine that runs", hint=f"those that run are {', '.join(hosts)}"
            )
    merged = {}
    for name, known in hosts.items():
        its = given.get(name) or {}
        merged[name] = {**its, **known} if isinstance(its, dict) else its
    return data | {"hosts": merged}


def _of_file(path: Path, complete: Callable[[dict[str, Any]], dict[str, Any]]) -> Fleet:
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
        return _validated(complete(_mapping(text)), path.parent)
    except InventoryError as e:
        raise InventoryError("", f"{path}: {e.message}", hint=e.hint) from e


def parse(text: str, folder: Path = Path()) -> Fleet:
    """As `load`, from the text of an inventory, or of another tool's that `sources` knows."""
    return _validated(_mapping(text), folder)


def _mapping(text: str) -> dict[str, Any]:
    if len(text) > SIZE_LIMIT:
        raise InventoryError("", f"more than {SIZE_LIMIT} characters are no inventory")
    if (known := sources.recognise(text)) is not None:
        return known
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
    return data


def parse_listed(text: str) -> Fleet:
    """As `parse`, of standard input, which may also be one host in a line, as -H takes it."""
    if not text.strip():
        raise InventoryError("", "there is nothing", hint="pipe an inventory in, or one host in a line")
    if sources.recognise(text) is None and (words := sources.listed(text)):
        return choose(words, None)
    return parse(text)


def _validated(data: dict[str, Any], folder: Path) -> Fleet:
    try:
        wanted = GivenInventory.model_validate(data)
    except ValidationError as e:
        raise first_error(e) from e
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


def _fleet(wanted: GivenInventory, folder: Path) -> Fleet:
    hosts = []
    for name, given in wanted.hosts.items():
        host = given or GivenHost()
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
        archive = GivenArchive(path=spec) if isinstance(spec, str) else spec
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
    if ENCRYPTED in fleet.network.options and not fleet.in_swarm:
        raise only_in_swarm(f"network.options.{ENCRYPTED}")


def _store(wanted: GivenStore, backend: str) -> Store:
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


def _refuse_ours(hosts: Sequence[Host], wanted: GivenStore) -> None:
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


def _refuse_other_backends(hosts: Sequence[Host], wanted: GivenInventory) -> None:
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
