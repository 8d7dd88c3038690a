"""What an etcd says of itself: its servers, how far each is, and its keys. As untrusted as all that hosts
say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from overweave.errors import StoreError
from overweave.ports import EtcdStore, Json
from overweave.printable import one_line
from overweave.stores import etcd_keys
from overweave.stores.etcd_keys import Keys

from .typed import ipv4, text, texts, whole

STATES = {"StateLeader": "Leader", "StateFollower": "Follower"}
"""As Consul calls them."""
T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """A server that raft is configured with. ``address`` is that for the other servers, with its port;
    ``client`` is the one that engines reach it at, "" of one that has not begun yet."""

    id: str
    name: str
    address: str
    client: str


@dataclass(frozen=True)
class Told:
    """What a server says of itself. ``leader`` is the id of the one that it follows, "" for none;
    ``healthy``: it has a leader, no alarm, and an answer of the quorum."""

    id: str
    state: str
    leader: str
    healthy: bool
    version: str
    term: int
    commit_index: int


def members(store: EtcdStore) -> tuple[Member, ...]:
    return tuple(_made(_member, raw, "a server") for raw in store.members())


def told(store: EtcdStore) -> Told:
    return _made(_told, store.server(), "what a server says of itself")


def keys(store: EtcdStore, prefix: str) -> Keys:
    """All keys under a prefix, as they were at one moment."""
    return _made(lambda raw: etcd_keys.of_answer(raw["index"], raw["node"]), store.dump(prefix), "its keys")


def _made(make: Callable[[Json], T], raw: Json, what: str) -> T:
    try:
        return make(raw)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        raise StoreError(
            f"the store's answer makes no sense: {what}: {type(e).__name__}: {one_line(e, 200)}",
            hint="please report this with the output of `docker logs etcd`",
        ) from e


def _member(raw: Json) -> Member:
    peer = urlsplit(texts(raw["peerURLs"])[0])
    client = urlsplit(next(iter(texts(raw.get("clientURLs"))), ""))
    return Member(
        id=text(raw["id"]),
        name=text(raw.get("name") or ""),
        address=peer.netloc,
        client=ipv4(client.hostname or ""),
    )


def _told(raw: Json) -> Told:
    state = text(raw["state"])
    return Told(
        id=text(raw["id"]),
        state=STATES.get(state, state),
        leader=text(raw["leaderInfo"].get("leader") or ""),
        healthy=raw["health"] in ("true", True),
        version=text(raw["version"]),
        term=whole(raw["term"]),
        commit_index=whole(raw["index"]),
    )
