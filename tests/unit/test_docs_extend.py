"""What docs/extend.md shows works as it is written there: its code is run, and so are the tests in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from overweave.prove.rules import RULES, Rule

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extend.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def written():
    """All names that the page's code makes, in its order."""
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/extend.md", "exec"), names)
    return names


def test_the_check_of_the_page_passes_the_test_of_the_page(written):
    tests = [it for name, it in written.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()


def test_the_test_of_the_page_can_fail(written):
    broken = BLOCKS[0].replace("version != known[first]", "False")
    assert broken != BLOCKS[0]
    names = dict(written)
    exec(broken, names)
    exec(BLOCKS[1], names)
    with pytest.raises(ValueError, match="not enough values to unpack"):
        names["test_engines_of_different_versions_are_told"]()


def test_the_rule_of_the_page_is_made_of_signs_that_rules_know(written):
    rule = written["SLOW_NAMES"]
    assert isinstance(rule, Rule)
    known = {sign for its in RULES for sign in its.signs | its.but}
    assert rule.signs | rule.but <= known


def test_every_file_that_the_page_names_is_there():
    named = set(re.findall(r"`((?:src|tests|docs|scripts)/[\w./-]+)`", PAGE))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()
