"""The keys of an etcd with what its API of version 2 tells of each, as an answer and as a file. Pure.

Version 2 has no snapshot. One answer for all keys under a prefix is as good: etcd makes it under the lock of
its whole tree (server/etcdserver/api/v2store, 3.4), so it is of one moment, and ``index`` says which.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from overweave.errors import UsageError
from overweave.printable import one_line

LONGEST = 64 << 20
"""Bytes of the file. A key of an endpoint takes 1 kB."""
LARGEST = 1 << 63


@dataclass(frozen=True)
class Kept:
    """A key. ``created`` and ``modified`` are indices of the store; ``ttl`` is what it has left to live, in
    seconds, None where that is for ever."""

    value: str
    created: int
    modified: int
    ttl: int | None


@dataclass(frozen=True)
class Keys:
    """``kept`` by key, without slashes around them, in their order."""

    index: int
    kept: Mapping[str, Kept]

    @property
    def tree(self) -> dict[str, bytes]:
        """As `ports.KeyValue` has them."""
        return {key: its.value.encode() for key, its in self.kept.items()}


def of_answer(index: int, node: Any) -> Keys:
    """From the ``node`` of an answer, None where there was none. Raises `ValueError`, or one like it, where
    it makes no sense."""
    return Keys(_number(index), dict(sorted(_leaves(node)) if node else ()))


def pack(keys: Keys) -> bytes:
    """The bytes of the file."""
    told = {"index": keys.index, "keys": {key: asdict(its) for key, its in keys.kept.items()}}
    return (json.dumps(told, indent=1) + "\n").encode()


def unpack(data: bytes) -> Keys:
    """From `pack`. Raises `UsageError` where it is not from there."""
    try:
        told = json.loads(data)
        kept = {_key(key): _kept(its, "created", "modified") for key, its in told["keys"].items()}
        return Keys(_number(told["index"]), kept)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        why = f"{type(e).__name__}: {one_line(e, 200)}"
        raise UsageError(f"the keys in the backup make no sense: {why}") from e


def _leaves(node: Any) -> Iterator[tuple[str, Kept]]:
    if not node.get("dir"):
        yield _key(node["key"].strip("/")), _kept(node, "createdIndex", "modifiedIndex")
    for its in node.get("nodes") or ():
        yield from _leaves(its)


def _kept(its: Any, created: str, modified: str) -> Kept:
    value, left = its.get("value", ""), its.get("ttl")
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no value")
    return Kept(value, _number(its[created]), _number(its[modified]), None if left is None else _number(left))


def _key(key: object) -> str:
    if not isinstance(key, str) or not key or key != key.strip("/"):
        raise ValueError(f"{key!r:.80} is no key")
    return key


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
        raise ValueError(f"{value!r:.80} is no number")
    return value
