"""The cluster store: its servers, its access, its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from overweave.credentials import Credentials
from overweave.model import CONTAINER

from .base import HostStep, some


@dataclass(frozen=True)
class _StopsStore(HostStep):
    @property
    def restarts(self) -> tuple[str, ...]:
        return ("consul",)


@dataclass(frozen=True)
class RunService(HostStep):
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
class StartService(HostStep):
    unit: str

    def __str__(self) -> str:
        return f"start service {self.unit}"


@dataclass(frozen=True)
class RemoveService(_StopsStore):
    """Stop a host's own service for the store, and remove its file and its ``data``."""

    unit: str
    path: str
    data: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove service {self.unit}, and its data"


@dataclass(frozen=True)
class MoveStore(_StopsStore):
    """Stop a host's part of the store, and give a copy of its data to the form that it is ``to`` run in. What
    it ran in goes when all is settled, and so does its ``image``, where a deployment had brought that."""

    to: str
    image: str = ""

    def __str__(self) -> str:
        return f"stop the store, and copy its data to where a {self.to} has them"


@dataclass(frozen=True)
class AwaitLeader(HostStep):
    """Wait until the store has a leader."""

    def __str__(self) -> str:
        return "wait until the store has elected a leader"


@dataclass(frozen=True)
class AwaitAgent(HostStep):
    """Wait until the store's agent on a host is one of the others; if it ``votes``, until raft counts on it
    and it has written all that they have. ``others``: hosts with servers."""

    others: tuple[str, ...] = ()
    votes: bool = False

    def __str__(self) -> str:
        if self.votes:
            return "wait until its server votes, and has all that the leader has"
        return "wait until its agent is with the servers"


@dataclass(frozen=True)
class RetireServer(HostStep):
    """The server of a host leaves the quorum, stops, and its copy of the store is removed. ``id`` is raft's,
    "" where raft does not know it; ``name`` its agent's; ``others``: hosts with servers that go on."""

    id: str
    name: str
    others: tuple[str, ...]
    run_as: str = CONTAINER

    def __str__(self) -> str:
        return "take its server out of the quorum, and its copy of the store away"


@dataclass(frozen=True)
class _ServerGoes(HostStep):
    id: str
    name: str
    address: str

    def __str__(self) -> str:
        return f"take the server {self.name or '?'} at {self.address} out of the quorum"


@dataclass(frozen=True)
class RemovePeer(_ServerGoes):
    """Take a server out of the quorum whose host is gone. ``id`` is raft's, ``name`` its agent's, "" where
    nobody knows it. ``host``: one with a server that goes on."""


@dataclass(frozen=True)
class AddMember(HostStep):
    """Let the server of another host join a store in etcd. ``host``: one whose server goes on."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"let the server on {self.name} at {self.address} join"


@dataclass(frozen=True)
class RemoveMember(_ServerGoes):
    """Take a server out of a store in etcd by its ``id``. ``host``: one whose server goes on."""


@dataclass(frozen=True)
class ForgetQuorum(_StopsStore):
    """Stop a server, and remove its copy of the store, so that it can't vote as one of an old quorum."""

    run_as: str = CONTAINER
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "stop its server, and remove its copy of the store"


@dataclass(frozen=True)
class RecoverQuorum(_StopsStore):
    """Make a server that has lost its quorum the only one that votes. ``id`` is raft's, ``address`` has the
    port."""

    id: str
    address: str
    run_as: str = CONTAINER
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "start its server as the only one that votes (raft/peers.json)"


@dataclass(frozen=True)
class CheckVersion(HostStep):
    """Ask an image for its version, and go on only if that may follow those that are ``running``."""

    image: str
    running: tuple[str, ...]

    def __str__(self) -> str:
        return f"ask {self.image} for its version"


@dataclass(frozen=True)
class GrantAccess(HostStep):
    """Make the store know the tokens of its agents and of the engines, and its agents gossip with the
    fleet's key."""

    credentials: Credentials = field(repr=False)

    def __str__(self) -> str:
        return "let the fleet's agents and engines into the store, and nobody else"


@dataclass(frozen=True)
class RestoreStore(HostStep):
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
class RestoreKeys(HostStep):
    """The same of a store in etcd: let it hold these ``keys`` beside the registrations of engines, and no
    others. What has its value already is left alone."""

    told: str
    keys: Mapping[str, bytes] = field(repr=False)
    engines: Mapping[str, str] = field(repr=False)
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"replace all that the store holds by the backup {self.told}"


@dataclass(frozen=True)
class HoldAddresses(HostStep):
    """Note in the store that addresses are given out, so that nobody gets them a second time. ``key`` is
    that of the subnet's address mask."""

    key: str
    subnet: str
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"note in the store that {some(self.addresses)} of {self.subnet} can't be given out"


@dataclass(frozen=True)
class KeyWrite:
    """A key of the store, what it has, and what it is to have; None is no key."""

    key: str
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True)
class PutKeys(HostStep):
    """Write keys of the store, in this order, each only where it is still as it was seen. ``does`` tells of
    it in a few words."""

    does: str
    writes: tuple[KeyWrite, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.does


@dataclass(frozen=True)
class ForgetAgent(HostStep):
    """Take the store's agent of a host that is gone out of its gossip and its catalog. ``host``: any that
    runs the store. ``server``: its id in raft, which goes from there first; "" where it has none."""

    agent: str
    server: str = ""
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        what = "server" if self.server else "agent"
        return f"take the {what} {self.agent} out of the store"


StoreStep = (
    RunService
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
    | HoldAddresses
    | PutKeys
    | ForgetAgent
)
