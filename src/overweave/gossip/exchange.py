"""One push/pull with an engine, over a stream to its gossip port."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from overweave.errors import GossipError
from overweave.ports import Stream

from .wire import Member, decode, encode

T = TypeVar("T")

PORT = 7946
SECONDS = 5.0
LIMIT = 2 << 20
"""Bytes of an answer: 25 engines take 6 KB."""


def exchange(stream: Stream, tell: Iterable[Member] = ()) -> tuple[Member, ...]:
    """Tell an engine of members, and get what it knows. Telling nothing only reads.

    Closes the stream. Raises `GossipError` where the answer does not come or is not one.
    """
    with contextlib.closing(stream):
        try:
            return converse(stream, tell, decode)
        except (OSError, EOFError) as e:
            raise GossipError(
                f"no gossip answer within {SECONDS:g} s" if isinstance(e, TimeoutError) else f"gossip: {e}"
            ) from e


def converse(stream: Stream, tell: Iterable[Member], read: Callable[[bytes], T | None]) -> T:
    """Tell an engine of members, and ``read`` its answer: None of it where more bytes are needed.

    Raises `GossipError` where the answer has no end, or breaks off, and what the stream does.
    """
    data = b""
    deadline = time.monotonic() + SECONDS
    stream.settimeout(SECONDS)
    stream.sendall(encode(tell))
    while (answer := read(data)) is None:
        chunk = stream.recv(1 << 16)
        if not chunk:
            raise GossipError("the engine hung up in the middle of its gossip answer")
        if len(data) > LIMIT or time.monotonic() > deadline:
            raise GossipError("the gossip answer has no end")
        data += chunk
    return answer
