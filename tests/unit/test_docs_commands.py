"""Every command of ours that is written anywhere is taken by the command line, and is run on real hosts.

What the output beside it looks like is held by the lab tests, which run the same tasks.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import fabric
import pytest
from fabric.main import Fab
from invoke.exceptions import Exit, ParseError

from overweave.cli.collection import collect
from overweave.cli.executor import FleetExecutor

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "vagrant").glob("*.md"),
        *(ROOT / "playbooks").glob("*.py"),
        ROOT / "scripts/demo",
    )
)
LINE = re.compile(r"^(?: {2,}|\t)?(?:\$ )?((?:fab|overweave) [a-z-].*)$", re.MULTILINE)
"""A command as it is typed: at a prompt or in a block by itself."""
INLINE = re.compile(r"`((?:fab|overweave)\s[^`]+)`")
END = re.compile(r"\s{2,}|\s#\s|\s[|>&;]|;")
"""Where another command, or a remark, begins."""


def typed(text: str) -> set[str]:
    return {END.split(line)[0].strip() for line in LINE.findall(text) if not line.startswith("overweave:")}


def told(text: str) -> set[str]:
    return {END.split(" ".join(code.split()))[0].strip() for code in INLINE.findall(text)}


class CommandLine:
    """What the program makes of a command before it does anything."""

    def __init__(self) -> None:
        self.collection = collect(ROOT)
        self.names = set(self.collection.task_names)

    def parse(self, command: str) -> tuple[list[str], set[str]]:
        """The tasks that it calls, and the options that are given to them. Raises `ParseError`."""
        # Ours tells the nearest right word, and ends.
        program = Fab(
            name="overweave",
            binary="overweave",
            binary_names=["overweave"],
            namespace=self.collection,
            executor_class=FleetExecutor,
            config_class=fabric.Config,
        )
        program.create_config()
        program.parse_core(shlex.split(command))
        program.parse_collection()
        program.parse_tasks()
        options = {word for word in program.core.unparsed if word.startswith("--")}
        return [task.name for task in program.tasks], options


@pytest.fixture(scope="module")
def line():
    return CommandLine()


@pytest.fixture(scope="module")
def lab_tests():
    """Their text, without the two that name every task, and that of the test on virtual machines."""
    texts = (path.read_text() for path in (ROOT / "tests/lab").glob("*.py"))
    names_all = r"\ndef (test_the_list_of_tasks|test_every_task_tells).*?(?=\n\n\n)"
    # Its words as one of Python has them.
    script = " ".join(f'"{word}"' for word in (ROOT / "scripts/test-vagrant").read_text().split())
    return "".join(re.sub(names_all, "", text, flags=re.DOTALL) for text in texts) + script


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_written_is_taken_and_is_run_by_a_lab_test(page, line, lab_tests):
    text = (ROOT / page).read_text()
    wrong = []
    for command in sorted(typed(text) | told(text)):
        words = command.split()
        if command in told(text) and len(words) == 2 and not words[1].startswith("-"):
            # The name of a task in a sentence stands without what the task needs.
            tasks, options = [words[1]], set()
            if words[1] not in line.names:
                wrong.append(f"{command}: there is no such task")
        else:
            try:
                tasks, options = line.parse(command)
            except Exit:
                continue  # It asks for help, or for the version, and for no task.
            except ParseError as e:
                wrong.append(f"{command}: {e}")
                continue
        for task in tasks:
            if not task.startswith("lab.") and not re.search(
                rf'"(?:runbook\.)?{re.escape(task)}"', lab_tests
            ):
                wrong.append(f"{command}: no lab test runs {task}")
        for option in sorted(options):
            if f'"{option}' not in lab_tests and f'"{option[2:]}"' not in lab_tests:
                wrong.append(f"{command}: no lab test gives {option}")
    assert wrong == []


def test_commands_are_found_where_they_are_written():
    page = """
    $ fab preflight -H host1,host2 | less
    fab trace web db     # containers by name
    overweave: a message, not a command
Say `fab\n  repair --gone ADDRESS`; then `fab status`.
"""
    assert typed(page) == {"fab preflight -H host1,host2", "fab trace web db"}
    assert told(page) == {"fab repair --gone ADDRESS", "fab status"}


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("fab trase web db", "No idea what 'trase' is!"),
        ("fab trace web db --picture x", "No idea what '--picture' is!"),
        ("fab trace web", "'trace' did not receive required positional arguments: 'target'"),
    ],
)
def test_a_command_that_is_not_taken_is_seen(line, command, why):
    with pytest.raises(ParseError, match=re.escape(why)):
        line.parse(command)
