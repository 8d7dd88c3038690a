"""Directions are told by what they have in common."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.preflight.directions import Group, groups, names


def pairs(*hosts):
    return list(itertools.permutations(hosts, 2))


ABC = pairs("a", "b", "c")


def told(bad, measured=ABC):
    return [(g.host, g.peer, g.one_way, len(g.directions)) for g in groups(bad, measured)]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ([], []),
        ([("a", "b")], [("a", "b", True, 1)]),
        ([("a", "b"), ("b", "a")], [("a", "b", False, 1), ("b", "a", False, 1)]),
        ([d for d in ABC if "a" in d], [("a", "", False, 4)]),
        ([("b", "a"), ("c", "a")], [("a", "", False, 2)]),
        ([("a", "b"), ("a", "c")], [("a", "", False, 2)]),
        ([("b", "a"), ("c", "a"), ("a", "b")], [("a", "", False, 2), ("a", "b", False, 1)]),
        (ABC, [("", "", False, 6)]),
    ],
)
def test_the_fewest_that_say_it_all(bad, expected):
    assert told(bad) == expected


def test_which_way_a_host_is_cut_off():
    (into,) = groups([("b", "a"), ("c", "a")], ABC)
    (out_of,) = groups([("a", "b"), ("a", "c")], ABC)
    assert (into.into, into.out_of, into.peers) == (True, False, ("b", "c"))
    assert (out_of.into, out_of.out_of, out_of.peers) == (False, True, ("b", "c"))


def test_two_hosts_are_told_as_directions():
    assert told(pairs("a", "b"), pairs("a", "b")) == [("a", "b", False, 1), ("b", "a", False, 1)]


def test_a_port_of_one_host_is_told_of_that_host():
    to_store = [("b", "a"), ("c", "a")]
    assert told(to_store, to_store) == [("a", "", False, 2)]
    assert told(to_store[:1], to_store) == [("b", "a", False, 1)]


def test_a_fleet_in_two_halves_is_one_finding():
    hosts = [f"h{n}" for n in range(10)]
    across = [(a, b) for a, b in pairs(*hosts) if (a < "h5") != (b < "h5")]
    assert told(across, pairs(*hosts)) == [("", "", False, 50)]


@given(
    st.sets(st.sampled_from(pairs("a", "b", "c", "d"))), st.sets(st.sampled_from(pairs("a", "b", "c", "d")))
)
def test_nothing_is_left_out_and_nothing_is_made_up(some, others):
    measured = sorted(some | others)
    found = list(groups(some, measured))
    assert {d for g in found for d in g.directions} == some
    for group in found:
        assert not group.host or all(group.host in d for d in group.directions)
    assert all(isinstance(g, Group) for g in found)


def test_a_sentence_names_only_so_many():
    assert names([]) == ""
    assert names(["a"]) == "a"
    assert names(["a", "b", "c"]) == "a, b and c"
    assert names(list("abcdefg")) == "a, b, c, d, e and 2 more"
