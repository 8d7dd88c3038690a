"""A server comes onto the list of an etcd and goes off it: asked again while it can't be done yet."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeClock

from overweave.apply.members import change_members
from overweave.apply.world import World
from overweave.errors import DeadlineExceeded, StoreError
from overweave.fleet import Cancel
from overweave.steps import AddMember, RemoveMember


class List:
    """An `EtcdStore` that takes nobody in or out the first times; ``loses``: it does, and does not say so."""

    def __init__(self, refuses=0, loses=False):
        self.urls = {"a1": "https://10.0.0.1:2380", "b2": "https://10.0.0.2:2380"}
        self.refuses, self.loses = refuses, loses
        self.asked = 0

    def members(self):
        return [{"id": id_, "peerURLs": [url]} for id_, url in self.urls.items()]

    def _turn(self):
        self.asked += 1
        if self.asked <= self.refuses:
            raise StoreError("etcd on host1: status 500: Internal Server Error")

    def _done(self):
        if self.loses:
            raise StoreError("etcd on host1: no answer")

    def add_member(self, url):
        self._turn()
        self.urls["new"] = url
        self._done()

    def remove_member(self, id_):
        self._turn()
        del self.urls[id_]
        self._done()


def change(step, store):
    world = World({}, store, FakeClock(), Cancel(), lambda host, what: None)
    change_members(step, world)
    return store


ADD = AddMember("host1", "why", "host3", "10.0.0.3")
REMOVE = RemoveMember("host1", "why", "b2", "host2", "10.0.0.2:2380")


@pytest.mark.parametrize("how", [{}, {"refuses": 3}, {"loses": True}], ids=["at once", "later", "unheard"])
def test_it_is_done_once(how):
    assert list(change(ADD, List(**how)).urls.values())[2:] == ["https://10.0.0.3:2380"]
    assert list(change(REMOVE, List(**how)).urls) == ["a1"]


def test_what_is_so_already_is_not_asked_for():
    store = change(ADD, List())
    assert change(ADD, store).asked == 1
    change(REMOVE, store)
    assert change(REMOVE, store).asked == 2


def test_what_it_says_is_told_where_it_never_does():
    with pytest.raises(DeadlineExceeded) as caught:
        change(ADD, List(refuses=1000))
    assert str(caught.value) == (
        "host1: after 30 s: etcd on host1: status 500: Internal Server Error\n"
        "  -> `fab store-status` shows which servers are alive: all have to be, but one that is taken out"
    )
