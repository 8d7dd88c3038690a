"""What the inner layers may ask of the world. The adapters implement it, mypy holds them to it.

Facts and checks are given a `Reader`: it has no method that changes a host. Only apply is given a
`Writer`. All methods raise errors of the `errors` tree, with ``host`` set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from .command import Change, Query, Result, Secret
from .errors import EngineError
from .model import Archive, Host

P = ParamSpec("P")
T = TypeVar("T")

Json = Any
"""Decoded JSON from an engine or a store: untrusted, of any shape."""

Progress = Callable[[str, str], None]
"""Told the host's name (or "") and what is going on there, in a few words."""


@dataclass(frozen=True)
class Record:
    """Something that was sent to a host, and what came of it. Without its input, and without secrets.

    ``output`` is as the host gave it: untrusted, and of any length.
    """

    host: str
    what: str
    seconds: float
    outcome: str
    output: str = ""


Recorder = Callable[[Record], None]
"""Told everything that is sent to a host, by many threads. Raises nothing."""


def unrecorded(record: Record) -> None:
    """A `Recorder` that forgets."""


def unless_gone(call: Callable[P, T], *its: P.args, **more: P.kwargs) -> T | None:
    """What a call of an engine gives, None where what it is about is not there."""
    try:
        return call(*its, **more)
    except EngineError as e:
        if e.status != 404:
            raise
        return None


class Stream(Protocol):
    """A byte stream to something on a host's side of the ssh connection."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes:
        """At most ``size`` bytes; ``b""`` at the end."""

    def settimeout(self, seconds: float | None, /) -> None: ...

    def close(self) -> None: ...


class EngineReader(Protocol):
    """The read-only half of the engine API. Objects are as the engine documents them."""

    def prepare(self) -> None:
        """Begin to connect, and don't wait for it, so that the next call need not wait long. What goes wrong
        is told by that call."""

    def version(self) -> Json: ...

    def info(self) -> Json: ...

    def networks(self) -> list[Json]: ...

    def network(self, name: str) -> Json:
        """One network with its containers. Raises `EngineError` (404) where there is none."""

    def containers(self) -> list[Json]:
        """All containers, stopped ones too."""

    def container(self, name: str) -> Json:
        """Raises `EngineError` (404) where there is none."""

    def images(self) -> list[Json]: ...

    def volumes(self) -> list[Json]: ...

    def nodes(self) -> list[Json]:
        """The nodes of its swarm. Raises `EngineError` (503) if it is no manager, or there is no leader."""

    def cluster(self) -> Json:
        """Its swarm itself: the specification, its version, the authority of its certificates; without what
        lets others in. Raises as `nodes`."""

    def services(self) -> list[Json]:
        """The services of its swarm. Raises as `nodes`."""

    def service(self, id_: str) -> Json:
        """Raises `EngineError` (404) where there is none."""

    def tasks(self, service: str) -> list[Json]:
        """The tasks of a service that are to run, each on its node."""


class Engine(EngineReader, Protocol):
    """The engine API with what apply needs to change."""

    def hang_up(self) -> None:
        """Drop kept connections, as after a restart of the engine."""

    def load_image(self, image: str, archive: Archive, sent: Callable[[int, int], None]) -> None:
        """Upload an archive and make sure that it gave ``image``; ``sent`` gets (bytes sent, bytes in all).

        Raises `UsageError` where the archive can't be read or holds another image.
        """

    def pull_image(self, image: str) -> None: ...

    def remove_image(self, image: str) -> None: ...

    def create_container(self, name: str, spec: Mapping[str, Json]) -> str:
        """Create from a body of ``POST /containers/create``; returns the id."""

    def start_container(self, name: str) -> None: ...

    def stop_container(self, name: str) -> None:
        """Let it end, and kill it when its own grace is over. One that does not run is no error."""

    def remove_container(self, name: str) -> None:
        """Kill and remove, with its anonymous volumes. A container that is gone already is no error."""

    def end_container(self, name: str) -> None:
        """Kill a container that removes itself, and wait until it is gone."""

    def create_network(self, spec: Mapping[str, Json]) -> str:
        """Create from a body of ``POST /networks/create``; returns the id."""

    def remove_network(self, name: str) -> None: ...

    def disconnect(self, network: str, endpoint: str) -> None:
        """Forcibly remove an endpoint, also one whose container is gone."""

    def connect(self, network: str, container: str, settings: Mapping[str, Json]) -> None:
        """Put a container on a network, with settings as in ``EndpointConfig``."""

    def remove_volume(self, name: str) -> None: ...

    def init_swarm(self, address: str, *, port: int, pool: str = "") -> None:
        """Begin a swarm, with an address that others reach it at, the port of VXLAN and, if it is not "", the
        range in CIDR form that networks without a subnet of their own get theirs from."""

    def take_over_swarm(self, address: str) -> None:
        """Make this engine, which is a manager, the only one of its swarm, with all that it knows of it
        (``docker swarm init --force-new-cluster``). One that is in no swarm begins another."""

    def join_token(self, *, manager: bool) -> Secret:
        """What lets an engine into the swarm of this one, which is a manager."""

    def join_swarm(self, address: str, remotes: Sequence[str], token: Secret) -> None:
        """Join by one of the managers at ``remotes``, and wait till that is done."""

    def leave_swarm(self) -> None:
        """Even a manager, and the last one. An engine that is in no swarm is no error."""

    def change_node(self, node: str, version: int, spec: Mapping[str, Json]) -> None:
        """Give a node another specification, where it is still at that version."""

    def remove_node(self, node: str) -> None:
        """One that nobody knows is no error."""

    def change_cluster(
        self,
        version: int,
        spec: Mapping[str, Json],
        *,
        join_tokens: bool = False,
        unlock_key: bool = False,
    ) -> None:
        """Give its swarm another specification, where it is still at that version. ``join_tokens``,
        ``unlock_key``: and make those anew."""

    def unlock_key(self) -> Secret:
        """What opens the managers of its swarm behind a restart; empty where they don't lock themselves."""

    def unlock_swarm(self, key: Secret) -> None:
        """Open this engine, which is a manager that is locked. Raises `EngineError` for another key."""

    def create_service(self, spec: Mapping[str, Json]) -> str:
        """Create from a body of ``POST /services/create``; returns the id. Its image is looked up nowhere."""

    def remove_service(self, id_: str) -> None:
        """One that is gone already is no error."""


