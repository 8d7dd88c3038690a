"""Everything that apply can do to a host, as data. A step says where, what and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .facts.record import Before
from .model import Archive

SHOWN = 3


def _some(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    all_ = list(names)
    more = f" and {len(all_) - SHOWN} more" if len(all_) > SHOWN else ""
    return ", ".join(all_[:SHOWN]) + more


@dataclass(frozen=True)
class _Step:
    """``restarts`` names what stops running for a moment; ``destructive`` steps lose data or state."""

    host: str
    why: str
    destructive: ClassVar[bool] = False

    @property
    def restarts(self) -> tuple[str, ...]:
        return ()

    @property
    def asks(self) -> str:
        """What somebody must have said by name before this is done, whatever else was confirmed."""
        return ""


@dataclass(frozen=True)
class RecordBefore(_Step):
    """Note on the host what was there before, once."""

    before: Before

    def __str__(self) -> str:
        return "note what is there now, so that it can be left that way again"


@dataclass(frozen=True)
class WriteFile(_Step):
    """``new_folder``: its folder is there for this file alone."""

    path: str
    content: str
    previous: str = ""
    new_folder: bool = False

    def __str__(self) -> str:
        return f"{'change' if self.previous else 'write'} {self.path}"


@dataclass(frozen=True)
class RemoveFile(_Step):
    """``with_folder``: and its folder, if that is empty then."""

    path: str
    with_folder: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class RestartEngine(_Step):
    """daemon-reload and restart. ``stops`` are the running containers that stop with the engine. ``same``:
    its configuration stays as it is, so nothing is to be taken back but that these stop."""

    stops: tuple[str, ...] = ()
    same: bool = False

    def __str__(self) -> str:
        return "restart the engine" + (f", and with it {', '.join(self.stops)}" if self.stops else "")

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("engine", *self.stops)


@dataclass(frozen=True)
class ProvideImage(_Step):
    """``archive`` None: pull."""

    image: str
    archive: Archive | None = None

    def __str__(self) -> str:
        return f"upload image {self.image}" if self.archive else f"pull image {self.image}"


@dataclass(frozen=True)
class RunContainer(_Step):
    """Create and start; ``replace`` removes the one that has the name. Volumes stay. ``new_volumes`` are
    those that it makes."""

    name: str
    spec: Mapping[str, Any] = field(repr=False)
    replace: bool = False
    new_volumes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'replace' if self.replace else 'run'} container {self.name} from {self.spec['Image']}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return (self.name,) if self.replace else ()


@dataclass(frozen=True)
class StartContainer(_Step):
    name: str

    def __str__(self) -> str:
        return f"start container {self.name}"


@dataclass(frozen=True)
class AwaitLeader(_Step):
    """Wait until the store has a leader."""

    def __str__(self) -> str:
        return "wait until the store has elected a leader"


@dataclass(frozen=True)
class JoinGossip(_Step):
    """Make every engine see every other one: ``addresses`` are the gossip addresses by host."""

    addresses: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"make the gossip whole: {len(self.addresses)} engines"


@dataclass(frozen=True)
class PassGate(_Step):
    """The health gate: hosts whose engines restarted are in order, or their changes are taken back.

    ``nodes``: what each of ``hosts`` must be in the store as; ``gossip``: addresses of all engines that
    must see each other; ``containers``: those of each host that ran before, and come back if their
    restart policy says so, or if they are to be ``started``; ``prove``: prove the pairs of these hosts, if
    the network is there.
    """

    hosts: tuple[str, ...]
    nodes: Mapping[str, str] = field(repr=False)
    gossip: Mapping[str, str] = field(repr=False)
    containers: Mapping[str, tuple[str, ...]] = field(repr=False)
    prove: bool = False
    started: bool = False

    def __str__(self) -> str:
        parts = ["engine active"]
        if self.nodes:
            parts.append("registered")
        if self.gossip:
            parts.append(f"gossip of {len(self.gossip)} whole")
        if any(self.containers.values()):
            parts.append("containers back")
        if self.prove:
            parts.append("pairs proven")
        return f"health gate of {', '.join(self.hosts)}: {', '.join(parts)}"


@dataclass(frozen=True)
class CreateNetwork(_Step):
    name: str
    spec: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        subnets = ", ".join(c["Subnet"] for c in self.spec["IPAM"]["Config"])
        options = "".join(f", {key}={value}" for key, value in sorted(self.spec["Options"].items()))
        return f"create {self.spec['Driver']} network {self.name} ({subnets}{options})"


@dataclass(frozen=True)
class RemoveNetwork(_Step):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove network {self.name}"


@dataclass(frozen=True)
class RemoveContainer(_Step):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove container {self.name}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class RemoveVolume(_Step):
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove volume {self.name}"


@dataclass(frozen=True)
class RemoveImage(_Step):
    name: str

    def __str__(self) -> str:
        return f"remove image {self.name}"


@dataclass(frozen=True)
class Row:
    """Where an overlay's packets for a container go: its address, its MAC, and the VTEP of its host."""

    address: str
    mac: str
    vtep: str

    def __str__(self) -> str:
        return f"{self.address} ({self.mac}) at {self.vtep}"


@dataclass(frozen=True)
class MendRows(_Step):
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
            *([f"write rows of {_some(map(str, self.write))}"] if self.write else []),
            *([f"delete rows of {_some(dropped)}"] if dropped else []),
        ]
        return f"on network {self.network}: {'; '.join(parts)}"


@dataclass(frozen=True)
class DisconnectEndpoint(_Step):
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
class RemoveVxlan(_Step):
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
class HoldAddresses(_Step):
    """Note in the store that addresses are given out, so that nobody gets them a second time. ``key`` is
    that of the subnet's address mask."""

    key: str
    subnet: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"note in the store that {_some(self.addresses)} of {self.subnet} can't be given out"


@dataclass(frozen=True)
class RejoinNetwork(_Step):
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


Step = (
    RecordBefore
    | WriteFile
    | RemoveFile
    | RestartEngine
    | ProvideImage
    | RunContainer
    | StartContainer
    | AwaitLeader
    | JoinGossip
    | PassGate
    | CreateNetwork
    | RemoveNetwork
    | RemoveContainer
    | RemoveVolume
    | RemoveImage
    | MendRows
    | DisconnectEndpoint
    | RemoveVxlan
    | RejoinNetwork
    | HoldAddresses
)
"""Closed: a new step is added here and in apply, and mypy finds every place that must know it."""


@dataclass(frozen=True)
class Stage:
    """Steps of one host are done in their order, hosts side by side; the next stage waits for all.

    Steps of a ``guarded`` stage are taken back unless their host passes a `PassGate` behind it.
    """

    title: str
    steps: tuple[Step, ...]
    guarded: bool = False


@dataclass(frozen=True)
class Plan:
    """What would change. Empty stages are not part of a plan, so one without stages changes nothing."""

    stages: tuple[Stage, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.stages)

    @property
    def digest(self) -> str:
        """Tells two plans apart, in an audit log."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for stage in self.stages for step in stage.steps)


def make_plan(*stages: Stage) -> Plan:
    return Plan(tuple(stage for stage in stages if stage.steps))
