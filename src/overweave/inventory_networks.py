"""The inventory's ``networks:``: from what is given to what is wanted on each host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from . import ranges
from .errors import InventoryError
from .inventory_base import Model, Name, OptionText, parse_subnet
from .model import ENCRYPTED, MTU_OPTION, Fleet
from .printable import one_line
from .wanted import BRIDGE, IPVLAN, LABEL, MACVLAN, ON_PARENT, OVERLAY, Joining, Subnet, WantedNetwork

INTERFACE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$"
MODES = {MACVLAN: ("bridge", "private", "vepa", "passthru"), IPVLAN: ("l2", "l3", "l3s")}
PREDEFINED = ("bridge", "host", "none", "docker_gwbridge", "ingress")
OURS = "io.overweave."
LONGEST = 15
"""Characters of an interface's name (the kernel's IFNAMSIZ, less its end)."""


def parse_range(value: object) -> IPv4Network:
    """A part of a subnet in CIDR form; host bits must be zero. Raises `ValueError`."""
    text = str(value)
    try:
        if "/" not in text:
            raise AddressValueError
        return IPv4Network(text)
    except AddressValueError:
        raise ValueError(f"'{one_line(text, 60)}' is not a range such as 10.0.0.64/26") from None
    except ValueError as e:
        raise ValueError(f"'{one_line(text, 60)}' is not a range such as 10.0.0.64/26: {e}") from None


def parse_address(value: object) -> IPv4Address:
    """Raises `ValueError`."""
    try:
        return IPv4Address(str(value))
    except AddressValueError:
        raise ValueError(f"'{one_line(str(value), 60)}' is not an IPv4 address") from None


_Net = Annotated[IPv4Network, BeforeValidator(parse_subnet)]
_Range = Annotated[IPv4Network, BeforeValidator(parse_range)]
_Address = Annotated[IPv4Address, BeforeValidator(parse_address)]
_Interface = Annotated[str, Field(pattern=INTERFACE)]


class GivenSubnet(Model):
    subnet: _Net
    gateway: _Address | None = None
    range: _Range | None = None
    slots: Annotated[int, Field(ge=1, le=4096)] | None = None
    ranges: dict[Name, _Range] = {}
    reserved: dict[Name, _Address] = {}


class GivenContainer(Model):
    host: Name
    name: Name
    aliases: list[Name] = []
    address: _Address | None = None


def _subnet(value: object) -> object:
    """A subnet alone is one with nothing more to say."""
    return {"subnet": value} if isinstance(value, str) else value


_GivenSubnet = GivenSubnet | _Net
"""What editors are told of it."""


class GivenNetwork(Model):
    driver: Literal["overlay", "bridge", "macvlan", "ipvlan"]
    hosts: Annotated[list[Name], Field(min_length=1)] | None = None
    subnets: list[Annotated[GivenSubnet, BeforeValidator(_subnet, json_schema_input_type=_GivenSubnet)]] = []
    mtu: Annotated[int, Field(ge=1280, le=65535)] | None = None
    internal: bool = False
    attachable: bool = True
    encrypted: bool = False
    labels: dict[str, OptionText] = {}
    options: dict[str, OptionText] = {}
    parent: _Interface | None = None
    parents: dict[Name, _Interface] = {}
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    mode: str | None = None
    shim: bool = False
    containers: list[GivenContainer] = []


SECTIONS: Mapping[str, type[BaseModel]] = {"subnets": GivenSubnet, "containers": GivenContainer}
"""What the keys of a network's lists are, for the hint at a key that is none."""


def wanted_networks(given: Mapping[str, GivenNetwork], fleet: Fleet) -> tuple[WantedNetwork, ...]:
    """Raises `InventoryError` for what contradicts itself, another network or the hosts."""
    found = tuple(_network(name, its, fleet) for name, its in given.items())
    _refuse_overlaps(found, fleet)
    _refuse_shared_parents(found)
    return found


def _network(name: str, given: GivenNetwork, fleet: Fleet) -> WantedNetwork:
    at = f"networks.{name}"
    if name in (*PREDEFINED, fleet.network.name):
        what = "the overlay of `network:`" if name == fleet.network.name else "a network of the engine's own"
        raise InventoryError(at, f"is the name of {what}", hint="choose another name")
    _refuse_other_drivers(at, given, fleet)
    hosts = tuple(given.hosts or fleet.names)
    for where, names in ((f"{at}.hosts", hosts), (f"{at}.parents", given.parents)):
        _refuse_unknown(where, names, fleet.names)
    parents = {}
    if given.driver in ON_PARENT:
        for host in hosts:
            base = given.parents.get(host) or given.parent
            if base is None:
                raise InventoryError(
                    f"{at}.parent", f"is missing for {host}", hint="name the interface that the network is on"
                )
            parents[host] = f"{base}.{given.vlan}" if given.vlan else base
            if len(parents[host]) > LONGEST:
                raise InventoryError(
                    f"{at}.vlan", f"{parents[host]} is longer than the {LONGEST} characters of an interface"
                )
    subnets = tuple(
        _cut(f"{at}.subnets.{number}", its, given, hosts) for number, its in enumerate(given.subnets)
    )
    return WantedNetwork(
        name=name,
        driver=given.driver,
        hosts=hosts,
        subnets=subnets,
        mtu=given.mtu,
        internal=given.internal,
        attachable=given.attachable,
        encrypted=given.encrypted,
        labels=given.labels,
        options=given.options,
        parents=parents,
        mode=given.mode or "",
        shim=given.shim,
        containers=tuple(_containers(f"{at}.containers", given, hosts, subnets)),
    )


