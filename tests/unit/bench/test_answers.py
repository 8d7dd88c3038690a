"""What an end of a benchmark tells, from lines that nobody vouches for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.bench.answers import DISTINCT, SHAPES, Answers
from overweave.bench.measure import busy_between

TOKEN = "0123456789abcdef"


def answers(*lines):
    made = Answers(TOKEN)
    for line in lines:
        made.line(f"{TOKEN} bench {line}".encode())
    return made


def test_what_a_host_says_of_a_run():
    said = answers(
        "coarse",
        "ready 41234",
        "cpu 1 150/1000 100/500 50/500",
        "took 2 0 1000000 500000",
        "took 2 1 2000000 500000",
        "done 2",
        "trips 3 12:5 1500:2",
        "trips 3 99:1",
        "rate 3 8 1 200000",
        "failed 4 ECONNREFUSED",
    )
    assert said.port == 41234
    assert said.coarse
    assert said.took == {2: {0: (1000000, 500000), 1: (2000000, 500000)}}
    assert said.done == {2}
    assert said.trips == {3: {12: 5, 1500: 2, 99: 1}}
    assert said.rates == {3: (1, 200000)}
    assert said.failed == {4: "ECONNREFUSED"}
    assert said.cpu == {1: ((150, 1000), (100, 500), (50, 500))}
    assert answers("missing perl").missing == "perl"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"0123456789abcdef",
        b"0123456789abcdee bench ready 1",
        b"0123456789abcdef host ready 1",
        b"0123456789abcdef bench ready 123456",
        b"0123456789abcdef bench ready -1",
        "0123456789abcdef bench ready \u0661".encode(),
        b"0123456789abcdef bench took 1 0 99999999999999999999999 1",
        b"0123456789abcdef bench trips 1 5:x",
        b"0123456789abcdef bench failed 1 \x1b[31m",
        b"0123456789abcdef bench cpu 1 5/",
        b"0123456789abcdef bench missing \xff",
        b"0123456789abcdef bench nothing 1",
    ],
)
def test_a_line_that_makes_no_sense_is_as_good_as_none(line):
    said = Answers(TOKEN)
    said.line(line)
    assert said == Answers(TOKEN)


@given(st.sampled_from([*SHAPES, "coarse"]), st.text())
def test_anything_at_all_is_taken_in(what, rest):
    said = Answers(TOKEN)
    said.line(f"{TOKEN} bench {what} {rest}".encode(errors="replace"))


def test_round_trips_without_an_end_are_cut():
    said = answers(*("trips 1 " + " ".join(f"{n * 50 + i}:1" for i in range(50)) for n in range(1000)))
    assert len(said.trips[1]) == DISTINCT


def test_processors_that_went_backwards_or_away_are_no_figure():
    assert busy_between((), ()) is None
    assert busy_between(((1, 5),), ()) is None
    assert busy_between(((1, 5), (1, 5)), ((1, 5), (1, 5))) is None
    its = busy_between(((0, 0), (0, 0), (0, 0)), ((5, 20), (9, 10), (1, 10)))
    assert (its.all, its.busiest, its.cores) == (0.25, 0.9, 2)
    odd = busy_between(((9, 0), (9, 0)), ((0, 10), (99, 10)))
    assert (odd.all, odd.busiest) == (0.0, 1.0)
