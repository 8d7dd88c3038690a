"""What is read out of the notes of a counter's client."""

from __future__ import annotations

import pytest
from tests.lab.counter import Figures, figures

NOTES = (
    "9.0 +",
    "9.5 1",
    "10.5 2",
    "11.0 3",
    "11.1 ! read: Connection timed out",
    "13.5 +",
    "13.6 5",
    "14 6",
)


def test_what_is_acknowledged_is_counted_from_the_begin_on_and_the_longest_gap_found():
    assert figures(NOTES, stored=6, since=10.0, until=15.0) == Figures(4, 0, 1, 13.6 - 11.0, 1)
    assert figures(NOTES, stored=6, since=0.0, until=15.0).connections == 2


def test_a_client_that_never_counts_again_has_a_gap_to_the_end():
    assert figures(NOTES, stored=6, since=10.0, until=60.0).longest == 46.0
    assert figures(NOTES, stored=6, since=20.0, until=60.0) == Figures(0, 0, 0, 40.0, 0)


def test_a_value_that_is_unanswered_and_made_is_no_loss():
    assert figures(NOTES, stored=7, since=0.0, until=15.0).lost == 0


@pytest.mark.parametrize(
    ("notes", "stored", "lost"),
    [
        (("1 7", "2 8"), 7, 1),
        (("1 7", "2 7", "3 8"), 8, 1),
        (("1 7", "2 1", "3 2"), 2, 7),
        (("1 7", "2 3", "3 4"), 2, 5 + 2),
    ],
    ids=["at the end", "one in between", "all", "some, and some at the end"],
)
def test_an_acknowledged_value_that_does_not_last_is_lost(notes, stored, lost):
    assert figures(notes, stored, since=2.5, until=4).lost == lost


def test_figures_of_several_clients_are_one():
    assert Figures(2, 0, 1, 0.5, 1) + Figures(3, 1, 0, 0.2, 0) == Figures(5, 1, 1, 0.5, 1)