def only_in_swarm(path: str) -> InventoryError:
    return InventoryError(
        path,
        "works in Swarm mode only: with a cluster store containers fail to join",
        hint="remove it, or say `backend: swarm`",
    )


def _refuse_other_drivers(at: str, given: GivenNetwork, fleet: Fleet) -> None:
    """Keys that say nothing to the driver, and what has a key of its own."""
    set_ = given.model_fields_set
    only: dict[str, tuple[tuple[str, ...], str]] = {
        "parent": (ON_PARENT, "macvlan and ipvlan"),
        "parents": (ON_PARENT, "macvlan and ipvlan"),
        "vlan": (ON_PARENT, "macvlan and ipvlan"),
        "mode": (ON_PARENT, "macvlan and ipvlan"),
        "shim": (ON_PARENT, "macvlan and ipvlan"),
        "mtu": ((OVERLAY, BRIDGE), "overlay and bridge: others have their parent's"),
        "attachable": ((OVERLAY,), "overlay"),
        "encrypted": ((OVERLAY,), "overlay"),
    }
    for key, (drivers, told) in only.items():
        if key in set_ and given.driver not in drivers:
            raise InventoryError(
                f"{at}.{key}", f"is for {told}", hint=f"remove it, or change `driver: {given.driver}`"
            )
    if given.encrypted and not fleet.in_swarm:
        raise only_in_swarm(f"{at}.encrypted")
    if given.mode is not None and given.mode not in MODES[given.driver]:
        raise InventoryError(
            f"{at}.mode",
            f"'{one_line(given.mode, 60)}' is none of {given.driver}",
            hint=f"take one of {', '.join(MODES[given.driver])}",
        )
    keys = {MTU_OPTION: "mtu", ENCRYPTED: "encrypted", "parent": "parent"}
    keys |= {f"{driver}_mode": "mode" for driver in ON_PARENT}
    for option in given.options:
        if option in keys:
            raise InventoryError(
                f"{at}.options.{option}", f"is set by `{keys[option]}:`", hint="give it there"
            )
    for label in given.labels:
        if label.startswith(OURS):
            raise InventoryError(f"{at}.labels.{label}", f"{OURS}* are Overweave's own", hint=f"as {LABEL}")
    if given.driver in ON_PARENT and not given.subnets:
        raise InventoryError(
            f"{at}.subnets",
            "is missing: each engine would choose another one, on one wire",
            hint="give the subnet that the hosts share, as in [10.0.50.0/24]",
        )
    if given.shim and given.internal:
        raise InventoryError(f"{at}.shim", "is a way out of an internal network", hint="remove one of them")
    if given.shim and given.driver == MACVLAN and given.mode not in (None, "bridge"):
        raise InventoryError(
            f"{at}.shim", f"reaches nobody in mode {given.mode}", hint="remove it, or `mode: bridge`"
        )


