"""An engine's gossip: memberlist's rules of who is believed, and its push/pull over a stream."""

from __future__ import annotations

import threading
from dataclasses import replace

import msgpack
from tests.unit.gossip.lzw_encoder import compress

from overweave.gossip.wire import ALIVE, Member, decode, encode


class Memberlist:
    """What one engine knows. It believes as memberlist does (state.go: mergeState, aliveNode, deadNode).

    News of a member count if it is unknown, or with a higher incarnation; death counts with the same one.
    Against news of its own death, or a higher incarnation of itself, it outbids.
    """

    def __init__(self, name, address, *, incarnation=1):
        self.name, self.address = name, address
        self.known = {
            name: Member(name, address, 7946, incarnation, ALIVE, b"\xff\x80", bytes((1, 5, 2, 2, 5, 4)))
        }
        self.lock = threading.Lock()

    def members(self):
        return tuple(self.known.values())

    def seen(self):
        return [m.name for m in self.known.values() if m.alive and m.name != self.name]

    def merge(self, members):
        with self.lock:
            for told in members:
                self._believe(told)

    def _believe(self, told):
        have = self.known.get(told.name)
        if told.name == self.name:
            if told.incarnation > have.incarnation or (
                not told.alive and told.incarnation == have.incarnation
            ):
                self.known[self.name] = replace(have, incarnation=told.incarnation + 1)
        elif have is None:
            if told.alive:
                self.known[told.name] = told
        elif told.alive:
            if told.incarnation > have.incarnation:
                self.known[told.name] = told
        elif told.incarnation >= have.incarnation:
            self.known[told.name] = replace(have, state=told.state, incarnation=told.incarnation)


class GossipStream:
    """A connection to an engine's gossip port; the answer comes in small pieces, compressed."""

    def __init__(self, engine, *, piece=100):
        self._engine, self._piece = engine, piece
        self._asked, self._answer, self.closed = b"", None, False

    def settimeout(self, seconds):
        assert seconds

    def sendall(self, data):
        assert not self.closed
        self._asked += data

    def recv(self, size):
        assert not self.closed
        if self._answer is None:
            told = decode(self._asked)
            assert told is not None, "it was asked for an answer before the question was whole"
            inner = encode(self._engine.members()) + b"\xfe user state"
            self._answer = b"\x09" + msgpack.packb({"Algo": 0, "Buf": compress(inner)}, use_bin_type=False)
            self._engine.merge(told)
        piece, self._answer = self._answer[: min(size, self._piece)], self._answer[min(size, self._piece) :]
        return piece

    def close(self):
        self.closed = True