class Reader(Protocol):
    """One host, to look at."""

    @property
    def host(self) -> Host: ...

    @property
    def reached_at(self) -> str:
        """The address that the ssh connection goes to: the host's own, unless there is NAT between."""

    def ask(self, *queries: Query) -> tuple[Result, ...]:
        """Run all queries as root in one round trip. A query that fails is a `Result`, not an error."""

    def stream(self, address: str, port: int) -> Stream:
        """A TCP connection made from the host. Raises `ConnectionProblem` where nothing listens."""

    def start(self, command: Query) -> Stream:
        """Start a program as root and stay connected to its standard input and output.

        Closing the stream ends the program's input, and so does the end of this process or of the
        connection: a program that reads until then leaves with it. Its standard error is dropped.
        """

    @property
    def engine(self) -> EngineReader: ...


class Writer(Reader, Protocol):
    """One host, to change."""

    def do(self, change: Change) -> Result:
        """Run as root. Raises `CommandFailed` unless it exits with 0."""

    def start(self, command: Query | Change) -> Stream: ...

    @property
    def engine(self) -> Engine: ...


class KeyValue(Protocol):
    """The cluster store's keys, whatever store it is."""

    def leader(self) -> str:
        """Address of the elected leader, ``""`` while there is none or nobody answers."""

    def keys(self, prefix: str) -> list[str]:
        """Names of all keys under a prefix; none is an empty list."""

    def tree(self, prefix: str) -> dict[str, bytes]:
        """All keys under a prefix with their values, in one round trip; none is empty."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        """Write ``new`` if the value is ``old`` at that moment, and say whether it was. None is no key:
        as ``old`` the key is made, as ``new`` it is deleted."""


class ClusterStore(KeyValue, Protocol):
    """The cluster store with what is known of it beside its keys: servers, agents, sessions, snapshots.

    Objects are as Consul documents them. Unlike `KeyValue`'s, they are one store's own.
    """

    def agent(self) -> Json:
        """What the agent that is asked says of itself: its configuration, and how raft goes there."""

    def members(self) -> list[Json]:
        """All agents, as the one that is asked sees them in its gossip."""

    def servers(self) -> list[Json]:
        """Who votes and who leads, as raft is configured. Raises `StoreError` while there is no leader."""

    def servers_as_known(self) -> list[Json]:
        """As `servers`, but as one server has it written down: also while there is no leader."""

    def leave(self) -> None:
        """The agent that is asked says goodbye and ends; a server takes itself out of the quorum first."""

    def catalog(self) -> list[Json]:
        """The nodes that the store's own state knows, which a restored snapshot replaces."""

    def sessions(self) -> list[Json]: ...

    def holders(self, prefix: str) -> dict[str, str]:
        """The session that holds each key under a prefix that is held."""

    def save(self) -> bytes:
        """A snapshot of the whole store. Whether it is whole is not looked at."""

    def restore(self, snapshot: bytes) -> None:
        """Replace all that the store holds. Its leader begins anew, and takes nothing meanwhile."""

    def admits(self, token: Secret) -> bool:
        """Whether it knows a token. False, too, where it asks for none."""

    def grant(self, name: str, rules: str, token: Secret) -> None:
        """Make a token known, under a name that is its own, and let it do what the rules say, and no more.
        Other tokens of that name go."""

    def gossip_with(self, key: Secret) -> None:
        """Make all agents gossip with a key and no other, without a restart. Raises `StoreError` where they
        gossip with none, or some don't answer."""

    def register_anew(self, node: str, id_: str, address: str) -> None:
        """Make an agent known under its id, in one transaction: what was known under its name goes, with the
        sessions of its engines, which they make anew at their next heartbeat."""

    def force_leave(self, node: str) -> None:
        """Let an agent that does not answer any more count as one that has left: its node goes from the
        catalog, with its sessions. Raises `StoreError` for one that nobody knows."""

    def remove_server(self, id_: str) -> None:
        """Take a server out of raft by its id. Raises `StoreError` for one that raft does not have, and while
        there is no leader."""


class EtcdStore(KeyValue, Protocol):
    """A store in etcd with what is known of it beside its keys: as `ClusterStore` is of Consul. Objects are
    as its API of version 2 has them."""

    def members(self) -> list[Json]:
        """All servers, as the one that is asked knows them: also while there is no leader."""

    def server(self) -> Json:
        """What the server that is asked says of itself: ``/v2/stats/self``, and beside that its ``health``,
        its ``version``, and raft's ``term`` and commit ``index`` as it knows them."""

    def add_member(self, url: str) -> None:
        """Let a server join that the others reach at a URL, and that begins with no data. Raises
        `StoreError`, also while not all others have been in touch for some seconds."""

    def remove_member(self, id_: str) -> None:
        """Take a server out by its id. Raises `StoreError`, as before."""

    def dump(self, prefix: str) -> Json:
        """All keys under a prefix as a quorum had them at one moment: ``node`` with all that is in it, None
        where there is nothing, and the ``index`` of the store then."""


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds since any fixed moment."""

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises `Interrupted` at once when the run is cancelled."""
