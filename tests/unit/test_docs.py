"""Docs that can drift are held to the code."""

from __future__ import annotations

import re
from pathlib import Path

from overweave.cli.collection import collect

ROOT = Path(__file__).parents[2]


def test_the_architecture_page_names_every_module_and_no_other():
    page = (ROOT / "docs/architecture.md").read_text()
    layout = page[page.index("    src/overweave/") : page.index("## Rules")]
    named = set(re.findall(r"\b[a-z_]+\.py\b", layout))
    package = ROOT / "src/overweave"
    there = {
        path.name
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and path.relative_to(package).parts[0] != "lab"
    }
    assert named == there


def test_every_task_has_an_example_that_begins_with_its_own_name():
    tasks = collect(ROOT)
    for name in tasks.task_names:
        text = tasks[name].__doc__ or ""
        examples = re.findall(r"Example: (fab \S+)", text)
        assert examples == [f"fab {name}"], name


def test_what_the_readme_says_of_exit_codes_is_what_the_errors_have():
    from overweave import errors

    text = (ROOT / "README.md").read_text()
    told = set(re.findall(r"\b(\d+) (?=the command|a host|what was|a step|a condition|interrupted)", text))
    codes = {
        str(cls.exit_code)
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.OverweaveError)
    }
    assert told == codes
