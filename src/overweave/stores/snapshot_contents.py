"""What is in a Consul snapshot: its keys, and the names of its nodes. Pure.

``state.bin`` is a msgpack map, and then for each record a byte of type and a msgpack value (consul,
agent/consul/fsm: the same since 1.0; measured with 1.8). Strings are the old raw type. Types that are not of
interest are passed over, whatever they are.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgpack

from overweave.errors import UsageError
from overweave.printable import one_line

from .snapshot import PIECE, STATE, UNREADABLE, unpacked

REGISTRATION, KEY = 0, 2
"""Types of records: a node of the catalog, possibly with a service or a check of it, and a key."""
LONGEST = 1 << 20
"""Bytes of a value; Consul takes 512 KiB."""
MOST = 1 << 18
"""Items of one record."""


@dataclass(frozen=True)
class Contents:
    """``keys`` are those under the prefix that was asked for."""

    keys: Mapping[str, bytes]
    nodes: tuple[str, ...]


def read(saved: bytes, prefix: str) -> Contents:
    """From a snapshot that `snapshot.check` has passed. Raises `UsageError` where it makes no sense."""
    keys: dict[str, bytes] = {}
    nodes: dict[str, None] = {}
    try:
        for kind, record in _records(io.BytesIO(saved)):
            if kind == KEY and (key := record[b"Key"].decode(errors="replace")).startswith(prefix):
                keys[key] = bytes(record[b"Value"] or b"")
            elif kind == REGISTRATION:
                nodes[one_line(record[b"Node"].decode(errors="replace"), 100)] = None
    except (*UNREADABLE, msgpack.UnpackException) as e:
        raise UsageError(
            f"what is in the Consul snapshot can't be told: {type(e).__name__}: {one_line(e, 200)}",
            hint="please report this with the version of Consul that made it",
        ) from e
    return Contents(keys, tuple(nodes))


def _records(file: BinaryIO) -> Iterator[tuple[int, Any]]:
    with tarfile.open(mode="r:", fileobj=unpacked(file)) as tar:
        state = tar.extractfile(tar.getmember(STATE))
        assert state is not None
        unpacker = msgpack.Unpacker(
            raw=True,
            strict_map_key=False,
            max_buffer_size=4 * LONGEST,
            max_str_len=LONGEST,
            max_bin_len=LONGEST,
            max_ext_len=LONGEST,
            max_array_len=MOST,
            max_map_len=MOST,
            file_like=_InPieces(state),
        )
        unpacker.unpack()
        while kind := unpacker.read_bytes(1):
            yield kind[0], unpacker.unpack()


class _InPieces:
    """msgpack asks for as much as its buffer takes; more than a piece at a time is refused below."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(min(size, PIECE))
        return data
