"""LZW as memberlist's Go encoder writes it, slow and plain: what the decoder is held against.

Least significant bit first, 8-bit literals. A code is written with as many bits as the highest code
that is known by then needs; the 4095th code is never given: a clear code starts all over.
"""

from __future__ import annotations

CLEAR, END = 256, 257


def codes(data, *, clear_first=False):
    """(code, width in bits) of everything that is written."""
    if clear_first:
        yield CLEAR, 9
    table, high, width, held = {bytes((b,)): b for b in range(256)}, END, 9, b""
    for value in data:
        more = held + bytes((value,))
        if more in table:
            held = more
            continue
        yield table[held], width
        high += 1
        width = max(9, high.bit_length())
        if high == 4095:
            yield CLEAR, width
            table, high, width = {bytes((b,)): b for b in range(256)}, END, 9
        else:
            table[more] = high
        held = more[-1:]
    if held:
        yield table[held], width
        high += 1
        width = max(9, high.bit_length())
        if high == 4095:
            yield CLEAR, width
            width = 9
    yield END, width


def pack(pairs):
    bits, count, out = 0, 0, bytearray()
    for code, width in pairs:
        bits |= code << count
        count += width
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8
    return bytes([*out, bits]) if count else bytes(out)


def compress(data, **how):
    return pack(codes(data, **how))
