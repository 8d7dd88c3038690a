"""What Consul says of itself, and what somebody says who is none."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeStore

from overweave.errors import StoreError
from overweave.facts import store as facts
from overweave.facts.store import Lease, Member, Node


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("12.5ms", 0.0125),
        ("1m30s", 90.0),
        ("150µs", 0.00015),
        ("never", None),
        ("", None),
        ("-1s", None),
        ("9" * 100 + "s", None),
    ],
)
def test_durations_are_read_as_go_prints_them(told, seconds):
    assert facts.seconds_of(told) == (None if seconds is None else pytest.approx(seconds))


def test_a_session_is_that_of_the_engine_whose_key_it_holds():
    store = FakeStore()
    store.hold("docker/nodes/10.0.0.1:2376", "s1")
    assert facts.leases(store) == (Lease("s1", "10.0.0.1:2376", "h", "10s"),)


def test_an_agent_whose_name_is_kept_for_another_id_is_stale():
    def member(name, id_, state="alive"):
        return Member(name, "10.0.0.1", state, True, id_, "1.15.4")

    known = [Node("old", "a", "10.0.0.1"), Node("b1", "b", "10.0.0.2"), Node("old", "c", "10.0.0.3")]
    there = [member("a", "new"), member("b", "b1"), member("c", "new", "failed"), member("d", "d1")]
    assert facts.stale_nodes(known, there) == [there[0]]


class Lying(FakeStore):
    """A store that answers anything with ``lie``."""

    def __init__(self, lie):
        super().__init__()
        self.lie = lie

    def agent(self):
        return self.lie

    def members(self):
        return [self.lie]

    servers = catalog = sessions = members


NUMBERS = {"state": "x", "term": "1", "last_log_index": "1", "commit_index": "9" * 40}
LIES = [None, 7, [], {}, {"Config": 3}, {"Config": {"NodeName": 1}}, {"Tags": "x", "Status": [], "ID": 1}]
LIES.append(
    {
        "Config": dict.fromkeys(("NodeName", "NodeID", "Version"), "x") | {"Server": True},
        "Stats": {"raft": NUMBERS},
    }
)


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
@pytest.mark.parametrize("ask", [facts.agent, facts.members, facts.peers, facts.nodes, facts.leases])
def test_nonsense_is_an_error_of_ours(ask, lie):
    with pytest.raises(StoreError, match="the store's answer makes no sense: "):
        ask(Lying(lie))


def test_the_error_names_what_made_no_sense():
    with pytest.raises(StoreError) as caught:
        facts.members(Lying({}))
    assert str(caught.value) == (
        "the store's answer makes no sense: a member: KeyError: 'Status'\n"
        "  -> please report this with the output of `docker logs consul`"
    )
