"""Which container a word means, and what is said of one that means none."""

from __future__ import annotations

import pytest

from overweave.errors import UsageError
from overweave.facts.containers import Listed
from overweave.trace.choose import choose

THERE = [
    Listed("host1", "web", "aaaa1111" + "0" * 56, True),
    Listed("host1", "cafe", "bbbb2222" + "0" * 56, True),
    Listed("host2", "web", "cafe3333" + "0" * 56, False),
    Listed("host2", "db", "dddd4444" + "0" * 56, True),
]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("db", 3),
        ("host2:web", 2),
        ("host1:web", 0),
        ("aaaa", 0),
        ("dddd4444", 3),
        ("cafe", 1),
        ("cafe3333", 2),
        ("host2:cafe", 2),
    ],
)
def test_a_name_or_the_begin_of_an_id(word, found):
    """A name goes before an id."""
    assert choose(word, THERE, {}) == THERE[found]


@pytest.mark.parametrize(
    ("word", "silent", "said"),
    [
        ("web", {}, "'web' is ambiguous: host1:web, host2:web\n  -> say which one you mean, as in host1:web"),
        ("dbx", {}, "there is no container 'dbx'\n  -> did you mean host2:db?"),
        (
            "host1:db",
            {},
            "there is no container 'db' on host1\n  -> there are host1:web, host1:cafe",
        ),
        (
            "zzz",
            {"host3": "the engine does not answer"},
            "there is no container 'zzz'; host3 was not asked: the engine does not answer\n"
            "  -> there are host1:web, host1:cafe, host2:web, host2:db",
        ),
        (
            "host9:db",
            {"host3": "down"},
            "'host9:db': there is no host host9 here\n  -> the hosts are host1, host2, host3",
        ),
        (
            "\x1b[31m",
            {},
            "there is no container '[31m'\n  -> there are host1:web, host1:cafe, host2:web, host2:db",
        ),
    ],
)
def test_what_is_said_of_another(word, silent, said):
    with pytest.raises(UsageError) as caught:
        choose(word, THERE, silent)
    assert str(caught.value) == said


def test_where_there_is_none_at_all():
    with pytest.raises(UsageError) as caught:
        choose("web", [], {})
    assert str(caught.value) == (
        "there is no container 'web'\n  -> start one with `docker run`; there is none at all"
    )


def test_many_are_not_all_told():
    many = [Listed("h", f"c{n}", f"{n:064x}", True) for n in range(100)]
    with pytest.raises(UsageError) as caught:
        choose("nothing-like-it", many, {})
    assert caught.value.hint.endswith("h:c7 and 92 more")
