"""The container network model of one host, as its kernel has it: network, endpoint, sandbox. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from overweave.facts.containers import SHARES, ContainerFact
from overweave.facts.namespaces import HOST, Link, Namespace
from overweave.facts.networks import HostNetworks

from .model import Device, Endpoint, HostTree, Member, NetworkTree, Sandbox, Vxlan
from .records import Attached, Record, nobodys

BRIDGE_NAME = "com.docker.network.bridge.name"
ON_PARENT = ("macvlan", "ipvlan")
"""Drivers, and kinds of devices, without a pair: an interface is on a device of the host."""
WITHOUT_DEVICES = ("host", "null")
"""Drivers whose endpoints have no interface."""
DEFAULT = "default"
"""The name in Docker's folder of the host's own namespace, once a container was in it."""


def tree(seen: HostNetworks, records: Sequence[Record], *, whole: bool = True) -> HostTree:
    """Of a host whose devices were looked at. Unless ``whole``, the sandboxes are those on these networks."""
    host = _Host(seen)
    networks = tuple(_network(host, record) for record in records)
    keys = {endpoint.sandbox for network in networks for endpoint in network.endpoints}
    return HostTree(seen.host, networks, tuple(s for s in _sandboxes(host) if whole or s.key in keys))


@dataclass(frozen=True)
class _Host:
    seen: HostNetworks

    @property
    def spaces(self) -> Mapping[str, Namespace]:
        return self.seen.namespaces

    def key(self, container: ContainerFact | None, mac: str) -> str:
        """The sandbox of an endpoint: its container's, else the one with an interface that has its MAC."""
        if container is not None:
            return container.key
        of_engine = (n for n, s in self.spaces.items() if is_sandbox(n) and s.interface(mac, "") is not None)
        return next(of_engine, "")

    def space(self, key: str) -> Namespace | None:
        return self.spaces.get(HOST if key == DEFAULT else key)


def is_sandbox(name: str) -> bool:
    """Whether a namespace is that of a container, or of what an engine runs for itself."""
    return name != HOST and "-" not in name


def _network(host: _Host, record: Record) -> NetworkTree:
    fact = record.fact
    space = record.space if fact.driver == "overlay" else host.seen.own
    bridges = _bridges(record, space)
    attached = [_endpoint(host, record, its, space, bridges) for its in record.attached]
    wrong = [f"{name} runs and has no endpoint on {fact.name}" for name in record.without]
    if space is not None:
        wrong += _about_devices(record, bridges)
        used = {e.port.index for e in attached if e.port}
        wrong += [
            f"{link.name} is in {bridge.name}, and no sandbox has its other end"
            for bridge in bridges
            for link in space.links
            if link.kind == "veth" and link.master == bridge.name and link.index not in used
            if not _somewhere(host, link)
        ]
    elif record.attached and fact.driver == "overlay":
        wrong.append(f"there is no network namespace of {fact.name} here")
    return NetworkTree(
        id=fact.id,
        name=fact.name,
        driver=fact.driver,
        scope=fact.scope,
        subnets=fact.subnets,
        vnis=record.vnis,
        flags=record.flags,
        namespace=record.space.name if record.space else "",
        bridges=tuple(_device(b) for b in bridges),
        vxlans=tuple(_vxlan(record.space, v) for v in record.space.vxlans()) if record.space else (),
        endpoints=tuple(attached),
        waiting=record.waiting,
        wrong=tuple(wrong),
    )


def _bridges(record: Record, space: Namespace | None) -> tuple[Link, ...]:
    """An overlay has one for each of its subnets."""
    if space is None:
        return ()
    if record.fact.driver == "overlay":
        return tuple(link for link in space.links if link.kind == "bridge")
    link = space.link(bridge_name(record)) if record.fact.driver == "bridge" else None
    return (link,) if link else ()


def bridge_name(record: Record) -> str:
    """Of a network of the driver ``bridge``."""
    return record.fact.options.get(BRIDGE_NAME) or f"br-{record.fact.id[:12]}"


def _about_devices(record: Record, bridges: Sequence[Link]) -> Iterator[str]:
    driver = record.fact.driver
    if driver == "bridge" and not bridges:
        yield f"there is no bridge {bridge_name(record)}"
    if record.space is not None and not bridges:
        yield f"there is no bridge in namespace {record.space.name}"
    vxlans = record.space.vxlans() if record.space else ()
    if record.space is not None and not vxlans:
        yield f"there is no vxlan device in namespace {record.space.name}"
    for link in (*bridges, *vxlans):
        if not link.up:
            yield f"{link.name} is down"
        if link.kind == "vxlan" and not link.master:
            yield f"{link.name} is in no bridge"