def _refuse_unknown(where: str, names: Sequence[str] | Mapping[str, object], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise InventoryError(
                where, f"'{one_line(name, 60)}' is no host", hint=f"hosts: {', '.join(known)}"
            )
    if len(set(names)) < len(names):
        raise InventoryError(where, "has a host twice", hint="name each host once")


def _cut(at: str, its: GivenSubnet, given: GivenNetwork, hosts: Sequence[str]) -> Subnet:
    gateway = its.gateway or next(iter(its.subnet.hosts()))
    inside = {f"{at}.gateway": gateway, **{f"{at}.reserved.{n}": a for n, a in its.reserved.items()}}
    for where, address in inside.items():
        if address not in its.subnet or address in (its.subnet.network_address, its.subnet.broadcast_address):
            raise InventoryError(where, f"{address} is no address of a host in {its.subnet}")
    for name, address in its.reserved.items():
        if address == gateway:
            raise InventoryError(f"{at}.reserved.{name}", "is the gateway, which nobody gives out anyway")
    if its.range and not its.range.subnet_of(its.subnet):
        raise InventoryError(f"{at}.range", f"{its.range} is not in {its.subnet}")
    if given.driver not in ON_PARENT:
        for key in ("slots", "ranges"):
            if key in its.model_fields_set:
                raise InventoryError(
                    f"{at}.{key}", "is for macvlan and ipvlan, whose engines share a subnet", hint="remove it"
                )
        same = dict.fromkeys(hosts, its.range) if its.range else {}
        return Subnet(its.subnet, gateway, {h: r for h, r in same.items() if r}, its.reserved)
    _refuse_unknown(f"{at}.ranges", its.ranges, hosts)
    try:
        if len(hosts) == 1 and not its.slots and not its.ranges:
            parts = {hosts[0]: its.range or its.subnet}
        else:
            parts = ranges.cut(its.range or its.subnet, hosts, its.ranges, its.slots)
        if given.shim and its.subnet in parts.values():
            raise ValueError("a shim needs a part of the subnet: give `range` or `slots`")
        taken = (gateway, *its.reserved.values())
        # Kept before anybody asks for a shim: an engine can't be told later what it is not to give out.
        kept = parts if given.shim else ranges.with_room(its.subnet, parts, taken)
        shims = {h: ranges.last_usable(its.subnet, p, taken) for h, p in kept.items()}
    except ValueError as e:
        raise InventoryError(at, str(e)) from e
    return Subnet(its.subnet, gateway, parts, its.reserved, shims)


def _containers(
    at: str, given: GivenNetwork, hosts: Sequence[str], subnets: Sequence[Subnet]
) -> Iterator[Joining]:
    seen: set[tuple[str, str]] = set()
    fixed: dict[tuple[str, IPv4Address], str] = {}
    for number, its in enumerate(given.containers):
        where = f"{at}.{number}"
        _refuse_unknown(f"{where}.host", (its.host,), hosts)
        if (its.host, its.name) in seen:
            raise InventoryError(where, f"{its.name} of {its.host} is given twice", hint="keep one of them")
        seen.add((its.host, its.name))
        if its.address is not None:
            _refuse_address(f"{where}.address", its.host, its.address, subnets, given)
            # A bridge has the same addresses on each host.
            key = (its.host if given.driver == BRIDGE else "", its.address)
            if key in fixed:
                raise InventoryError(f"{where}.address", f"{its.address} is {fixed[key]}'s already")
            fixed[key] = its.name
        address = str(its.address) if its.address is not None else ""
        yield Joining(its.host, its.name, tuple(its.aliases), address)


def _refuse_address(
    where: str, host: str, address: IPv4Address, subnets: Sequence[Subnet], given: GivenNetwork
) -> None:
    its = next((s for s in subnets if address in s.subnet), None)
    if its is None:
        told = ", ".join(str(s.subnet) for s in subnets) or "a subnet that is given"
        raise InventoryError(where, f"{address} is not in {told}")
    if address in (its.subnet.network_address, its.subnet.broadcast_address, its.gateway):
        raise InventoryError(where, f"{address} is no container's in {its.subnet}")
    kept = {**its.reserved, **{f"{name} itself": shim for name, shim in its.shims.items()}}
    for name, other in kept.items():
        if address == other:
            raise InventoryError(where, f"{address} is reserved for {name}")
    for other_host, part in its.ranges.items():
        if given.driver in ON_PARENT and other_host != host and address in part:
            raise InventoryError(
                where,
                f"{address} is in the range of {other_host}, which may give it to another container",
                hint=f"take one of {its.ranges[host]}, or one that is in no host's range",
            )


def _refuse_overlaps(networks: Sequence[WantedNetwork], fleet: Fleet) -> None:
    """Two networks of one host with addresses in common: routes lead to one of them only."""
    seen = [(fleet.network.name, fleet.network.subnet, fleet.names)]
    for network in networks:
        for number, its in enumerate(network.subnets):
            for name, subnet, hosts in seen:
                if subnet.overlaps(its.subnet) and set(hosts) & set(network.hosts):
                    raise InventoryError(
                        f"networks.{network.name}.subnets.{number}",
                        f"{its.subnet} overlaps {subnet} of {name}",
                        hint="choose another subnet",
                    )
            seen.append((network.name, its.subnet, network.hosts))


def _refuse_shared_parents(networks: Sequence[WantedNetwork]) -> None:
    """An engine takes an interface for one network (``is already using parent interface``, measured)."""
    seen: dict[tuple[str, str], str] = {}
    for network in networks:
        for place in network.parents.items():
            host, parent = place
            if place in seen:
                raise InventoryError(
                    f"networks.{network.name}.parent",
                    f"{parent} of {host} is {seen[place]}'s already: an engine has one network on each",
                    hint="give it a VLAN of its own with `vlan:`, or more subnets to one network",
                )
            seen[place] = network.name
