"""One push/pull over a stream: whole, told, broken off, silent."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from tests.contract.gossip import GossipStream, Memberlist

from overweave.errors import GossipError
from overweave.gossip.exchange import LIMIT, SECONDS, exchange
from overweave.gossip.wire import encode


class Scripted:
    """A stream that says what it was given, piece by piece, and raises what is no bytes."""

    def __init__(self, *says):
        self.says, self.sent, self.timeout, self.closed = list(says), b"", None, False

    def settimeout(self, seconds):
        self.timeout = seconds

    def sendall(self, data):
        self.sent += data

    def recv(self, size):
        piece = self.says.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self.closed = True


def test_an_engine_is_read_and_told_and_the_stream_is_closed():
    a, b = (Memberlist(n, IPv4Address(f"10.0.0.{i}")) for i, n in enumerate("ab", 1))
    stream = GossipStream(a, piece=7)
    assert exchange(stream) == a.members()
    assert stream.closed
    exchange(GossipStream(a), b.members())
    assert a.seen() == ["b"]


def test_nothing_is_told_where_only_a_look_is_asked_for():
    stream = Scripted(encode(()))
    assert exchange(stream) == ()
    assert (stream.sent, stream.timeout, stream.closed) == (encode(()), SECONDS, True)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ([b""], "the engine hung up in the middle of its gossip answer"),
        ([encode(())[:5], b""], "the engine hung up in the middle of its gossip answer"),
        ([TimeoutError("timed out")], "no gossip answer within 5 s"),
        (
            [ConnectionResetError(104, "Connection reset by peer")],
            "gossip: [Errno 104] Connection reset by peer",
        ),
        ([EOFError("gone")], "gossip: gone"),
        ([b"SSH-2.0"], "the gossip answer has the unknown kind 83"),
    ],
)
def test_what_is_no_answer_is_an_error_and_the_stream_is_closed(says, message):
    stream = Scripted(*says)
    with pytest.raises(GossipError) as caught:
        exchange(stream)
    assert caught.value.message == message
    assert stream.closed


def test_an_answer_without_end_is_cut_off():
    header = encode(())[:1] + b"\x81\xa5Nodes\xdb\x7f\xff\xff\xff"
    stream = Scripted(header, *[bytes(LIMIT // 4)] * 6, b"")
    with pytest.raises(GossipError):
        exchange(stream)
    assert stream.says, "it stopped reading before the end"


class Trickle(Scripted):
    """A stream that always has one piece more."""

    def __init__(self, piece):
        super().__init__()
        self._piece, self.received = piece, 0

    def recv(self, size):
        self.received += len(self._piece)
        return self._piece


@pytest.mark.parametrize("first", [b"\x06", b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\x7f\xff\xff\xff"])
def test_an_answer_without_an_end_is_given_up(first):
    stream = Trickle(first + b"\xdb\x7f\xff\xff\xff" + b"x" * (1 << 16))
    with pytest.raises(GossipError):
        exchange(stream)
    assert stream.received < 2 * LIMIT
    assert stream.closed
