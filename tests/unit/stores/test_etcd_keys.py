"""The keys of an etcd out of an answer and of a file, and what is neither."""

from __future__ import annotations

import json

import pytest

from overweave.errors import UsageError
from overweave.stores.etcd_keys import Kept, Keys, of_answer, pack, unpack

NODE = {
    "key": "/docker",
    "dir": True,
    "nodes": [
        {
            "key": "/docker/nodes",
            "dir": True,
            "nodes": [
                {
                    "key": "/docker/nodes/10.0.0.1:2376",
                    "value": "10.0.0.1:2376",
                    "expiration": "2026-11-22T19:11:00Z",
                    "ttl": 18,
                    "modifiedIndex": 91,
                    "createdIndex": 91,
                },
            ],
        },
        {"key": "/docker/empty", "dir": True},
        {"key": "/docker/a", "value": "", "modifiedIndex": 7, "createdIndex": 4},
    ],
}
KEYS = Keys(
    93,
    {
        "docker/a": Kept("", 4, 7, None),
        "docker/nodes/10.0.0.1:2376": Kept("10.0.0.1:2376", 91, 91, 18),
    },
)


def test_an_answer_becomes_keys_in_their_order_and_a_file_of_them_the_same():
    assert of_answer(93, NODE) == KEYS
    assert list(of_answer(93, NODE).kept) == sorted(KEYS.kept)
    assert KEYS.tree == {"docker/a": b"", "docker/nodes/10.0.0.1:2376": b"10.0.0.1:2376"}
    assert unpack(pack(KEYS)) == KEYS
    assert of_answer(3, None) == Keys(3, {})
    assert unpack(pack(Keys(3, {}))) == Keys(3, {})


@pytest.mark.parametrize(
    ("index", "node"),
    [
        (-1, NODE),
        ("7", NODE),
        (True, NODE),
        (7, []),
        (7, {"value": "1"}),
        (7, {"key": "/", "value": "1", "modifiedIndex": 1, "createdIndex": 1}),
        (7, {"key": "/a", "value": 1, "modifiedIndex": 1, "createdIndex": 1}),
        (7, {"key": "/a", "value": "1", "modifiedIndex": 1}),
        (7, {"key": "/a", "value": "1", "modifiedIndex": 1, "createdIndex": 1, "ttl": "1"}),
        (7, {"key": "/a", "dir": True, "nodes": 7}),
    ],
    ids=range(10),
)
def test_an_answer_that_makes_no_sense_is_none(index, node):
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        of_answer(index, node or [7])


@pytest.mark.parametrize(
    "told",
    [
        7,
        {},
        {"index": 1, "keys": []},
        {"index": 1.5, "keys": {}},
        {"index": 1, "keys": {"/a": {"value": "", "created": 1, "modified": 1}}},
        {"index": 1, "keys": {"a": {"value": None, "created": 1, "modified": 1}}},
        {"index": 1, "keys": {"a": {"value": "", "created": 1, "modified": 1 << 63}}},
    ],
    ids=range(7),
)
def test_a_file_that_makes_no_sense_is_refused(told):
    with pytest.raises(UsageError, match="the keys in the backup make no sense: "):
        unpack(json.dumps(told).encode())
    with pytest.raises(UsageError, match="the keys in the backup make no sense: "):
        unpack(b"[" * 100_000)
