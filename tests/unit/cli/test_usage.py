"""What ``--help`` and ``--list`` show, and that a reader who has seen enough is no error."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.test_mistakes import run

from overweave.cli import usage
from overweave.cli.collection import collect

ROOT = Path(__file__).parents[3]
FAB = Path(sys.executable).parent / "fab"


def test_help_shows_the_words_that_a_task_needs_and_the_rest_by_name():
    status, out, err = run("--help", "lab.fault")
    assert (status, err) == (0, "")
    assert out.startswith(
        "Usage: overweave [--core-opts] lab.fault HOST [--options]\n\n"
        "  Break a lab host in ways that can be undone.\n\n"
    )
    assert "\nArguments:\n  HOST   of the lab\n\nOptions:\n  --clear " in out
    assert "\n  --delay=NUMBER   of the packets" in out
    assert "--host" not in out.replace("--hosts", "")
    assert out.endswith("`overweave --help` has those of all tasks, such as -H HOSTS and -i KEY.\n")
    assert "Arguments:" not in run("--help", "status")[1]


def test_what_can_be_given_several_times_is_given_by_name():
    """invoke takes it for a word that is needed where it has no default, and then takes no word for it."""
    tasks = collect(ROOT)
    wanted = [(name, arg) for name in tasks.task_names for arg in tasks[name].get_arguments()]
    assert ("lab.up", True) in [(name, arg.kind is list) for name, arg in wanted]
    assert [name for name, arg in wanted if arg.positional and arg.kind is list] == []


def test_no_line_of_any_help_is_wider_than_the_terminal():
    tasks = collect(ROOT)
    told = [line for name in tasks.task_names for line in usage.prose(inspect.getdoc(tasks[name]), 80, "  ")]
    assert [line for line in told if len(line) > 80 and "Example: " not in line] == []


def test_prose_is_wrapped_and_examples_are_left():
    told = "Head.\n\nOne two\nthree four.\n\nExample: fab it --with a-long-value"
    assert list(usage.prose(told, 13, "  ")) == [
        *("  Head.", "", "  One two", "  three four.", "", "  Example: fab it --with a-long-value", "")
    ]


def test_general_help_says_where_the_tasks_are():
    assert run("--help")[1].endswith(
        "\n`overweave --list` shows all tasks, `overweave --help TASK` one of them.\n"
    )


@pytest.mark.parametrize("words", ["", "--list"])
def test_a_reader_that_has_gone_is_no_error(words):
    gone, out = os.pipe()
    os.close(gone)
    with os.fdopen(out, "wb") as pipe:
        done = subprocess.run((FAB, *words.split()), stdout=pipe, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert (done.returncode, done.stderr) == (141, "")
