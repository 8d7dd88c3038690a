"""A node's certificate: till when it is good, and when its engine should have the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from overweave import certificates
from overweave.certificates import HOST_DAYS, SKEW, Wanted
from overweave.command import Result
from overweave.facts.node_certificate import QUERIES, parse

NOW = certificates.now()
TEXT = certificates.new_authority(NOW).issue(Wanted("host1", "10.0.0.11"), NOW)


def at(time, text=TEXT):
    return parse([Result(QUERIES[0], 0, f"{int(time.timestamp())}\n{text}", "")])


def test_its_days_are_those_of_the_first_certificate_in_its_file():
    its = at(NOW, TEXT + certificates.new_authority(NOW).text.reveal())
    assert its.begins <= NOW
    assert abs(its.ends - NOW - timedelta(days=HOST_DAYS)) <= SKEW
    assert (its.late, its.ended) == (False, False)


@pytest.mark.parametrize(
    ("days", "late", "ended"), [(0.79, False, False), (0.81, True, False), (1.01, True, True)]
)
def test_an_engine_that_runs_has_the_next_one_by_four_fifths_of_its_life(days, late, ended):
    its = at(NOW + days * timedelta(days=HOST_DAYS))
    assert (its.late, its.ended) == (late, ended)


@pytest.mark.parametrize("text", ["", "soon\n" + TEXT, "1\nnothing", "9" * 40 + "\n" + TEXT])
def test_what_makes_no_sense_is_none(text):
    assert parse([Result(QUERIES[0], 0, text, "")]) is None
