"""LZW as Go's ``compress/lzw`` writes it: least significant bit first, 8-bit literals."""

from __future__ import annotations

from overweave.errors import GossipError

CLEAR, END, FIRST, WIDEST = 256, 257, 258, 12
LIMIT = 4 << 20
"""Bytes a message may unpack to; 25 engines take 6 KB."""


def decompress(data: bytes) -> bytes:
    """Raises `GossipError` for anything that is not such a stream."""
    out = bytearray()
    table: list[bytes] = []
    previous = b""
    width, bits, held = 9, 0, 0
    for byte in data:
        bits |= byte << held
        held += 8
        if held < width:
            continue
        code = bits & ((1 << width) - 1)
        bits >>= width
        held -= width
        if code == END:
            return bytes(out)
        if code == CLEAR:
            table, previous, width = [], b"", 9
            continue
        if code < CLEAR:
            entry = bytes((code,))
        elif code - FIRST < len(table):
            entry = table[code - FIRST]
        elif code - FIRST == len(table) and previous:
            entry = previous + previous[:1]
        else:
            raise GossipError("the gossip answer is not LZW")
        # A full table stays as it is until the next clear code.
        if previous and len(table) + FIRST < 1 << WIDEST:
            table.append(previous + entry[:1])
        if len(table) + FIRST >= 1 << width and width < WIDEST:
            width += 1
        previous = entry
        out += entry
        if len(out) > LIMIT:
            raise GossipError("the gossip answer has no end")
    raise GossipError("the gossip answer breaks off")
