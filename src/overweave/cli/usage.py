"""What ``--help TASK`` shows: how a task is called, what it does, its words and its options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext

EXAMPLE = "Example: "
KINDS = {int: "=INT", float: "=NUMBER", bool: ""}
Rows = list[tuple[str, str]]


def words(task: ParserContext) -> tuple[str, ...]:
    """A task's name, and the words that it needs behind it."""
    return (str(task.name), *(arg.names[0].upper() for arg in task.positional_args))


def arguments(task: ParserContext) -> Rows:
    """The words that a task needs, with what they are."""
    return [(arg.names[0].upper(), arg.help or "") for arg in task.positional_args]


def options(task: ParserContext) -> Rows:
    """Its options by name, with what they do."""
    found: list[Argument] = [arg for arg in task.args.values() if not arg.positional]
    return sorted((f"--{arg.names[0]}{KINDS.get(arg.kind, '=STRING')}", arg.help or "") for arg in found)


def prose(told: str, width: int, indent: str) -> Iterator[str]:
    """A docstring in lines of that width. Its examples are for copying, and stay as they are."""
    for paragraph in told.strip().split("\n\n"):
        example = paragraph.startswith(EXAMPLE)
        lines = paragraph.splitlines() if example else textwrap.wrap(paragraph, width - len(indent))
        yield from (indent + line for line in lines)
        yield ""
