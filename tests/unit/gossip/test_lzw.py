"""LZW against an encoder of our own, and against what breaks off or never ends."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.errors import GossipError
from overweave.gossip import lzw
from overweave.gossip.lzw import decompress

from .lzw_encoder import CLEAR, END, codes, compress, pack

DULL = st.text("ab", max_size=600).map(str.encode)


@given(st.binary(max_size=600) | DULL, st.booleans())
def test_what_was_compressed_comes_back(data, clear_first):
    assert decompress(compress(data, clear_first=clear_first)) == data


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alphabet", [2, 16, 256])
def test_more_than_a_full_table_of_codes_comes_back(seed, alphabet):
    source = random.Random(seed)
    data = bytes(source.randrange(alphabet) for _ in range(60_000))
    written = [code for code, _ in codes(data)]
    assert written.count(CLEAR) >= 1
    assert decompress(compress(data)) == data


@pytest.mark.parametrize("length", [*range(250, 262), *range(760, 772), *range(3830, 3850)])
def test_every_change_of_width_falls_on_the_right_code(length):
    """Bytes of which no two neighbours repeat make one code each, so the length picks the code."""
    source = random.Random(1)
    data, seen = bytearray(b"\0"), set()
    while len(data) < length:
        value = source.randrange(256)
        if (data[-1], value) not in seen:
            seen.add((data[-1], value))
            data.append(value)
    assert len(list(codes(bytes(data)))) >= length
    assert decompress(compress(bytes(data))) == bytes(data)


def test_a_code_that_is_defined_by_itself():
    assert decompress(pack([(97, 9), (258, 9), (259, 9), (END, 9)])) == b"a" + b"aa" + b"aaa"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the gossip answer breaks off"),
        (b"\0", "the gossip answer breaks off"),
        (compress(b"hello")[:-2], "the gossip answer breaks off"),
        (pack([(258, 9), (END, 9)]), "the gossip answer is not LZW"),
        (pack([(97, 9), (300, 9), (END, 9)]), "the gossip answer is not LZW"),
        (pack([(97, 9), (CLEAR, 9), (258, 9), (END, 9)]), "the gossip answer is not LZW"),
    ],
)
def test_what_is_no_stream_is_refused(data, message):
    with pytest.raises(GossipError) as caught:
        decompress(data)
    assert caught.value.message == message


def test_what_unpacks_without_end_is_refused():
    # Every code repeats the one before and a byte more: 7 MB from each full table.
    table = [(97, 9)] + [(257 + n, max(9, (257 + n).bit_length())) for n in range(1, 3837)]
    bomb = pack([*table, (CLEAR, 12)] * (lzw.LIMIT // 7_000_000 + 1))
    assert len(bomb) < 20_000
    with pytest.raises(GossipError, match=r"^the gossip answer has no end\n  -> "):
        decompress(bomb)


@given(st.binary(max_size=300))
def test_hostile_bytes_give_bytes_or_an_error_of_the_tree(data):
    try:
        assert isinstance(decompress(data), bytes)
    except GossipError:
        return
