"""Everything that apply can do to a host, as data. A step says where, what and why."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .command import Secret
from .credentials import Credentials
from .facts.record import Before
from .facts.store_service import UNIT
from .gossip.events import Left
from .model import CONTAINER, Archive
from .stores.consul import CONTAINER as STORE

SHOWN = 3


def some(names: Iterable[str]) -> str:
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


RELOAD = f"""\
if systemctl --quiet is-active {UNIT}; then
  systemctl kill --kill-who=main --signal HUP {UNIT}
else
  timeout 20 docker -H unix:///var/run/docker.sock kill --signal HUP {STORE} > /dev/null 2>&1
fi || true
"""
"""What makes a host's part of the store read its certificate anew, if it runs, for a POSIX shell."""


@dataclass(frozen=True)
class WriteSecret(_Step):
    """A file that is root's alone. ``there``: there is one already. ``reload``: the store reads it anew, if
    it runs."""

    path: str
    content: Secret = field(repr=False)
    there: bool = False
    new_folder: bool = False
    reload: bool = False

    def __str__(self) -> str:
        return f"{'change' if self.there else 'write'} {self.path}, for root alone"


@dataclass(frozen=True)
class RemoveFile(_Step):
    """``with_folder``: and its folder, if that is empty then."""

    path: str
    with_folder: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class InstallUnit(_Step):
    """Write ``files`` (text by path) of a systemd unit, and enable it. ``previous``: those that are there
    now. ``folder`` is theirs alone."""

    unit: str
    files: Mapping[str, str] = field(repr=False)
    previous: Mapping[str, str] = field(repr=False)
    folder: str = ""

    def __str__(self) -> str:
        return f"{'change' if self.previous else 'install'} {self.unit}"


@dataclass(frozen=True)
class RemoveUnit(_Step):
    """Stop and disable a systemd unit, and remove its ``files``, and ``folder`` if that is empty then."""

    unit: str
    files: tuple[str, ...]
    folder: str = ""

    def __str__(self) -> str:
        return f"remove {self.unit}"


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
class UpgradeEngine(_Step):
    """Run an operator's command that brings another engine, and restart that if the command did not.
    ``version`` is what it has to be then, or how that begins: see `is_version`."""

    command: str
    version: str
    stops: tuple[str, ...] = ()

    def __str__(self) -> str:
        stops = f", and with the engine stop {', '.join(self.stops)}" if self.stops else ""
        return f"bring engine {self.version} by `{self.command}`{stops}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("engine", *self.stops)


def is_version(told: str, wanted: str) -> bool:
    """Whether an engine's version is the wanted one, of which the end may be left out: 20.10.24 is that of
    20.10.24+dfsg1, and 20.10.2 is not."""
    return re.match(rf"{re.escape(wanted)}(?!\d)", told) is not None


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
class StopContainers(_Step):
    """Let containers end, side by side."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"stop {', '.join(self.names)}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True)
class RewireContainer(_Step):
    """Take a container that is stopped off networks that its engine may not know any more, and put it on
    others; all by their names. ``join``: the settings on each, as in ``EndpointConfig``."""

    container: str
    leave: tuple[str, ...]
    join: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def __str__(self) -> str:
        return f"put container {self.container} on the other {', '.join(self.join)}"


@dataclass(frozen=True)
class StartContainers(_Step):
    """Start containers, side by side. Those that run already go on."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"start {', '.join(self.names)}"


@dataclass(frozen=True)
class RunService(_Step):
    """Write the file of a host's own service for the store, and have systemd run it, now and from each boot
    on. ``replace``: it runs, and is restarted. ``new_data``: the folder that it makes, "" where that is
    there."""

    unit: str
    path: str
    content: str = field(repr=False)
    previous: str = field(default="", repr=False)
    replace: bool = False
    new_data: str = ""

    def __str__(self) -> str:
        return f"{'restart' if self.replace else 'run'} service {self.unit}"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",) if self.replace else ()


@dataclass(frozen=True)
class StartService(_Step):
    unit: str

    def __str__(self) -> str:
        return f"start service {self.unit}"


@dataclass(frozen=True)
class RemoveService(_Step):
    """Stop a host's own service for the store, and remove its file and its ``data``."""

    unit: str
    path: str
    data: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove service {self.unit}, and its data"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",)


@dataclass(frozen=True)
class MoveStore(_Step):
    """Stop a host's part of the store, and give a copy of its data to the form that it is ``to`` run in. What
    it ran in goes when all is settled, and so does its ``image``, where a deployment had brought that."""

    to: str
    image: str = ""

    def __str__(self) -> str:
        return f"stop the store, and copy its data to where a {self.to} has them"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",)


@dataclass(frozen=True)
class AwaitLeader(_Step):
    """Wait until the store has a leader."""

    def __str__(self) -> str:
        return "wait until the store has elected a leader"


