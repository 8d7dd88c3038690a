"""Modules of playbooks/ are found, and each is a runbook that can be followed at night."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from overweave.cli import playbooks
from overweave.errors import UsageError

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "playbooks").glob("[a-z]*.py"))
HEADS = ["When", "What it does", "Where it stops", "How to undo"]
OWN = """
from overweave.cli.executor import cluster_task
from overweave.cli.doctor import doctor

@cluster_task
def mine(c):
    "Look, and look again."
"""


def test_a_module_of_ones_own_is_found_and_tasks_that_it_calls_are_not_its_own(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "_shared.py").write_text("raise SystemExit")
    assert set(playbooks.find(tmp_path).task_names) == {"mine"}


def test_a_module_that_can_not_be_imported_is_an_error_by_day(tmp_path):
    (tmp_path / "mine.py").write_text("import nowhere")
    with pytest.raises(UsageError) as caught:
        playbooks.find(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/mine.py: ModuleNotFoundError: No module named 'nowhere'\n"
        "  -> mend the module or move it away"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_runbook_says_when_what_where_it_stops_and_how_to_undo(path):
    _, text, _ = path.read_text().split('"""', 2)
    title, *told = inspect.cleandoc(text).split("\n\n")
    assert "\n" not in title
    heads = [part.partition(":")[0] for part in told]
    assert [head for head in heads if head != "Before"] == HEADS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_runbook_has_one_task_of_its_name_that_a_lab_test_runs(path):
    name = path.stem.replace("_", "-")
    assert name in playbooks.find(ROOT / "playbooks").task_names
    lab = "".join(test.read_text() for test in (ROOT / "tests/lab").glob("test_*.py"))
    assert re.search(rf'"runbook\.{name}"', lab)
