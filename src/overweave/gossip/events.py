"""What an engine says to all others of a container that has left: a user event of serf.

An engine whose host died says nothing. The others keep its containers in their books then, and where another
container gets one of these addresses behind the same VTEP they take its rows for written, and write none
(measured on 20.10.5: `Neighbor entry already present`).

Serf's event is a message inside one of memberlist's (memberlist, net.go: readUserMsg; serf, messages.go), and
libnetwork's own is ``jl VTEP NETWORK ENDPOINT`` with ``leave ADDRESS MASK MAC`` (ov_serf.go: processEvent).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgpack

from overweave.errors import GossipError
from overweave.ports import Stream

from .exchange import LIMIT, SECONDS, converse
from .wire import COMPRESSED, MAX_NODES, PUSH_PULL, inflated

USER, USER_EVENT = 8, 3
ASKED_FOR = "dummy"
"""The id of an endpoint in the books of an engine that asked for it itself, at a first packet."""
LATEST = 1 << 63


@dataclass(frozen=True)
class Left:
    """A container that is gone: where it was, its network and endpoint by id, address, netmask and MAC."""

    vtep: str
    network: str
    endpoint: str
    address: str
    mask: str
    mac: str


def message(of: Left, at: int) -> bytes:
    """``at`` is serf's clock of events: what is much older than an engine's own is ignored there."""
    event = {
        "LTime": at,
        "Name": f"jl {of.vtep} {of.network} {of.endpoint}",
        "Payload": f"leave {of.address} {of.mask} {of.mac}",
        "CC": False,
    }
    inner = bytes((USER_EVENT,)) + _packed(event)
    return bytes((USER,)) + _packed({"UserMsgLen": len(inner)}) + inner


def tell(connect: Callable[[], Stream], gone: Iterable[Left]) -> None:
    """Tell an engine of containers that have left, as it would hear of it, and with it all others.

    Raises `GossipError` where it does not answer, and what ``connect`` does.
    """
    at = _clock_of(connect())
    for its in gone:
        for entry in (its, Left(its.vtep, its.network, ASKED_FOR, its.address, its.mask, its.mac)):
            with contextlib.closing(connect()) as stream:
                try:
                    stream.settimeout(SECONDS)
                    stream.sendall(message(entry, at))
                    # The engine closes when it has read all of it.
                    stream.recv(1)
                except (OSError, EOFError) as e:
                    raise GossipError(f"gossip: {e}") from e


def clock(data: bytes) -> int | None:
    """Serf's clock of events, from the answer to a push/pull; None where more bytes are needed.

    Raises `GossipError` for anything that is not such an answer.
    """
    if not data:
        return None
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=2 * LIMIT)
    unpacker.feed(data[1:])
    try:
        header = _map(unpacker)
        if data[0] == COMPRESSED:
            found = clock(inflated(header))
            if found is None:
                raise GossipError("the gossip answer breaks off")
            return found
        count, size = header.get(b"Nodes"), header.get(b"UserStateLen")
        if data[0] != PUSH_PULL or not isinstance(count, int) or not isinstance(size, int):
            raise GossipError("the gossip answer is of another kind")
        if not (0 <= count <= MAX_NODES and 0 < size <= LIMIT):
            raise GossipError("the gossip answer has no state of its user")
        for _ in range(count):
            _map(unpacker)
        state = data[1 + unpacker.tell() :][:size]
        if len(state) < size:
            return None
    except msgpack.OutOfData:
        return None
    except (ValueError, msgpack.UnpackException, TypeError, RecursionError) as e:
        raise GossipError("the gossip answer is not msgpack") from e
    return _of_state(state)


def _of_state(state: bytes) -> int:
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(state[1:])
    try:
        at = _map(unpacker).get(b"EventLTime")
    except (ValueError, msgpack.UnpackException, TypeError, RecursionError) as e:
        raise GossipError("the state in the gossip answer is not msgpack") from e
    if not isinstance(at, int) or not 0 <= at < LATEST:
        raise GossipError("the gossip answer has no clock of events")
    return at


def _map(unpacker: msgpack.Unpacker) -> dict[bytes, object]:
    value = unpacker.unpack()
    if not isinstance(value, dict):
        raise GossipError("the gossip answer is not made of maps")
    return value


def _clock_of(stream: Stream) -> int:
    with contextlib.closing(stream):
        try:
            return converse(stream, (), clock)
        except (OSError, EOFError) as e:
            raise GossipError(f"gossip: {e}") from e


def _packed(value: dict[str, object]) -> bytes:
    packed = msgpack.Packer(use_bin_type=False).pack(value)
    assert isinstance(packed, bytes)
    return packed
