"""The error tree is as its docstring draws it, and says what it knows."""

from __future__ import annotations

import re

import pytest

from overweave import errors
from overweave.errors import (
    CommandFailed,
    ConnectionProblem,
    FleetError,
    InventoryError,
    OverweaveError,
    Refused,
)


def drawn():
    """(name, parent, exit code) of every line of the tree in the docstring."""
    above: list[tuple[int, str, str]] = [(-1, "Exception", "")]
    for line in errors.__doc__.splitlines():
        match = re.match(
            r"^    ((?:\|   |    )*)(\+-- )?(\w+)(?: +(\d+|\*) .*|  +\.\.\. .*| +130 .*)?$", line
        )
        if not match:
            continue
        indent, branch, name, code = match.groups()
        depth = len(indent) // 4 + bool(branch)
        while above[-1][0] >= depth:
            above.pop()
        code = code or above[-1][2]
        yield name, above[-1][1], code
        above.append((depth, name, code))


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes():
    classes = {
        c.__name__: c
        for c in vars(errors).values()
        if isinstance(c, type) and c.__module__ == errors.__name__
    }
    tree = list(drawn())
    assert sorted(name for name, _, _ in tree) == sorted(classes)
    for name, parent, code in tree:
        assert classes[name].__base__.__name__ == parent
        if code not in ("", "*"):
            assert classes[name].exit_code == int(code), name


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OverweaveError("m"), "m"),
        (OverweaveError("m", host="h"), "h: m"),
        (OverweaveError("m", host="h", hint="do x"), "h: m\n  -> do x"),
        (InventoryError("hosts.a", "is bad", hint="x"), "hosts.a: is bad\n  -> x"),
        (InventoryError("", "is bad"), f"is bad\n  -> {InventoryError.usual_hint}"),
        (
            CommandFailed("a b", 3, " \n", host="h", hint="x"),
            "h: `a b` ended with exit code 3 and said nothing\n  -> x",
        ),
        (
            CommandFailed("a", 1, "1\n2\n3\n4\n5\n6\n", hint="x"),
            "`a` ended with exit code 1:\n    2\n    3\n    4\n    5\n    6\n  -> x",
        ),
    ],
)
def test_an_error_says_host_message_and_hint(error, text):
    assert str(error) == text


def test_an_error_of_the_fleet_says_every_hosts_own_once_and_has_the_gravest_exit_code():
    several = [
        ConnectionProblem("gone", host="a", hint="x"),
        Refused("no"),
        Refused("same", host="all"),
        Refused("same", host="all"),
    ]
    error = FleetError(several)
    assert str(error) == "a: gone\n  -> x\nno\nall: same"
    assert error.exit_code == 4
    assert list(error.failures) == several
