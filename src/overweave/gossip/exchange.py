"""One push/pull with an engine, over a stream to its gossip port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from overweave.errors import GossipError
from overweave.ports import Stream

from .wire import Member, decode, encode

PORT = 7946
SECONDS = 5.0
LIMIT = 16 << 20


def exchange(stream: Stream, tell: Iterable[Member] = ()) -> tuple[Member, ...]:
    """Tell an engine of members, and get what it knows. Telling nothing only reads.

    Closes the stream. Raises `GossipError` where the answer does not come or is not one.
    """
    data = b""
    with contextlib.closing(stream):
        try:
            stream.settimeout(SECONDS)
            stream.sendall(encode(tell))
            while (members := decode(data)) is None:
                chunk = stream.recv(1 << 16)
                if not chunk or len(data) > LIMIT:
                    raise GossipError("the engine hung up in the middle of its gossip answer")
                data += chunk
        except (OSError, EOFError) as e:
            raise GossipError(
                f"no gossip answer within {SECONDS:g} s" if isinstance(e, TimeoutError) else f"gossip: {e}"
            ) from e
    return members
