"""Which addresses of a subnet are given out: the bit mask that engines share (libnetwork, bitseq).

The value is JSON with ``id`` and ``sequence``: base64 of 8 bytes with the number of bits, 8 with that of the
free ones, and runs of 4 bytes (32 bits, the first address highest) and 8 (how often they repeat). Measured on
20.10.5; engines read it before each change, and change it only if nobody else did since.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

WORD = 32
HEAD, RUN = struct.Struct(">QQ"), struct.Struct(">IQ")
MOST_RUNS = 1 << 16


@dataclass(frozen=True)
class AddressMask:
    """``runs`` are pairs of 32 bits and how often they repeat."""

    id: str
    bits: int
    free: int
    runs: tuple[tuple[int, int], ...]

    def taken(self, number: int) -> bool:
        """Whether the address with this number in its subnet is given out."""
        block = number // WORD
        for word, count in self.runs:
            if block < count:
                return bool(word >> (WORD - 1 - number % WORD) & 1)
            block -= count
        return False


def parse(value: bytes) -> AddressMask:
    """Raises `ValueError` for anything that is no mask."""
    try:
        raw = json.loads(value)
        data = base64.b64decode(raw["sequence"], validate=True)
        bits, free = HEAD.unpack_from(data)
        runs = tuple(RUN.iter_unpack(data[HEAD.size :]))
        id_ = raw["id"]
    except (struct.error, KeyError, TypeError, RecursionError) as e:
        raise ValueError(f"it is no address mask: {type(e).__name__}") from e
    if not isinstance(id_, str) or free > bits or bits > 1 << 32 or len(runs) > MOST_RUNS:
        raise ValueError("it is no address mask")
    if sum(count for _, count in runs) != -(-bits // WORD):
        raise ValueError("its runs are not as long as it says")
    return AddressMask(id_, bits, free, runs)


def value_of(mask: AddressMask) -> bytes:
    """As an engine writes it."""
    data = HEAD.pack(mask.bits, mask.free) + b"".join(RUN.pack(*run) for run in mask.runs)
    return json.dumps({"id": mask.id, "sequence": base64.b64encode(data).decode()}).encode()


def with_taken(mask: AddressMask, numbers: Iterable[int]) -> AddressMask:
    """The mask with these given out, too. Raises `ValueError` for one outside of the subnet."""
    added: dict[int, int] = {}
    for number in set(numbers):
        if not 0 <= number < mask.bits:
            raise ValueError("an address is not of this subnet")
        added[number // WORD] = added.get(number // WORD, 0) | 1 << (WORD - 1 - number % WORD)
    runs: list[tuple[int, int]] = []
    free, begin = mask.free, 0

    def put(word: int, count: int) -> None:
        if count and runs and runs[-1][0] == word:
            runs[-1] = (word, runs[-1][1] + count)
        elif count:
            runs.append((word, count))

    blocks = sorted(added)
    for word, count in mask.runs:
        at = begin
        while blocks and blocks[0] < begin + count:
            block = blocks.pop(0)
            put(word, block - at)
            put(word | added[block], 1)
            free -= (added[block] & ~word).bit_count()
            at = block + 1
        put(word, begin + count - at)
        begin += count
    return AddressMask(mask.id, mask.bits, free, tuple(runs))


def number_of(address: str, subnet: IPv4Network) -> int:
    """The number of an address in its subnet. Raises `ValueError` where it is not of it."""
    its = IPv4Address(address)
    if its not in subnet:
        raise ValueError(f"{address} is not in {subnet}")
    return int(its) - int(subnet.network_address)
