"""The mask of given-out addresses, as an engine of 20.10.5 wrote it, and as it would write it."""

from __future__ import annotations

import base64
import json
import random
import struct
from ipaddress import IPv4Network

import pytest

from overweave.facts.address_mask import HEAD, RUN, AddressMask, number_of, parse, value_of, with_taken

CAPTURED = (
    b'{"id":"GlobalDefault/10.211.0.0/16","sequence":"AAAAAAABAAAAAAAAAAD/+P4AAAAAAAAAAAAAAQAAAAAAAAAAAAAH/gAAAAEAAAAA'
    b'AAAAAQ=="}'
)


def taken(mask):
    return {n for n in range(mask.bits) if mask.taken(n)}


def test_an_engines_mask_is_read_and_written_as_it_was():
    mask = parse(CAPTURED)
    assert (mask.bits, mask.free) == (65536, 65528)
    assert taken(mask) == {0, 1, 2, 3, 4, 5, 6, 65535}
    assert json.loads(value_of(mask)) == json.loads(CAPTURED)


def test_what_is_taken_is_exactly_what_was_and_what_was_added():
    chosen = random.Random(4)
    mask = AddressMask("x", 2048, 2046, ((1 << 31, 1), (0, 62), (1, 1)))
    wanted = taken(mask)
    assert wanted == {0, 2047}
    for _ in range(30):
        new = {chosen.choice((chosen.randrange(40), chosen.randrange(2048))) for _ in range(4)}
        mask, wanted = with_taken(mask, new), wanted | new
        assert taken(mask) == wanted
        assert mask.free == mask.bits - len(wanted)
        assert sum(count for _, count in mask.runs) == 64
        assert all(a[0] != b[0] for a, b in zip(mask.runs, mask.runs[1:], strict=False)), "runs are joined"
        assert parse(value_of(mask)) == mask


def test_a_full_block_between_free_ones_becomes_one_run_with_its_like():
    mask = AddressMask("x", 128, 96, ((0xFFFFFFFF, 1), (0, 3)))
    assert with_taken(mask, range(32, 64)).runs == ((0xFFFFFFFF, 2), (0, 2))


def sequence(bits, free, *runs):
    data = HEAD.pack(bits, free) + b"".join(RUN.pack(*run) for run in runs)
    return {"id": "x", "sequence": base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": "x", "sequence": 1}',
        b'{"id": "x", "sequence": "AAAA"}',
        b'{"id": "x", "sequence": "!"}',
        json.dumps(sequence(32, 32, (0, 1)) | {"id": 5}).encode(),
        json.dumps(sequence(32, 33, (0, 1))).encode(),
        json.dumps(sequence(64, 32, (0, 1))).encode(),
        json.dumps(sequence(1 << 33, 1, (0, 1 << 28))).encode(),
        json.dumps(sequence(32, 32, (0, 1)))[:-4].encode() + b'A"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_mask_is_refused(value):
    with pytest.raises((ValueError, struct.error)) as caught:
        parse(value)
    assert caught.type is not struct.error


def test_addresses_outside_are_refused():
    subnet = IPv4Network("10.0.0.0/24")
    assert number_of("10.0.0.7", subnet) == 7
    with pytest.raises(ValueError, match=r"10\.0\.1\.7 is not in 10\.0\.0\.0/24"):
        number_of("10.0.1.7", subnet)
    with pytest.raises(ValueError, match="an address is not of this subnet"):
        with_taken(AddressMask("x", 32, 32, ((0, 1),)), [32])
