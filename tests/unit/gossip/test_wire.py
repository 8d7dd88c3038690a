"""Memberlist's push/pull as bytes: what a real engine sent, and what no engine would."""

from __future__ import annotations

import contextlib
import tracemalloc
from ipaddress import IPv4Address
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.errors import GossipError
from overweave.gossip.wire import MAX_NODES, Member, decode, encode

from .lzw_encoder import compress

CAPTURED = (Path(__file__).parent / "three-engines.bin").read_bytes()
VERSIONS = bytes((1, 5, 2, 2, 5, 4))


def pack(value):
    return msgpack.packb(value, use_bin_type=False)


def compressed(inner, **more):
    return b"\x09" + pack({"Algo": 0, "Buf": compress(inner), **more})


def told(*maps, header=None):
    count = {"Nodes": len(maps), "UserStateLen": 0, "Join": False} if header is None else header
    return b"\x06" + pack(count) + b"".join(pack(m) for m in maps)


GOOD = {
    "Name": "host1", "Addr": bytes((10, 0, 0, 1)), "Port": 7946, "Incarnation": 1, "State": 0, "Meta": None,
    "Vsn": VERSIONS,
}  # fmt: skip
MEMBERS = st.lists(
    st.builds(
        Member,
        name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        address=st.ip_addresses(v=4),
        port=st.integers(0, 65535),
        incarnation=st.integers(0, 2**32 - 2),
        state=st.integers(0, 3),
        meta=st.binary(max_size=40),
        versions=st.binary(max_size=6),
    ),
    max_size=5,
)


def test_the_captured_answer_of_a_real_engine():
    assert decode(CAPTURED) == tuple(
        Member(f"host{n}", IPv4Address(f"10.96.0.1{n}"), 7946, 1, 0, b"\xff\x80", VERSIONS) for n in (2, 1, 3)
    )


@given(MEMBERS)
def test_what_is_encoded_is_decoded(members):
    assert decode(encode(members)) == tuple(members)
    assert decode(compressed(encode(members))) == tuple(members)


def test_a_question_is_as_memberlist_writes_it():
    assert encode(()) == b"\x06\x83\xa5Nodes\x00\xacUserStateLen\x00\xa4Join\xc2"


def test_the_user_state_behind_the_members_is_left_alone():
    data = told(GOOD) + b"user state \xc1\xc1"
    assert decode(data) == decode(compressed(data)) == decode(told(GOOD))


@pytest.mark.parametrize("data", [CAPTURED, encode(decode(CAPTURED))], ids=["compressed", "plain"])
def test_an_answer_is_read_byte_by_byte_and_once_it_is_whole_not_before(data):
    whole = decode(data)
    for length in range(len(data)):
        assert decode(data[:length]) is None
    assert decode(data) == whole


@given(MEMBERS.filter(len), st.data())
def test_an_answer_that_breaks_off_inside_its_compressed_part_is_an_error(members, data):
    inner = encode(members)
    cut = data.draw(st.integers(0, len(inner) - 1))
    with pytest.raises(GossipError):
        decode(compressed(inner[:cut]))


ADDRESS = "a member of the gossip answer has no name or no address"
NUMBERS = "a member of the gossip answer has no port, incarnation or state"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x01", "the gossip answer has the unknown kind 1"),
        (b"HTTP/1.1 400 Bad Request", "the gossip answer has the unknown kind 72"),
        (b"\x06" + pack([1]), "the gossip answer is not made of maps"),
        (b"\x06\xc1", "the gossip answer is not msgpack"),
        (b"\x06" + b"\x91" * 3000 + b"\x01", "the gossip answer is not msgpack"),
        (b"\x06" + pack({1: 2})[:-2] + b"\x91\x01\x01", "the gossip answer is not msgpack"),
        (told(header={}), "the gossip answer has no count of members"),
        (told(header={"Nodes": -1}), "the gossip answer has no count of members"),
        (told(header={"Nodes": MAX_NODES + 1}), "the gossip answer has no count of members"),
        (told(header={"Nodes": "1"}), "the gossip answer has no count of members"),
        (told(3), "the gossip answer is not made of maps"),
        (told({}), ADDRESS),
        (told(GOOD | {"Name": 1}), ADDRESS),
        (told(GOOD | {"Addr": b"12345"}), ADDRESS),
        (told(GOOD | {"Port": None}), NUMBERS),
        (told(GOOD | {"Incarnation": "1"}), NUMBERS),
        (told(GOOD | {"State": b""}), NUMBERS),
        (told(GOOD | {"Meta": 7}), "a member of the gossip answer has odd data"),
        (told(GOOD | {"Vsn": [1, 5]}), "a member of the gossip answer has odd data"),
        (b"\x09" + pack({"Algo": 0}), "the gossip answer has no compressed part"),
        (compressed(b""), "the gossip answer is of another kind"),
        (compressed(compressed(told(GOOD))), "the gossip answer is of another kind"),
        (compressed(told(GOOD)[:-1]), "the gossip answer breaks off"),
        (b"\x09" + pack({"Buf": b"\xff\xff"}), "the gossip answer is not LZW"),
    ],
)
def test_what_is_no_answer_is_refused(data, message):
    with pytest.raises(GossipError) as caught:
        decode(data)
    assert caught.value.message == message


def test_an_ipv4_address_in_its_long_form():
    long = bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 1))
    assert decode(told(GOOD | {"Addr": long}))[0].address == IPv4Address("10.0.0.1")


def test_a_name_that_is_no_utf8_is_kept_readable():
    assert decode(told(GOOD | {"Name": b"h\xff"}))[0].name == "h\ufffd"


@given(st.binary(max_size=200).map(lambda b: b"\x06" + b) | st.binary(max_size=200))
def test_hostile_bytes_give_members_nothing_or_an_error_of_the_tree(data):
    try:
        found = decode(data)
    except GossipError:
        return
    assert found is None or all(isinstance(m, Member) for m in found)


@given(st.data())
def test_a_flipped_byte_of_a_real_answer_breaks_nothing(data):
    flipped = bytearray(CAPTURED)
    for at in data.draw(st.lists(st.integers(0, len(CAPTURED) - 1), min_size=1, max_size=3)):
        flipped[at] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(flipped))
    except GossipError:
        return


@pytest.mark.parametrize(
    "data",
    [b"\x06\xdd\x05\xff\xff\xff", b"\x06\x81\x01\xdd\x05\xff\xff\xff"],
    ids=["an array", "inside a map"],
)
def test_a_few_bytes_that_announce_much_take_no_memory(data):
    tracemalloc.start()
    try:
        with contextlib.suppress(GossipError):
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