def _endpoint(
    host: _Host, record: Record, its: Attached, space: Namespace | None, bridges: Sequence[Link]
) -> Endpoint:
    plug, key = its.plug, host.key(its.container, its.plug.mac)
    made = Endpoint(plug.id, plug.name, its.holder, plug.address, plug.mac, key)
    if not its.holder:
        return replace(made, wrong=(nobodys(plug),))
    if record.fact.driver in WITHOUT_DEVICES:
        return made
    sandbox = host.space(key)
    if sandbox is None:
        where = f"the sandbox of {its.holder} is not there" if key else f"{its.holder} has no sandbox"
        return replace(made, wrong=(where,))
    link = sandbox.interface(plug.mac, plug.address.partition("/")[0])
    if link is None:
        told = f"no interface in the sandbox of {its.holder} has {plug.address or plug.mac}"
        return replace(made, wrong=(told,))
    port = space.other_end(link) if space and link.kind == "veth" else None
    parent = _parent(host, link)
    return replace(
        made,
        interface=_device(link),
        port=_device(port) if port else None,
        parent=parent,
        wrong=tuple(_about_pair(its.holder, link, port, bridges)),
    )


def _about_pair(holder: str, link: Link, port: Link | None, bridges: Sequence[Link]) -> Iterator[str]:
    if not link.up:
        yield f"{link.name} of {holder} is down"
    if link.kind != "veth" or not bridges:
        return
    names = [bridge.name for bridge in bridges]
    if port is None:
        yield f"{link.name} of {holder}: its other end is not where {' and '.join(names)} is"
        return
    if not port.up:
        yield f"{port.name}, the other end of {link.name} of {holder}, is down"
    if port.master not in names:
        where = f"is in {port.master or 'no bridge'}, not in {' or '.join(names)}"
        yield f"{port.name}, the other end of {link.name} of {holder}, {where}"


def _parent(host: _Host, link: Link) -> str:
    own = host.seen.own
    if link.kind not in ON_PARENT or own is None:
        return ""
    return next((x.name for x in own.links if x.index == link.peer), "")


def _somewhere(host: _Host, port: Link) -> bool:
    """Whether the other end of a port is in any namespace that was looked at."""
    return any(s.other_end(port) is not None for s in host.spaces.values())


def _sandboxes(host: _Host) -> Iterator[Sandbox]:
    """Those with a container, told apart by what the kernel has their processes in; then those of nobody."""
    containers = host.seen.containers or ()
    by_key: dict[str, list[ContainerFact]] = {}
    for container in containers:
        if container.pid:
            by_key.setdefault(container.key, []).append(container)
    for key, its in sorted(by_key.items()):
        owners = [c for c in its if not c.shares]
        yield _sandbox(host, key, [*owners, *(c for c in its if c.shares)], containers)
    for key, space in sorted(host.spaces.items()):
        if is_sandbox(key) and key not in by_key:
            mine = len(key) == 12 and "_" not in key
            wrong = (f"sandbox {key}: no container that runs has it",) if mine else ()
            yield Sandbox(key, space.inode, False, (), (), _devices(space), wrong=wrong)


def _sandbox(
    host: _Host, key: str, members: Sequence[ContainerFact], containers: Sequence[ContainerFact]
) -> Sandbox:
    space, own = host.space(key), host.seen.own
    inode = space.inode if space else 0
    wrong = []
    for member in members:
        seen = host.seen.inodes.get(member.pid, 0)
        if seen and inode and seen != inode:
            wrong.append(f"{member.name} (pid {member.pid}) is not in its sandbox {key}")
    servers = dict.fromkeys(s for c in members for s in host.seen.name_servers.get(c.resolv, ()))
    ids = {SHARES + member.id for member in members}
    return Sandbox(
        key=key,
        inode=inode,
        own=key == DEFAULT or (own is not None and inode == own.inode),
        members=tuple(Member(c.name, c.pid, bool(c.shares)) for c in members),
        name_servers=tuple(servers),
        # The host's are too many to tell, and nobody's in particular.
        devices=_devices(space) if space and key != DEFAULT else (),
        waiting=tuple(sorted(c.name for c in containers if not c.running and c.mode in ids)),
        wrong=tuple(wrong),
    )


def _devices(space: Namespace) -> tuple[Device, ...]:
    return tuple(_device(link) for link in space.links)


def _vxlan(space: Namespace, link: Link) -> Vxlan:
    rows = Counter(row.vtep for row in space.forwarding if row.vtep and row.device == link.name)
    return Vxlan(_device(link), link.vni, link.port, dict(sorted(rows.items())))


def _device(link: Link) -> Device:
    return Device(
        link.name, link.index, link.kind, link.up, link.mtu, link.mac, link.addresses, link.peer, link.master
    )
