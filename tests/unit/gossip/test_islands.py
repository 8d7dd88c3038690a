"""Who sees whom, drawn; and whether what is told makes all see all, by memberlist's own rules."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.gossip import Memberlist

from overweave.gossip.islands import View, islands, remedies, unseen
from overweave.gossip.wire import ALIVE, Member

DEAD = 2


def address(name):
    return IPv4Address(f"10.0.0.{ord(name)}")


def drawn(**seen):
    """``a="bc"``: a sees b and c alive; ``a="b!c"``: what comes behind the mark it takes for dead."""
    views = {}
    for name, others in seen.items():
        alive, _, dead = others.partition("!")
        members = [Member(n, address(n), 7946, 1, ALIVE) for n in name + alive]
        members += [Member(n, address(n), 7946, 4, DEAD) for n in dead]
        views[name] = View(address(name), tuple(members))
    return views


@pytest.mark.parametrize(
    ("views", "groups", "missing"),
    [
        (drawn(), [], {}),
        (drawn(a=""), [("a",)], {}),
        (drawn(a="b", b="a"), [("a", "b")], {}),
        (drawn(a="", b=""), [("a",), ("b",)], {"a": ("b",), "b": ("a",)}),
        (drawn(a="b", b=""), [("a",), ("b",)], {"b": ("a",)}),
        (drawn(a="!b", b="a"), [("a",), ("b",)], {"a": ("b",)}),
        (drawn(a="b", b="ac", c="b"), [("a", "b", "c")], {"a": ("c",), "c": ("a",)}),
        (
            drawn(a="b", b="a", c="de", d="ce", e="cd"),
            [("c", "d", "e"), ("a", "b")],
            {"a": ("c", "d", "e"), "b": ("c", "d", "e"), "c": ("a", "b"), "d": ("a", "b"), "e": ("a", "b")},
        ),
        (drawn(a="bx", b="ax"), [("a", "b")], {}),
        (drawn(b="a", a="b", d="c", c="d"), [("b", "a"), ("d", "c")], None),
    ],
    ids=[
        "nobody", "alone", "whole", "two alone", "one way", "buried", "a chain", "two and three",
        "strangers don't count", "order of the fleet",
    ],
)  # fmt: skip
def test_islands_and_who_misses_whom(views, groups, missing):
    assert islands(views) == groups
    if missing is not None:
        assert unseen(views) == missing


def test_a_host_is_told_of_those_it_misses_in_their_own_words():
    views = drawn(a="b", b="a", c="")
    own = views["c"].members[0]
    assert remedies(views) == {
        "a": (own,),
        "b": (own,),
        "c": (views["a"].members[0], views["b"].members[0]),
    }


def test_one_that_was_buried_is_told_alive_with_a_higher_incarnation_than_its_burial():
    assert remedies(drawn(a="!b", b="a")) == {"a": (Member("b", address("b"), 7946, 5, ALIVE),)}


def test_one_that_does_not_know_itself_can_not_be_told_of():
    views = {"a": View(address("a"), ()), "b": View(address("b"), (Member("b", address("b"), 1, 1, ALIVE),))}
    assert remedies(views) == {"a": views["b"].members}


def test_a_whole_gossip_needs_no_remedy():
    assert remedies(drawn(a="bc", b="ac", c="ab")) == {}


@given(st.data())
def test_what_is_told_makes_any_split_gossip_whole(data):
    names = "abcdefgh"[: data.draw(st.integers(1, 8))]
    engines = {n: Memberlist(n, address(n), incarnation=data.draw(st.integers(0, 5))) for n in names}
    for engine in engines.values():
        for other in names:
            state = data.draw(st.sampled_from([None, None, ALIVE, DEAD, 3]))
            if other != engine.name and state is not None:
                incarnation = data.draw(st.integers(0, 9))
                engine.known[other] = Member(other, address(other), 7946, incarnation, state)

    def views():
        return {n: View(e.address, e.members()) for n, e in engines.items()}

    for _ in range(2):
        for name, members in remedies(views()).items():
            engines[name].merge(members)
        for engine in engines.values():
            for other in engine.seen():
                # What a later push/pull or broadcast among those who see each other does.
                engines[other].merge(engine.members())
                engine.merge(engines[other].members())
    assert unseen(views()) == {}
