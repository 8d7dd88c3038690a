"""What the store says of itself: servers and how raft goes on them, agents, and the sessions of engines.

All of it is Consul's, and as untrusted as all that hosts say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from overweave.errors import StoreError
from overweave.ports import ClusterStore, Json
from overweave.printable import one_line

from .libnetwork import NODES
from .typed import LARGEST, NONSENSE, text

ALIVE, LEFT = 1, 3
STATES = {0: "none", ALIVE: "alive", 2: "leaving", LEFT: "left", 4: "failed"}
"""As serf numbers them."""
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+")
T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """An agent. ``state`` is one of `STATES`, or a number that is none of them; ``id`` is what raft and the
    catalog know it by, ``version`` that of its program."""

    name: str
    address: str
    state: str
    server: bool
    id: str
    version: str

    @property
    def alive(self) -> bool:
        return self.state == STATES[ALIVE]

    @property
    def gone(self) -> bool:
        """It has left, or was made to: nobody waits for it."""
        return self.state == STATES[LEFT]


@dataclass(frozen=True)
class Peer:
    """A server that raft is configured with. ``address`` has the port."""

    id: str
    address: str
    leader: bool
    voter: bool


@dataclass(frozen=True)
class Raft:
    """How raft goes on one agent; ``last_contact`` with the leader is in seconds, None for never."""

    state: str
    term: int
    last_index: int
    commit_index: int
    applied_index: int
    last_contact: float | None


@dataclass(frozen=True)
class Agent:
    """``raft`` is None of a client."""

    name: str
    id: str
    version: str
    server: bool
    raft: Raft | None


@dataclass(frozen=True)
class Lease:
    """A session. ``engine`` is what is registered by it, as ``address:port``, "" where it holds nothing;
    ``node`` is the agent that it was made at."""

    id: str
    engine: str
    node: str
    ttl: str


@dataclass(frozen=True)
class Node:
    """A node of the catalog."""

    id: str
    name: str
    address: str


def agent(store: ClusterStore) -> Agent:
    return _made(_agent, store.agent(), "what an agent says of itself")


def members(store: ClusterStore) -> tuple[Member, ...]:
    return tuple(_made(_member, raw, "a member") for raw in store.members())


def peers(store: ClusterStore) -> tuple[Peer, ...]:
    return tuple(_made(_peer, raw, "a server") for raw in store.servers())


def peers_as_known(store: ClusterStore) -> tuple[Peer, ...]:
    """As `peers`, as the server that is asked has it written down: also while there is no leader."""
    return tuple(_made(_peer, raw, "a server") for raw in store.servers_as_known())


def nodes(store: ClusterStore) -> tuple[Node, ...]:
    return tuple(_made(_node, raw, "a node of the catalog") for raw in store.catalog())


def leases(store: ClusterStore) -> tuple[Lease, ...]:
    engines = {id_: key.removeprefix(NODES) for key, id_ in store.holders(NODES).items()}
    return tuple(_made(lambda its: _lease(its, engines), raw, "a session") for raw in store.sessions())


def seconds_of(duration: str) -> float | None:
    """From a duration as Go prints it; None for ``never`` and whatever else is none."""
    if duration == "0":
        return 0.0
    if len(duration) > 40 or not DURATION.fullmatch(duration):
        return None
    parts = re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", duration)
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def stale_nodes(known: Sequence[Node], there: Sequence[Member]) -> list[Member]:
    """Agents that the catalog knows under an id which they don't have any more.

    Consul keeps a name for the id that had it first, and would never take these in (``Node name host1 is
    reserved by node …``): a snapshot that is restored to servers that were made anew brings that about.
    """
    ids = {node.name: node.id for node in known}
    return [its for its in there if its.alive and its.id and ids.get(its.name, its.id) != its.id]


def _made(make: Callable[[Json], T], raw: Json, what: str) -> T:
    try:
        return make(raw)
    except NONSENSE as e:
        raise StoreError(
            f"the store's answer makes no sense: {what}: {type(e).__name__}: {one_line(e, 200)}",
            hint="please report this with the output of `docker logs consul`",
        ) from e


def _member(raw: Json) -> Member:
    tags = raw.get("Tags") or {}
    state = raw["Status"]
    return Member(
        name=text(raw["Name"]),
        address=text(raw["Addr"]),
        state=STATES[state] if isinstance(state, int) and state in STATES else one_line(state, 20),
        server=tags.get("role") == "consul",
        id=text(tags.get("id") or ""),
        version=text(tags.get("build") or "").partition(":")[0],
    )


def _peer(raw: Json) -> Peer:
    return Peer(text(raw["ID"]), text(raw["Address"]), raw["Leader"] is True, raw["Voter"] is True)


def _node(raw: Json) -> Node:
    return Node(text(raw.get("ID") or ""), text(raw["Node"]), text(raw.get("Address") or ""))


def _lease(raw: Json, engines: Mapping[str, str]) -> Lease:
    id_ = text(raw["ID"])
    return Lease(id_, one_line(engines.get(id_, ""), 100), text(raw["Node"]), text(raw.get("TTL") or ""))


def _agent(raw: Json) -> Agent:
    config = raw["Config"]
    raft = (raw.get("Stats") or {}).get("raft")
    return Agent(
        name=text(config["NodeName"]),
        id=text(config["NodeID"]),
        version=text(config["Version"]),
        server=config["Server"] is True,
        raft=None if not raft else _raft(raft),
    )


def _raft(raw: Json) -> Raft:
    return Raft(
        state=text(raw["state"]),
        term=_number(raw["term"]),
        last_index=_number(raw["last_log_index"]),
        commit_index=_number(raw["commit_index"]),
        applied_index=_number(raw["applied_index"]),
        last_contact=seconds_of(text(raw["last_contact"])),
    )


def _number(value: object) -> int:
    """Consul writes these as texts."""
    words = text(value)
    if not (words.isascii() and words.isdigit() and len(words) < 20 and int(words) < LARGEST):
        raise ValueError(f"{words!r:.80} is no number")
    return int(words)
