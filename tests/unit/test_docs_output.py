"""What the pages show of findings and causes is in the words of the code: what changed there is stale."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/troubleshooting.md", "docs/doctor.md")
PART = re.compile(r"^ *(?:(?:ERROR|WARNING|NOTE) +[\w ]+?: |cause: [\w <>-]+: |why: |fix: )(.*)$")
RULE = re.compile(r"`.*`, table \w+ \(\w+\), drops ")
ENOUGH = 10
"""Letters that a text has to have beside what is filled in, to be taken for the one that was said."""


@cache
def texts():
    """The texts of the code, as (longest part, a pattern in which what is filled in may be anything)."""
    found = set()
    for path in (ROOT / "src/overweave").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.JoinedStr():
                    parts = [v.value if isinstance(v, ast.Constant) else "" for v in node.values]
                case ast.Constant(value=str(text)):
                    parts = re.sub(r"\{\w*\}", "\0\0", text).split("\0")
                case _:
                    continue
            if sum(len(re.sub(r"\W", "", part)) for part in parts) >= ENOUGH:
                found.add((max(parts, key=len), "".join(re.escape(part) or ".+?" for part in parts)))
    return found


def shown(text):
    """The parts of findings in a page's blocks, each on one line again."""
    joined = re.sub(r"\n {12,}(?!why:|fix:)", " ", text)
    return [match[1] for line in joined.splitlines() if (match := PART.match(line))]


def known(said):
    """Whether a text of the code begins it: some are put together of several."""
    return any(part in said and re.match(pattern, said) for part, pattern in texts())


@pytest.mark.parametrize("page", PAGES)
def test_findings_in_a_page_are_in_the_words_of_the_code(page):
    said = [text for text in shown((ROOT / page).read_text()) if not RULE.match(text)]
    assert said
    assert [text for text in said if not known(text)] == []


def test_a_text_that_is_not_the_codes_is_seen():
    (said,) = shown("    ERROR   host1: no forwarding row for db on host2 (10.211.0.6 on overweave)\n")
    assert known(said)
    assert not known("no forwarding line for db on host2 (10.211.0.6 on overweave)")
    assert not known("the gossip is broken: host1, host2 | host3")