@dataclass(frozen=True)
class AwaitAgent(_Step):
    """Wait until the store's agent on a host is one of the others; if it ``votes``, until raft counts on it
    and it has written all that they have. ``others``: hosts with servers."""

    others: tuple[str, ...] = ()
    votes: bool = False

    def __str__(self) -> str:
        if self.votes:
            return "wait until its server votes, and has all that the leader has"
        return "wait until its agent is with the servers"


@dataclass(frozen=True)
class RetireServer(_Step):
    """The server of a host leaves the quorum, stops, and its copy of the store is removed. ``id`` is raft's,
    "" where raft does not know it; ``name`` its agent's; ``others``: hosts with servers that go on."""

    id: str
    name: str
    others: tuple[str, ...]
    run_as: str = CONTAINER

    def __str__(self) -> str:
        return "take its server out of the quorum, and its copy of the store away"


@dataclass(frozen=True)
class RemovePeer(_Step):
    """Take a server out of the quorum whose host is gone. ``id`` is raft's, ``name`` its agent's, "" where
    nobody knows it. ``host``: one with a server that goes on."""

    id: str
    name: str
    address: str

    def __str__(self) -> str:
        return f"take the server {self.name or '?'} at {self.address} out of the quorum"


@dataclass(frozen=True)
class AddMember(_Step):
    """Let the server of another host join a store in etcd. ``host``: one whose server goes on."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"let the server on {self.name} at {self.address} join"


@dataclass(frozen=True)
class RemoveMember(_Step):
    """Take a server out of a store in etcd by its ``id``. ``host``: one whose server goes on."""

    id: str
    name: str
    address: str

    def __str__(self) -> str:
        return f"take the server {self.name or '?'} at {self.address} out of the quorum"


@dataclass(frozen=True)
class ForgetQuorum(_Step):
    """Stop a server, and remove its copy of the store, so that it can't vote as one of an old quorum."""

    run_as: str = CONTAINER
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "stop its server, and remove its copy of the store"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",)


@dataclass(frozen=True)
class RecoverQuorum(_Step):
    """Make a server that has lost its quorum the only one that votes. ``id`` is raft's, ``address`` has the
    port."""

    id: str
    address: str
    run_as: str = CONTAINER
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "start its server as the only one that votes (raft/peers.json)"

    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",)


@dataclass(frozen=True)
class CheckVersion(_Step):
    """Ask an image for its version, and go on only if that may follow those that are ``running``."""

    image: str
    running: tuple[str, ...]

    def __str__(self) -> str:
        return f"ask {self.image} for its version"


@dataclass(frozen=True)
class GrantAccess(_Step):
    """Make the store know the tokens of its agents and of the engines, and its agents gossip with the
    fleet's key."""

    credentials: Credentials = field(repr=False)

    def __str__(self) -> str:
        return "let the fleet's agents and engines into the store, and nobody else"


@dataclass(frozen=True)
class RestoreStore(_Step):
    """Replace all that the store holds by a ``snapshot``. ``told`` says what is in it; ``engines`` are what
    each host's engine is to be registered as after that, and ``credentials`` what they show: the backup may
    be older than those."""

    told: str
    snapshot: bytes = field(repr=False)
    engines: Mapping[str, str] = field(repr=False)
    credentials: Credentials | None = field(default=None, repr=False)
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"replace all that the store holds by the backup {self.told}"


@dataclass(frozen=True)
class RestoreKeys(_Step):
    """The same of a store in etcd: let it hold these ``keys`` beside the registrations of engines, and no
    others. What has its value already is left alone."""

    told: str
    keys: Mapping[str, bytes] = field(repr=False)
    engines: Mapping[str, str] = field(repr=False)
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"replace all that the store holds by the backup {self.told}"


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
class InitSwarm(_Step):
    """``address`` is what others reach the manager and its containers at, ``port`` that of VXLAN (UDP)."""

    address: str
    port: int
    pool: str = ""

    def __str__(self) -> str:
        pool = f", networks from {self.pool}" if self.pool else ""
        return f"begin a swarm at {self.address} (VXLAN on UDP {self.port}{pool})"


@dataclass(frozen=True)
class JoinSwarm(_Step):
    """``via`` is the host of a manager, which tells its join token only when this is done; ``remotes`` are
    managers' addresses with their port."""

    address: str
    via: str
    remotes: tuple[str, ...]
    manager: bool

    def __str__(self) -> str:
        return f"join the swarm at {self.address} as a {'manager' if self.manager else 'worker'}"


@dataclass(frozen=True)
class ChangeRole(_Step):
    """``host`` is that of a manager, which makes a manager or a worker of ``node``, the id of another's."""

    node: str
    name: str
    manager: bool

    def __str__(self) -> str:
        return f"make {self.name} a {'manager' if self.manager else 'worker'} of the swarm"


