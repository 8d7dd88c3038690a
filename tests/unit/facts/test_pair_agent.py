"""The conversation with the program on a host, whatever that does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.fakes import FakeClock

from overweave.errors import ConnectionProblem, Interrupted
from overweave.facts.pair_agent import Agent, End
from overweave.facts.pair_report import LIMIT
from overweave.facts.pairs import measure
from overweave.fleet import Cancel
from overweave.model import Access, Host

TOKEN = "0123456789abcdef"
READY = f"{TOKEN} host ready\n".encode()


class Said:
    """A stream that says these chunks; an exception among them is raised, and time passes in a timeout."""

    def __init__(self, chunks, clock):
        self.chunks, self.clock = iter(chunks), clock
        self.sent = b""
        self.open = True

    def settimeout(self, seconds):
        self.seconds = seconds

    def sendall(self, data):
        self.sent += data

    def recv(self, size):
        chunk = next(self.chunks, b"")
        if isinstance(chunk, TimeoutError):
            self.clock.now += self.seconds
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self):
        self.open = False


class Place:
    """A host whose program says what it is given."""

    def __init__(self, *chunks, name="host1"):
        self.host = Host(name, Access("10.0.0.1"))
        self.clock = FakeClock()
        self.said = Said(chunks, self.clock)

    def start(self, command):
        self.command = command
        return self.said


def talk(*chunks, until=lambda report: ("host", "ready") in report.said, cancel=None):
    place = Place(*chunks)
    agent = Agent(place, End(0, "10.0.0.1"), token=TOKEN, vni=16_000_001, mtu=1500)
    return agent, agent.listen(until, 5, place.clock, cancel or Cancel())


def test_lines_come_in_pieces_and_with_noise_around_them():
    agent, came = talk(b"Last login: today\r\n" + READY[:7], TimeoutError(), READY[7:] + b"more")
    assert came
    assert agent.report.said == {("host", "ready")}


def test_a_program_that_says_nothing_is_given_up_after_its_time():
    agent, came = talk(*[TimeoutError()] * 1000)
    assert not came
    assert not agent.ended


def test_a_program_that_ends_is_noticed():
    agent, came = talk(b"sh: 1: perl: not found\n")
    assert not came
    assert agent.ended


def test_a_program_without_an_end_is_cut_off():
    agent, came = talk(*itertools.repeat(b"x" * (1 << 20), 1000))
    assert not came
    assert agent.conversation.read <= LIMIT + (1 << 20)


def test_a_connection_that_breaks_off_is_a_connection_problem():
    with pytest.raises(ConnectionProblem) as caught:
        talk(OSError("Socket is closed"))
    assert str(caught.value) == "host1: the measurement broke off: Socket is closed"


def test_ctrl_c_ends_it():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Interrupted):
        talk(TimeoutError(), cancel=cancel)


@given(st.lists(st.binary()))
def test_a_host_that_says_anything_at_all_is_a_value(chunks):
    place = Place(*chunks)
    found = measure({"host1": place}, {"host1": "10.0.0.1"}, {}, mtu=1500, clock=place.clock, cancel=Cancel())
    assert found.ends["host1"].lost == "the program on it ended early"
    assert found.paths == {}
    assert not place.said.open


def test_a_host_that_can_not_be_asked_does_not_keep_the_others_from_it():
    there, gone = Place(name="host1"), Place(OSError("Socket is closed"), name="host2")
    found = measure(
        {"host1": there, "host2": gone},
        {"host1": "10.0.0.1", "host2": "10.0.0.2"},
        {},
        mtu=1500,
        clock=there.clock,
        cancel=Cancel(),
    )
    assert {name: end.lost for name, end in found.ends.items()} == {
        "host1": "the program on it ended early",
        "host2": "the measurement broke off: Socket is closed",
    }
