"""What an etcd says of itself, and answers that make no sense."""

from __future__ import annotations

import pytest

from overweave.errors import StoreError
from overweave.facts import etcd
from overweave.facts.etcd import Member, Told

STATS = {
    "name": "host1",
    "id": "8e9e05c52164694d",
    "state": "StateLeader",
    "startTime": "2026-11-22T19:00:00Z",
    "leaderInfo": {"leader": "8e9e05c52164694d", "uptime": "1m", "startTime": "2026-11-22T19:00:00Z"},
    "health": "true",
    "version": "3.4.23",
    "term": 2,
    "index": 71,
}
MEMBER = {
    "id": "8e9e05c52164694d",
    "name": "host1",
    "peerURLs": ["https://10.0.0.1:2380"],
    "clientURLs": ["https://10.0.0.1:2379"],
}


class Says:
    """An `EtcdStore` that answers with what it was made with."""

    def __init__(self, answer):
        self.answer = answer

    def members(self):
        return [self.answer]

    def server(self):
        return self.answer

    def dump(self, prefix):
        return self.answer


def test_a_server_is_known_with_its_addresses_and_one_that_has_not_begun_has_none_for_engines():
    assert etcd.members(Says(MEMBER)) == (Member("8e9e05c52164694d", "host1", "10.0.0.1:2380", "10.0.0.1"),)
    (new,) = etcd.members(Says({"id": "1", "name": "", "peerURLs": ["https://10.0.0.2:2380"]}))
    assert (new.name, new.address, new.client) == ("", "10.0.0.2:2380", "")


def test_a_server_tells_who_leads_and_how_far_it_is():
    its = Told("8e9e05c52164694d", "Leader", "8e9e05c52164694d", True, "3.4.23", 2, 71)
    assert etcd.told(Says(STATS)) == its
    lost = STATS | {"state": "StateCandidate", "leaderInfo": {}, "health": "false"}
    found = etcd.told(Says(lost))
    assert (found.state, found.leader, found.healthy) == ("StateCandidate", "", False)


@pytest.mark.parametrize(
    ("call", "answer", "what"),
    [
        (etcd.members, {"id": "1", "name": "n", "peerURLs": []}, "a server: IndexError"),
        (etcd.members, {"id": 1, "name": "n", "peerURLs": ["x"]}, "a server: ValueError"),
        (etcd.members, [], "a server: TypeError"),
        (etcd.told, STATS | {"index": -1}, "what a server says of itself: ValueError"),
        (etcd.told, STATS | {"leaderInfo": None}, "what a server says of itself: AttributeError"),
        (etcd.told, {}, "what a server says of itself: KeyError"),
        (lambda its: etcd.keys(its, "docker/"), {"index": 1}, "its keys: KeyError"),
        (lambda its: etcd.keys(its, "docker/"), {"index": 1, "node": 7}, "its keys: AttributeError"),
    ],
    ids=range(8),
)
def test_an_answer_that_makes_no_sense_is_an_error(call, answer, what):
    with pytest.raises(StoreError) as caught:
        call(Says(answer))
    assert str(caught.value).startswith(f"the store's answer makes no sense: {what}")
    assert caught.value.hint == "please report this with the output of `docker logs etcd`"
