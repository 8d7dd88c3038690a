"""The note of what was there before: read back as it was written, and nothing else believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result, query
from overweave.facts.record import Before, parse

NAMES = st.frozensets(st.text(max_size=8), max_size=4)


def read(text, status=0):
    return parse(Result(query("cat"), status, text, ""))


@given(st.builds(Before, NAMES, NAMES, st.booleans(), st.booleans()))
def test_what_is_written_is_read_back(before):
    assert read(before.text()) == before


def test_the_text_is_the_same_every_time():
    before = Before(frozenset("cab"), frozenset({"x:1"}), True)
    text = '{"networks": ["a", "b", "c"], "images": ["x:1"], "drop_in_folder": true}'
    assert before.text() == text
    assert replace(before, swarm=True).text() == text[:-1] + ', "swarm": true}'


@pytest.mark.parametrize("swarm", ["", ', "swarm": false', ', "swarm": 1', ', "swarm": null'])
def test_an_engine_was_in_a_swarm_only_where_that_is_noted(swarm):
    """Records of releases that knew of no swarms say nothing of it."""
    assert read(f'{{"networks": [], "images": [], "drop_in_folder": true{swarm}}}') == Before(
        frozenset(), frozenset(), True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"networks": 1}',
        '{"networks": [[]], "images": [], "drop_in_folder": 1}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_can_not_be_read_is_no_record(text):
    assert read(text) is None