@dataclass(frozen=True)
class LeaveSwarm(_Step):
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "leave the swarm"


@dataclass(frozen=True)
class RemoveNode(_Step):
    """``host`` is that of a manager."""

    node: str
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove the node {self.name} ({self.node[:12]}) from the swarm"


@dataclass(frozen=True)
class TakeOverSwarm(_Step):
    """``host`` is that of a manager whose swarm has no leader; ``address`` is what it has there."""

    address: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "make its engine the only manager of the swarm (--force-new-cluster)"


@dataclass(frozen=True)
class RenewAuthority(_Step):
    """``host`` is that of a manager of a swarm of so many ``nodes``."""

    nodes: int

    def __str__(self) -> str:
        return f"give the swarm a new authority, and each of its {self.nodes} nodes a certificate of that"


@dataclass(frozen=True)
class RenewJoinTokens(_Step):
    """``host`` is that of a manager."""

    def __str__(self) -> str:
        return "make the join tokens of the swarm anew"


@dataclass(frozen=True)
class ChangeAutolock(_Step):
    """``host`` is that of a manager. ``on``: the managers of its swarm wait for a key when they start."""

    on: bool

    def __str__(self) -> str:
        if self.on:
            return "have managers of the swarm wait for its unlock key when they start"
        return "let managers of the swarm start without a key"


@dataclass(frozen=True)
class RenewUnlockKey(_Step):
    """``host`` is that of a manager."""

    def __str__(self) -> str:
        return "make the unlock key of the swarm anew"


@dataclass(frozen=True)
class UnlockSwarm(_Step):
    """Open a manager that is locked: with a ``key`` that was kept, or with the one that the manager on the
    host ``via`` tells only when this is done."""

    via: str = ""
    key: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"unlock its manager with the key {f'that {self.via} knows' if self.via else 'that was kept'}"


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
            *([f"write rows of {some(map(str, self.write))}"] if self.write else []),
            *([f"delete rows of {some(dropped)}"] if dropped else []),
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
        return f"note in the store that {some(self.addresses)} of {self.subnet} can't be given out"


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


@dataclass(frozen=True)
class KeyWrite:
    """A key of the store, what it has, and what it is to have; None is no key."""

    key: str
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True)
class PutKeys(_Step):
    """Write keys of the store, in this order, each only where it is still as it was seen. ``does`` tells of
    it in a few words."""

    does: str
    writes: tuple[KeyWrite, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.does


@dataclass(frozen=True)
class LeaveNetwork(_Step):
    """Take a container off a network for good, running or not; ``network`` is an id."""

    container: str
    network: str
    network_name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"disconnect container {self.container} from network {self.network_name}"


@dataclass(frozen=True)
class ConnectContainer(_Step):
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
class ForgetAgent(_Step):
    """Take the store's agent of a host that is gone out of its gossip and its catalog. ``host``: any that
    runs the store. ``server``: its id in raft, which goes from there first; "" where it has none."""

    agent: str
    server: str = ""
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        what = "server" if self.server else "agent"
        return f"take the {what} {self.agent} out of the store"


@dataclass(frozen=True)
class TellLeft(_Step):
    """Tell the engine of a host, whose gossip is at ``address``, of containers that are gone, in place of
    their own engine, which is gone too."""

    address: str
    gone: tuple[Left, ...] = field(repr=False)

    def __str__(self) -> str:
        who = some(its.address for its in self.gone)
        return f"tell the engine that {who} at {self.gone[0].vtep} {'are' if self.gone[1:] else 'is'} gone"


Step = (
    RecordBefore
    | WriteFile
    | WriteSecret
    | RemoveFile
    | InstallUnit
    | RemoveUnit
    | RestartEngine
    | UpgradeEngine
    | ProvideImage
    | RunContainer
    | StartContainer
    | StopContainers
    | RewireContainer
    | StartContainers
    | RunService
    | StartService
    | RemoveService
    | MoveStore
    | AwaitLeader
    | AwaitAgent
    | RetireServer
    | RemovePeer
    | AddMember
    | RemoveMember
    | ForgetQuorum
    | RecoverQuorum
    | CheckVersion
    | GrantAccess
    | RestoreStore
    | RestoreKeys
    | JoinGossip
    | PassGate
    | InitSwarm
    | JoinSwarm
    | ChangeRole
    | LeaveSwarm
    | RemoveNode
    | TakeOverSwarm
    | RenewAuthority
    | RenewJoinTokens
    | ChangeAutolock
    | RenewUnlockKey
    | UnlockSwarm
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
    | PutKeys
    | LeaveNetwork
    | ConnectContainer
    | ForgetAgent
    | TellLeft
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
