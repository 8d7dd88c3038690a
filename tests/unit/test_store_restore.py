"""A snapshot is put into the store, which takes its own agents in again, and the engines come back."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeStore, snapshot
from tests.unit.test_apply import Hosts, error_of

from overweave.apply.store_restore import LEADER_SECONDS, REGISTERED_SECONDS
from overweave.errors import DeadlineExceeded, StoreError
from overweave.facts import store as facts
from overweave.facts.libnetwork import ENDPOINTS, NETWORKS, OVERLAYS, SUBNETS
from overweave.steps import RestoreKeys, RestoreStore
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


MASK = f"{SUBNETS}10.9.0.0/24"
WANTED = {
    f"{NETWORKS}n": b"network",
    f"{ENDPOINTS}n/e": b"endpoint",
    f"{OVERLAYS}n": b"overlay",
    MASK: b"mask",
}


class Noting(FakeStore):
    """Notes what is changed; ``meanwhile`` is what an engine writes beside the next changes."""

    def __init__(self, *meanwhile):
        super().__init__()
        self.changed, self.meanwhile = [], [*meanwhile]

    def swap(self, key, old, new):
        if self.meanwhile:
            self.put(*self.meanwhile.pop(0))
        self.changed.append(key)
        return super().swap(key, old, new)


def back(keys=WANTED, **engines):
    return RestoreKeys("a", "why", "of yesterday", keys, engines)


def test_keys_are_put_back_in_the_order_in_which_engines_look_and_what_is_right_is_left_alone(hosts):
    hosts.store = Noting()
    for key, value in (
        (f"{NETWORKS}later", b"1"),
        (f"{ENDPOINTS}later/e", b"1"),
        (f"{OVERLAYS}n", b"overlay"),
        (MASK, b"other"),
        (NODES + NODE, b"x"),
        ("overweave/proven", b"1"),
    ):
        hosts.store.put(key, value)
    hosts.do(back(a=NODE))
    assert hosts.store.changed == [
        f"{NETWORKS}later",
        f"{ENDPOINTS}later/e",
        MASK,
        f"{ENDPOINTS}n/e",
        f"{NETWORKS}n",
    ]
    assert hosts.store.tree("") == WANTED | {NODES + NODE: b"x", "overweave/proven": b"1"}
    hosts.do(back(a=NODE))
    assert len(hosts.store.changed) == 5, "nothing is changed twice"
    assert hosts.clock.pauses == []


def test_what_an_engine_writes_meanwhile_is_looked_at_again(hosts):
    hosts.store = Noting((MASK, b"1"), (f"{NETWORKS}n", b"2"))
    hosts.do(back())
    assert hosts.store.tree("docker/") == WANTED
    assert ("a", "2 keys have changed meanwhile: look again") in hosts.said


def test_engines_that_write_all_the_time_are_told(hosts):
    hosts.store = Noting(*((MASK, b"%d" % n) for n in range(100)))
    assert error_of(lambda: hosts.do(back({MASK: b"mask"})), StoreError) == (
        "a: the store has not stayed as the backup is: engines write to it all the time (5 tries)\n"
        "  -> run the same command again when no containers come and go"
    )


def test_an_engine_whose_key_does_not_come_back_is_told(hosts):
    hosts.do(back(a=NODE))
    assert sum(hosts.clock.pauses) == pytest.approx(REGISTERED_SECONDS)
    assert ("a", f"its engine is not registered after {REGISTERED_SECONDS:g} s") in hosts.said
