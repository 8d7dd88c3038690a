"""What every `KeyValue` does: the fake of the unit tests, and a real Consul over ssh."""

from __future__ import annotations

import pytest

from overweave.errors import StoreError


def test_it_has_a_leader(store):
    assert store.leader().endswith(":8300")


def test_what_is_put_is_got_and_listed_by_prefix(store):
    for key, value in (("t/b", b"1"), ("t/a", b"\x00\xff'"), ("t/a", b"2"), ("u/c", b"3")):
        store.put(key, value)
    assert store.keys("t/") == ["t/a", "t/b"]
    assert [store.get(key) for key in ("t/a", "t/b", "u/c")] == [b"2", b"1", b"3"]
    assert store.tree("t/") == {"t/a": b"2", "t/b": b"1"}


@pytest.mark.parametrize("value", [b"", b"\x00\xff\n", "ü".encode(), bytes(range(256)) * 100], ids=range(4))
def test_any_bytes_are_kept(store, value):
    store.put("v/value", value)
    assert store.get("v/value") == value
    assert store.tree("v/") == {"v/value": value}


def test_a_value_is_swapped_only_for_the_one_that_it_was_made_from(store):
    store.put("s/value", b"1")
    assert store.swap("s/value", b"1", b"2")
    assert not store.swap("s/value", b"1", b"3")
    assert store.get("s/value") == b"2"
    assert not store.swap("s/nothing", b"", b"1")
    assert store.keys("s/") == ["s/value"]


def test_a_key_is_made_only_where_there_is_none_and_deleted_only_as_it_was_seen(store):
    assert store.swap("m/key", None, b"1")
    assert not store.swap("m/key", None, b"2")
    assert store.get("m/key") == b"1"
    assert not store.swap("m/key", b"2", None)
    assert store.swap("m/key", b"1", None)
    assert store.get("m/key") is None
    assert not store.swap("m/key", b"1", None)
    assert store.swap("m/key", None, None)
    assert store.swap("m/key", None, b"")
    assert store.get("m/key") == b""
    assert not store.swap("m/key", None, b"3")


def test_what_is_not_there_is_none_and_no_keys(store):
    assert store.get("nothing/here") is None
    assert store.keys("nothing/") == []
    assert store.tree("nothing/") == {}


def test_a_store_that_nobody_runs_has_no_leader_and_gives_errors(silent_store):
    assert silent_store.leader() == ""
    for call, doing in (
        (lambda: silent_store.keys("t/"), "listing t/"),
        (lambda: silent_store.tree("t/"), "reading all of t/"),
        (lambda: silent_store.get("t/a"), "reading t/a"),
        (lambda: silent_store.put("t/a", b""), "writing t/a"),
        (lambda: silent_store.swap("t/a", b"", b"1"), "changing t/a"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == (
            f"the store: {doing}: no answer\n  -> see `docker logs consul` on its host"
        )


@pytest.mark.lab
def test_a_consul_that_is_not_started_yet_has_no_leader(lab_store):
    assert lab_store[1] == ""
