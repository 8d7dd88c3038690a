"""Makes docs/playbooks.md of the docstrings in playbooks/: `python scripts/playbooks_page.py > FILE`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "playbooks"
HEAD = """\
# Playbooks

What to do when, as commands. Each is a module of [playbooks/](../playbooks) whose docstring is the runbook:
this page is made of them by `python scripts/playbooks_page.py`, and a test holds it to that. `fab --list`
shows them in a checkout, `fab --help runbook.add-host` the options of one. Each stops at its first gate
that is red, says at which step and why, and is resumed: the same command goes on from what it finds, and
`--from-step STEP` begins where it stopped.

**Your own**: put a module into `playbooks/`, with a docstring and a function under `@cluster_task` that
calls the tasks that you would type. `deploy_and_verify.py` is the shortest to copy. A module that can't be
imported ends every command, so that nobody misses it at night.
"""
PARAGRAPH = re.compile(r"(When|Before|What it does|Where it stops|How to undo): ")
EXAMPLE = re.compile(r"^ *Example: (.*)$", re.MULTILINE)


def page(folder: Path) -> Iterator[str]:
    """The lines of the page, runbooks by name."""
    books = {path.stem.replace("_", "-"): path.read_text() for path in sorted(folder.glob("[a-z]*.py"))}
    parts = {name: _paragraphs(text) for name, text in books.items()}
    yield HEAD
    yield "| runbook | what it is for |"
    yield "|---|---|"
    for name, (title, *_) in parts.items():
        yield f"| [{name}](#{name}) | {title} |"
    for name, (title, *told) in parts.items():
        yield f"\n## {name}\n\n{title}\n"
        yield from (f"    {line}" for line in EXAMPLE.findall(books[name]))
        for paragraph in told:
            yield f"\n{PARAGRAPH.sub(lambda head: f'**{head[1]}:** ', paragraph, count=1)}"


def _paragraphs(text: str) -> list[str]:
    return inspect.cleandoc(ast.get_docstring(ast.parse(text)) or "").split("\n\n")


if __name__ == "__main__":
    print("\n".join(page(FOLDER)))
