"""What is said of containers that are gone, and when it is said: by bytes, and over a stream."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.errors import GossipError
from overweave.gossip.events import ASKED_FOR, Left, clock, message, tell
from overweave.gossip.wire import encode

from .test_exchange import Scripted
from .test_wire import compressed, pack, told

CAPTURED = (Path(__file__).parent / "three-engines.bin").read_bytes()
LEFT = Left("10.0.0.14", "a" * 64, "e" * 64, "10.211.0.9", "255.255.0.0", "02:42:0a:d3:00:09")


def with_state(state, size=None):
    header = {"Nodes": 0, "UserStateLen": len(state) if size is None else size, "Join": False}
    return told(header=header) + state


STATE = b"\x04" + pack({"LTime": 3, "EventLTime": 41, "QueryLTime": 1})


def read(data):
    """An event as memberlist and serf read it."""
    assert data[0] == 8
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(data[1:])
    header = unpacker.unpack()
    inner = data[1 + unpacker.tell() :]
    assert header == {"UserMsgLen": len(inner)}
    assert inner[0] == 3
    return msgpack.unpackb(inner[1:], raw=False)


def test_an_event_is_as_engines_send_it():
    assert read(message(LEFT, 41)) == {
        "LTime": 41,
        "Name": f"jl 10.0.0.14 {'a' * 64} {'e' * 64}",
        "Payload": "leave 10.211.0.9 255.255.0.0 02:42:0a:d3:00:09",
        "CC": False,
    }


@pytest.mark.parametrize("data", [with_state(STATE), compressed(with_state(STATE))])
def test_the_clock_of_events_is_read_when_all_of_the_answer_is_there(data):
    assert clock(data) == 41
    plain = data[0] == 6
    if plain:
        assert [clock(data[:n]) for n in range(len(data))] == [None] * len(data)


def test_the_clock_of_a_real_engine_is_read():
    assert clock(CAPTURED) == 4


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x05" + pack({"Nodes": 0, "UserStateLen": 9}), "the gossip answer is of another kind"),
        (b"\x06" + pack([1]), "the gossip answer is not made of maps"),
        (b"\x06\xc1", "the gossip answer is not msgpack"),
        (encode(()), "the gossip answer has no state of its user"),
        (with_state(b"", 1 << 30), "the gossip answer has no state of its user"),
        (with_state(b"\x04\x01"), "the gossip answer is not made of maps"),
        (with_state(b"\x04\xc1"), "the state in the gossip answer is not msgpack"),
        (with_state(b"\x04" + pack({})), "the gossip answer has no clock of events"),
        (with_state(b"\x04" + pack({"EventLTime": -1})), "the gossip answer has no clock of events"),
        (b"\x09" + pack({"Algo": 0}), "the gossip answer has no compressed part"),
        (compressed(b"\x01"), "the gossip answer is of another kind"),
        (compressed(with_state(STATE)[:-3]), "the gossip answer breaks off"),
    ],
)
def test_what_is_no_answer_is_an_error(data, why):
    with pytest.raises(GossipError) as caught:
        clock(data)
    assert caught.value.message == why


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_an_error(data):
    with contextlib.suppress(GossipError):
        clock(data)


def test_an_engine_is_told_of_the_endpoint_and_of_what_others_asked_for():
    streams = [Scripted(with_state(STATE)), Scripted(b""), Scripted(b"")]
    opened = iter(streams)
    tell(lambda: next(opened), [LEFT])
    assert [read(s.sent)["Name"].split()[-1] for s in streams[1:]] == ["e" * 64, ASKED_FOR]
    assert all(s.closed for s in streams)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ([[b""]], "the engine hung up in the middle of its gossip answer"),
        ([[ConnectionResetError(104, "reset")]], "gossip: [Errno 104] reset"),
        ([[with_state(STATE)], [TimeoutError("timed out")]], "gossip: timed out"),
    ],
)
def test_an_engine_that_does_not_answer_is_an_error(says, why):
    opened = iter([Scripted(*its) for its in says])
    with pytest.raises(GossipError) as caught:
        tell(lambda: next(opened), [LEFT])
    assert caught.value.message == why
