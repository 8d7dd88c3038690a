"""Reading past the noise of a login shell, in any pieces, and no further than bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.adapters.after_mark import NOISE_LIMIT, AfterMark, before_mark, make_mark
from overweave.adapters.http_stream import Bounded
from overweave.errors import ConnectionProblem


class Channel:
    closed = False

    def __init__(self, *pieces):
        self._pieces = list(pieces)
        self.taken = 0

    @property
    def eof_received(self):
        return not self._pieces

    def recv(self, size):
        if not self._pieces:
            return b""
        piece, rest = self._pieces[0][:size], self._pieces[0][size:]
        self._pieces[:1] = [rest] if rest else []
        self.taken += len(piece)
        return piece


def odd(noise):
    return ConnectionProblem(f"odd: {noise!r}")


def read_all(stream, size=7):
    found = b""
    while piece := stream.recv(size):
        assert len(piece) <= size
        found += piece
    return found


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 50))
def test_what_stands_behind_the_mark_arrives_whole(noise, answer, step):
    mark = make_mark()
    data = noise + f"{mark}\n".encode() + answer
    channel = Channel(*(data[i : i + step] for i in range(0, len(data), step)))
    stream = AfterMark(channel, mark, odd)
    assert read_all(stream) == answer
    assert stream.eof_received
    assert before_mark(data, mark) == (noise, answer)


@pytest.mark.parametrize("said", [b"", b"This account is currently not available.\n", b"overweave-12\\\n"])
def test_a_shell_that_says_no_mark_is_an_error_with_what_it_said(said):
    with pytest.raises(ConnectionProblem) as caught:
        AfterMark(Channel(*filter(None, [said])), "m\\\\", odd).recv(10)
    assert str(caught.value) == f"odd: {said!r}"


def test_noise_without_an_end_is_given_up():
    channel = Channel(b"x" * NOISE_LIMIT * 10)
    with pytest.raises(ConnectionProblem):
        AfterMark(channel, "m", odd).recv(10)
    assert channel.taken < NOISE_LIMIT * 2


def test_it_is_not_at_its_end_while_something_of_it_is_left():
    stream = AfterMark(Channel(b"m\nabc"), "m", odd)
    assert stream.recv(1) == b"a"
    assert not stream.eof_received
    assert stream.recv(9) == b"bc"
    assert stream.eof_received


def test_http_clients_read_it_as_a_file():
    stream = AfterMark(Channel(b"noise\nm\nHTTP/1.1 200 OK\r\nrest"), "m", odd)
    with Bounded(stream).makefile("rb") as file:
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        assert file.read() == b"rest"
