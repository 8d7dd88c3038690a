"""What every `EtcdStore` does beside what a `KeyValue` does: a server of HTTP in the unit tests, and a real
etcd in the lab."""

from __future__ import annotations

import re

from overweave.facts import etcd
from overweave.stores import etcd_keys


def holds(store):
    """Asserts it all, and leaves nothing in the store."""
    members = {its.id: its for its in etcd.members(store)}
    told = etcd.told(store)
    assert members[told.leader].address == store.leader()
    assert (told.id in members, told.healthy, told.state in ("Leader", "Follower")) == (True, True, True)
    assert told.state == ("Leader" if told.id == told.leader else "Follower")
    assert all(its.name and its.client for its in members.values())
    assert re.fullmatch(r"3\.\d+\.\d+", told.version)
    assert 0 < told.term <= told.commit_index

    empty = etcd.keys(store, "contract/")
    assert (empty.kept, empty.index > 0) == ({}, True)
    for key, value in (("contract/b", b"1"), ("contract/a/x", "ü\n".encode()), ("contract/b", b"2")):
        store.put(key, value)
    its = etcd.keys(store, "contract/")
    assert its.tree == store.tree("contract/") == {"contract/a/x": "ü\n".encode(), "contract/b": b"2"}
    first, second = its.kept["contract/a/x"], its.kept["contract/b"]
    assert empty.index < first.created == first.modified < second.created == second.modified == its.index
    assert (first.ttl, second.ttl) == (None, None)
    assert etcd_keys.unpack(etcd_keys.pack(its)) == its
    for key, value in its.tree.items():
        assert store.swap(key, value, None)
    assert etcd.keys(store, "contract/").kept == {}
    assert etcd.told(store).commit_index > told.commit_index
