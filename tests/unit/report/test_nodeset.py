"""Names of many hosts in few words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.report.nodeset import nodeset


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["host1"], "host1"),
        (["web"], "web"),
        (["host1", "host2", "host3"], "host[1-3]"),
        (["host3", "host1", "host2", "host7", "host9", "host10"], "host[1-3,7,9-10]"),
        (["host1", "host3"], "host[1,3]"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n1", "n01"], "n1, n01"),
        (["web1.eu", "web2.eu", "web1.us", "db"], "web[1-2].eu, web1.us, db"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.[1-2]"),
        (["r1c1", "r1c2", "r2c1"], "r1c[1-2], r2c1"),
        (["a" + "9" * 10, "a" + "9" * 9], "a9999999999, a999999999"),
    ],
)
def test_names_that_differ_by_a_number_are_folded(names, told):
    assert nodeset(names) == told


def unfolded(told):
    found = set()
    for word in told.split(", "):
        inner = re.fullmatch(r"(.*)\[(.*)\](.*)", word, re.S)
        if inner is None:
            found.add(word)
            continue
        for part in inner[2].split(","):
            low, _, high = part.partition("-")
            width = len(low) if low.startswith("0") else 0
            found |= {f"{inner[1]}{n:0{width}}{inner[3]}" for n in range(int(low), int(high or low) + 1)}
    return found


NAMES = st.from_regex(r"\A[a-z]{0,2}[0-9]{0,2}[a-z.]{0,2}[0-9]{1,3}[a-z]{0,2}\Z")


@given(st.lists(NAMES, min_size=1, max_size=30, unique=True))
def test_no_name_is_lost_and_none_is_added(names):
    assert unfolded(nodeset(names)) == set(names)


@given(st.lists(st.text(), max_size=5))
def test_any_names_at_all_are_text(names):
    assert isinstance(nodeset(names), str)
