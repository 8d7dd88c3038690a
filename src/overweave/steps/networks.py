"""Networks, who is on them, and what the kernel has of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .base import HostStep, some
from .store import HoldAddresses


@dataclass(frozen=True)
class CreateNetwork(HostStep):
    name: str
    spec: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        subnets = ", ".join(_pool(c) for c in self.spec["IPAM"]["Config"])
        options = "".join(f", {key}={value}" for key, value in sorted(self.spec["Options"].items()))
        internal = ", internal" if self.spec.get("Internal") else ""
        about = f"{subnets or 'any subnet'}{internal}{options}"
        return f"create {self.spec['Driver']} network {self.name} ({about})"


def _pool(config: Mapping[str, Any]) -> str:
    """A subnet, and what is given out of it."""
    part = f", giving out {config['IPRange']}" if config.get("IPRange") else ""
    return f"{config['Subnet']}{part}"


@dataclass(frozen=True)
class RemoveNetwork(HostStep):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove network {self.name}"


@dataclass(frozen=True)
class LeaveNetwork(HostStep):
    """Take a container off a network for good, running or not; ``network`` is an id."""

    container: str
    network: str
    network_name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"disconnect container {self.container} from network {self.network_name}"


@dataclass(frozen=True)
class ConnectContainer(HostStep):
    """Put a container on a network by that one's name, running or not. ``address`` is "" for any."""

    container: str
    network: str
    aliases: tuple[str, ...] = ()
    address: str = ""

    def __str__(self) -> str:
        at = f" at {self.address}" if self.address else ""
        known = f" as {', '.join(self.aliases)}" if self.aliases else ""
        return f"connect container {self.container} to network {self.network}{at}{known}"


@dataclass(frozen=True)
class Row:
    """Where an overlay's packets for a container go: its address, its MAC, and the VTEP of its host."""

    address: str
    mac: str
    vtep: str

    def __str__(self) -> str:
        return f"{self.address} ({self.mac}) at {self.vtep}"


@dataclass(frozen=True)
class MendRows(HostStep):
    """In ``namespace``, a host's one of an overlay network: ``write`` rows of containers that are where
    they say, drop neighbours by their address, and forwarding rows by MAC and VTEP."""

    network: str
    namespace: str
    device: str
    write: tuple[Row, ...] = ()
    drop_neighbours: tuple[str, ...] = ()
    drop_forwarding: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        dropped = [*self.drop_neighbours, *map(" at ".join, self.drop_forwarding)]
        parts = [
            *([f"write rows of {some(map(str, self.write))}"] if self.write else []),
            *([f"delete rows of {some(dropped)}"] if dropped else []),
        ]
        return f"on network {self.network}: {'; '.join(parts)}"


@dataclass(frozen=True)
class DisconnectEndpoint(HostStep):
    """Remove the record of an endpoint that no host has, and give its address back. ``host``: any whose
    engine has no container of that name. ``network`` is an id. ``gone``: the address of its own engine where
    that could not be asked, and nobody knows it any more."""

    endpoint: str
    name: str
    network: str
    network_name: str
    gone: str = ""

    @property
    def asks(self) -> str:
        return f"the host at {self.gone} does not come back" if self.gone else ""

    def __str__(self) -> str:
        return f"disconnect {self.name} (endpoint {self.endpoint[:10]}) from network {self.network_name}"


@dataclass(frozen=True)
class RemoveVxlan(HostStep):
    """Remove a vxlan device that no engine uses. ``namespace``: path of the one it is in, "" for the host's
    own; ``with_namespace``: one of Docker's, which goes with it."""

    namespace: str
    device: str
    vni: int
    with_namespace: bool = False

    def __str__(self) -> str:
        inside = f" in {self.namespace}" if self.namespace else ""
        if not self.device:
            return f"remove namespace {self.namespace}"
        more = ", and that namespace" if self.with_namespace else ""
        return f"remove vxlan device {self.device} (VNI {self.vni}){inside}{more}"


@dataclass(frozen=True)
class RejoinNetwork(HostStep):
    """Take a running container off a network and put it there again, with another address. Its
    connections end. ``network`` is an id. ``keep``: what it gives back stays somebody else's, and would be
    the first address that is free again. ``endpoint`` is what it has there now: if it has another one by
    then, somebody else was there, and nothing is done."""

    container: str
    network: str
    network_name: str
    keep: HoldAddresses | None = None
    endpoint: str = ""

    def __str__(self) -> str:
        return f"join {self.container} to network {self.network_name} again, with another address"


NetworkStep = (
    CreateNetwork
    | RemoveNetwork
    | LeaveNetwork
    | ConnectContainer
    | MendRows
    | DisconnectEndpoint
    | RemoveVxlan
    | RejoinNetwork
)
