"""Docs that can drift are held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from overweave import errors
from overweave.cli import reference
from overweave.cli.collection import collect

ROOT = Path(__file__).parents[2]
TASKS = set(collect(ROOT).task_names)


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


@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "vagrant/README.md", "scripts/demo", "CHANGELOG.md"),
        *("docs/reference/reports.md", "docs/lab.md"),
    ],
)
def test_every_task_that_is_written_of_exists(page):
    text = (ROOT / page).read_text()
    written = set(re.findall(r"\bfab (?:-\S+ \S+ )*([a-z]+(?:[-.][a-z-]+)+|status)\b", text))
    assert written <= TASKS
    assert written


def test_the_page_of_all_tasks_is_what_they_tell_of_themselves():
    """`python -m overweave.cli.reference > docs/reference/tasks.md` makes it."""
    assert (ROOT / "docs/reference/tasks.md").read_text() == reference.page(collect(ROOT))


def test_every_task_has_an_example_that_begins_with_its_own_name():
    tasks = collect(ROOT)
    for name in tasks.task_names:
        text = tasks[name].__doc__ or ""
        examples = re.findall(r"Example: (fab \S+)", text)
        assert examples == [f"fab {name}"], name


def test_what_is_written_of_exit_codes_is_what_the_errors_have():
    text = (ROOT / "README.md").read_text()
    told = set(re.findall(r"\b(\d+) (?=the command|a host|what was|a step|a condition|interrupted)", text))
    codes = {
        str(cls.exit_code)
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.OverweaveError)
    }
    assert told == codes
    table = (ROOT / "docs/reference/exit-codes.md").read_text()
    # 1 is no error: the work was done, and the answer is no.
    assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == codes | {"0", "1"}
