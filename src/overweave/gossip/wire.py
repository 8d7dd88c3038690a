"""Memberlist's push/pull message as bytes, and back (hashicorp/memberlist, net.go and state.go).

A message: one byte of type; for a push/pull a msgpack map ``Nodes``, ``UserStateLen``, ``Join``, then
one map a node, then the user state. An engine compresses its answer: type 9 and a map ``Algo``,
``Buf``. Strings are the old msgpack raw type, without a binary type. Measured on Docker 20.10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

import msgpack

from overweave.errors import GossipError

from .lzw import decompress

PUSH_PULL, COMPRESSED = 6, 9
ALIVE = 0
MAX_NODES = 10_000
MAX_INCARNATION = (1 << 32) - 2
"""memberlist's is a uint32, and one more than it must fit too."""


@dataclass(frozen=True)
class Member:
    """One engine as another engine knows it.

    ``incarnation`` orders statements about it: the higher one wins. ``meta`` and ``versions`` are
    handed back as they were read.
    """

    name: str
    address: IPv4Address
    port: int
    incarnation: int
    state: int
    meta: bytes = b""
    versions: bytes = b""

    @property
    def alive(self) -> bool:
        return self.state == ALIVE


def encode(members: Iterable[Member]) -> bytes:
    """A push/pull message that tells ``members`` and joins nothing."""
    packer = msgpack.Packer(use_bin_type=False)
    told = list(members)
    parts = [bytes((PUSH_PULL,)), packer.pack({"Nodes": len(told), "UserStateLen": 0, "Join": False})]
    for member in told:
        parts.append(
            packer.pack(
                {
                    "Name": member.name,
                    "Addr": member.address.packed,
                    "Port": member.port,
                    "Meta": member.meta,
                    "Incarnation": member.incarnation,
                    "State": member.state,
                    "Vsn": member.versions,
                }
            )
        )
    return b"".join(parts)


def decode(data: bytes) -> tuple[Member, ...] | None:
    """The members that an answer tells, or None where more bytes are needed.

    Raises `GossipError` for anything that is not such an answer. The bytes come from the network and
    are not trusted: sizes are bounded, types are checked.
    """
    if not data:
        return None
    kind, body = data[0], data[1:]
    if kind == COMPRESSED:
        packed = _maps(body, 1)
        if packed is None:
            return None
        members = decode(inflated(packed[0]))
        if members is None:
            raise GossipError("the gossip answer breaks off")
        return members
    if kind != PUSH_PULL:
        raise GossipError(f"the gossip answer has the unknown kind {kind}")
    header = _maps(body, 1)
    if header is None:
        return None
    count = header[0].get(b"Nodes")
    if not isinstance(count, int) or not 0 <= count <= MAX_NODES:
        raise GossipError("the gossip answer has no count of members")
    maps = _maps(body, 1 + count)
    return None if maps is None else tuple(_member(fields) for fields in maps[1:])


def inflated(packed: Mapping[bytes, object]) -> bytes:
    """The answer inside of a compressed one. Raises `GossipError` where that is none."""
    buffer = packed.get(b"Buf")
    if not isinstance(buffer, bytes):
        raise GossipError("the gossip answer has no compressed part")
    inner = decompress(buffer)
    if not inner or inner[0] != PUSH_PULL:
        raise GossipError("the gossip answer is of another kind")
    return inner


def _maps(data: bytes, count: int) -> list[dict[bytes, object]] | None:
    """The first ``count`` msgpack maps, or None where they are not all there yet."""
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(data)
    found = []
    try:
        for _ in range(count):
            value = unpacker.unpack()
            if not isinstance(value, dict):
                raise GossipError("the gossip answer is not made of maps")
            found.append(value)
    except msgpack.OutOfData:
        return None
    except (ValueError, msgpack.UnpackException, TypeError, RecursionError) as e:
        raise GossipError("the gossip answer is not msgpack") from e
    return found


def _member(fields: dict[bytes, object]) -> Member:
    name, address, port = fields.get(b"Name"), fields.get(b"Addr"), fields.get(b"Port")
    incarnation, state = fields.get(b"Incarnation"), fields.get(b"State")
    meta, versions = fields.get(b"Meta") or b"", fields.get(b"Vsn") or b""
    if not (isinstance(name, bytes) and isinstance(address, bytes) and len(address) in (4, 16)):
        raise GossipError("a member of the gossip answer has no name or no address")
    if not (isinstance(port, int) and isinstance(incarnation, int) and isinstance(state, int)):
        raise GossipError("a member of the gossip answer has no port, incarnation or state")
    if not (0 <= incarnation <= MAX_INCARNATION and 0 <= port < 1 << 16 and 0 <= state < 1 << 8):
        raise GossipError("a member of the gossip answer has a port, incarnation or state out of range")
    if not (isinstance(meta, bytes) and isinstance(versions, bytes)):
        raise GossipError("a member of the gossip answer has odd data")
    # An IPv4 address may come in its 16-byte form; its last four bytes are the address.
    return Member(
        name.decode(errors="replace"), IPv4Address(address[-4:]), port, incarnation, state, meta, versions
    )
