"""A snapshot is put into the store, which takes its own agents in again, and the engines come back."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeStore, snapshot
from tests.unit.test_apply import Hosts, error_of

from overweave.apply.store_restore import LEADER_SECONDS, REGISTERED_SECONDS
from overweave.errors import DeadlineExceeded, StoreError
from overweave.facts import store as facts
from overweave.steps import RestoreStore
from overweave.stores.consul import NODES

NODE = "10.0.0.1:2376"


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def restoring(saved, **engines):
    return RestoreStore("a", "why", "of yesterday", saved, engines)


def saved_from(store):
    store.put("t/kept", b"1")
    return store.save()


def test_what_the_store_held_is_replaced_and_engines_that_hold_their_keys_are_back(hosts):
    older = FakeStore()
    older.hold(NODES + NODE, "s1")
    hosts.store.put("t/later", b"2")
    hosts.do(restoring(saved_from(older), a=NODE))
    assert hosts.store.tree("t/") == {"t/kept": b"1"}
    assert hosts.clock.pauses == []


def test_a_server_that_was_made_anew_is_registered_under_its_id(hosts):
    older = FakeStore()
    older.register_anew("h", "another-id", "127.0.0.1")
    hosts.do(restoring(saved_from(older)))
    assert [node.id for node in facts.nodes(hosts.store)] == [FakeStore.ID]


def test_an_engine_that_does_not_come_back_holds_nothing_up_for_ever(hosts):
    # A key that no session holds is one that the snapshot has brought, not the engine.
    hosts.store.put(NODES + NODE, b"")
    hosts.do(restoring(saved_from(hosts.store), a=NODE))
    assert sum(hosts.clock.pauses) == pytest.approx(REGISTERED_SECONDS)


def test_a_store_without_a_leader_after_it_is_an_error(hosts):
    saved = saved_from(FakeStore())
    hosts.store.leader = lambda: ""
    assert error_of(lambda: hosts.do(restoring(saved)), DeadlineExceeded) == (
        f"a: the restored store has elected no leader: not within {LEADER_SECONDS:g} s\n"
        "  -> see `docker logs consul` on the host"
    )


def test_a_store_that_does_not_take_its_agents_in_is_an_error(hosts):
    saved = saved_from(FakeStore())

    def refuses():
        raise StoreError("no leader")

    hosts.store.catalog = refuses
    assert error_of(lambda: hosts.do(restoring(saved)), DeadlineExceeded) == (
        f"a: the restored store does not take its own agents in: not within {LEADER_SECONDS:g} s\n"
        "  -> see `docker logs consul` on the host"
    )


def test_what_is_no_snapshot_is_an_error_and_changes_nothing(hosts):
    hosts.store.put("t/kept", b"1")
    assert error_of(lambda: hosts.do(restoring(b"no snapshot")), StoreError).startswith(
        "a: the store: restoring a snapshot: status 500"
    )
    assert hosts.store.tree("t/") == {"t/kept": b"1"}
    assert hosts.store.restore(snapshot(b"[{}, {}, {}]")) is None
