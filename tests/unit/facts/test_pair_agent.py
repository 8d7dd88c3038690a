"""Hosts whose measuring program says anything at all, or nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.facts.streams import Place

from overweave.facts.pairs import measure
from overweave.fleet import Cancel


@given(st.lists(st.binary()))
def test_a_host_that_says_anything_at_all_is_a_value(chunks):
    place = Place(*chunks)
    found = measure(
        {"host1": place}, {"host1": "10.0.0.1"}, {}, mtu=1500, vxlan=4789, clock=place.clock, cancel=Cancel()
    )
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
        vxlan=4789,
        clock=there.clock,
        cancel=Cancel(),
    )
    assert {name: end.lost for name, end in found.ends.items()} == {
        "host1": "the program on it ended early",
        "host2": "the measurement broke off: Socket is closed",
    }
