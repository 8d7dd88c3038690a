"""The conversation with a program on a host, whatever that does."""

from __future__ import annotations

import itertools

import pytest
from tests.contract.fakes import FakeClock
from tests.unit.facts.streams import Place

from overweave.errors import ConnectionProblem, Interrupted
from overweave.facts.remote_program import SEND_SECONDS, Program
from overweave.fleet import Cancel


class Lines(list):
    """A report that keeps what it is told."""

    line = list.append


def program(place, **more):
    made = Program(place, "pair-agent.pl", ("role", "token"), Lines(), limit=1 << 20, **more)
    return made, made.report


def talk(*chunks, seconds=5, cancel=None):
    place = Place(*chunks)
    made, lines = program(place)
    return made, lines, made.listen(lambda said: b"ready" in said, seconds, place.clock, cancel or Cancel())


def test_lines_come_in_pieces_and_with_noise_around_them():
    _, lines, came = talk(b"Last login: today\r\nrea", TimeoutError(), b"dy\nmore")
    assert came
    assert lines == [b"Last login: today\r", b"ready"]


def test_a_line_without_its_end_is_none():
    _, lines, came = talk(b"ready")
    assert not came
    assert lines == []


def test_a_program_that_says_nothing_is_given_up_after_its_time():
    made, _, came = talk(*[TimeoutError()] * 1000)
    assert not came
    assert not made.ended


def test_a_program_that_ends_is_noticed():
    made, _, came = talk(b"sh: 1: perl: not found\n")
    assert not came
    assert made.ended


def test_a_program_without_an_end_is_cut_off():
    chunks = itertools.repeat(b"x" * (1 << 16), 1000)
    made, _, came = talk(*chunks)
    assert not came
    assert made.ended
    assert made._read == (1 << 20) + (1 << 16)


def test_a_connection_that_breaks_off_is_a_connection_problem():
    with pytest.raises(ConnectionProblem) as caught:
        talk(OSError("Socket is closed"))
    assert str(caught.value) == (
        "host1: the measurement broke off: Socket is closed\n"
        "  -> is the host up? Then run the same command again"
    )


def test_ctrl_c_ends_it():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Interrupted):
        talk(TimeoutError(), cancel=cancel)


def test_what_is_told_goes_as_lines_and_does_not_wait_for_ever():
    place = Place()
    made, _ = program(place)
    made.tell(["one", "two words"])
    assert place.said.sent == b"one\ntwo words\n"
    assert place.said.seconds == SEND_SECONDS


def test_what_can_not_be_told_is_seen_as_the_end_of_what_it_says():
    place = Place(refuses=OSError("Socket is closed"))
    made, _ = program(place)
    made.tell(["one"])
    assert not made.listen(lambda said: False, 5, place.clock, Cancel())
    assert made.ended


def test_closing_twice_and_a_stream_that_can_not_be_closed():
    place = Place(refuses=OSError("Socket is closed"))
    made, _ = program(place)
    made.close()
    made.close()
    assert not place.said.open


def test_its_text_and_words_go_as_arguments_in_the_namespace_that_was_asked_for():
    place = Place()
    program(place, namespace="/proc/7/ns/net")
    namespace, text, *words = place.command.words[4:]
    assert (namespace, words) == ("/proc/7/ns/net", ["role", "token"])
    assert "sub checksum" in text
    assert "sub open_vxlan" in text
    assert isinstance(place.clock, FakeClock)
