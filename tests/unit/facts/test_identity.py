"""Who a host says it is."""

from __future__ import annotations

import pytest

from overweave.facts.identity import QUERIES, Identity, parse

from .answers import answers


@pytest.mark.parametrize(
    ("stdout", "identity"),
    [
        ("host1\n0123456789abcdef\n", Identity("host1", "0123456789abcdef")),
        ("host1\n", Identity("host1", "")),
        ("", Identity("", "")),
        ("a b \n\n\n", Identity("a b", "")),
    ],
)
def test_identity(stdout, identity):
    assert parse(answers(QUERIES, {"uname -n": stdout})) == identity
