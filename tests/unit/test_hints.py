"""Every error ends with the next thing to do: its own, that of its kind, or that of whoever catches it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from overweave import errors
from overweave.errors import (
    CommandFailed,
    EngineError,
    GossipError,
    InventoryError,
    OverweaveError,
    StoreError,
)

SOURCE = Path(__file__).parents[2] / "src/overweave"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, OverweaveError)
}
COMPOSED = {"FleetError", "Interrupted"}
"""Its parts have theirs, and nobody is told what to do behind Ctrl-C."""
CAUGHT = {
    # cli/store.py and kept.py say which file, and what to name instead.
    "backup.py": 2,
    "stores/etcd_keys.py": 1,
    "stores/snapshot.py": 2,
    # A host that can't take part is a value: its message alone is told in the report.
    "facts/pairs.py": 1,
    "prove/agents.py": 1,
}
"""How many of a module never reach anybody as they are."""


def without(text):
    """Names and lines of errors that are made without a hint."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or any(word.arg in ("hint", None) for word in node.keywords):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in KINDS.keys() - COMPOSED and not KINDS[name].usual_hint:
            yield name, node.lineno


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_error_leaves_anybody_without_a_next_step(path):
    found = list(without(path.read_text()))
    assert len(found) == CAUGHT.get(str(path.relative_to(SOURCE)), 0), found


def test_an_error_without_a_hint_is_seen():
    assert list(without("raise Refused('no')\nraise Refused('no', hint='x')")) == [("Refused", 1)]
    assert list(without("raise errors.UsageError('no')")) == [("UsageError", 1)]
    assert list(without("raise StoreError('no')")) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            CommandFailed("a", 1, ""),
            "`a` ended with exit code 1 and said nothing\n"
            "  -> mend what it says there, then run the same command again: it goes on from what it finds",
        ),
        (
            StoreError("no answer"),
            "no answer\n"
            "  -> `fab status` shows how the store is, and `fab deploy-overlay` starts what is down",
        ),
        (
            GossipError("it breaks off"),
            "it breaks off\n"
            "  -> see `journalctl -u docker` on the host; `fab doctor` looks at the gossip of all engines",
        ),
        (
            EngineError("listing: no", host="h"),
            "h: listing: no\n  -> see `journalctl -u docker` on the host",
        ),
        (InventoryError("hosts", "is odd"), "hosts: is odd\n  -> see inventory/example.yml"),
        (InventoryError("hosts", "is odd", hint="x"), "hosts: is odd\n  -> x"),
    ],
)
def test_a_kind_has_a_next_step_of_its_own_where_nobody_knows_a_better_one(error, said):
    assert str(error) == said
