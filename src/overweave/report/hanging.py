"""Lines that are longer than the terminal is wide, and go on indented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

STEP = 6
"""Columns: further than what belongs to a line is indented below it."""


@dataclass(frozen=True)
class Hanging:
    """One line of text; ``indent`` is that of the lines that it goes on in, in columns."""

    line: Text
    indent: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *rest = self.line.wrap(console, options.max_width)
        first.rstrip()
        yield first
        if rest:
            left = self.line[len(self.line.plain) - len(self.line.plain[len(first) :].lstrip()) :]
            for line in left.wrap(console, max(options.max_width - self.indent, 1)):
                line.rstrip()
                yield Text(" " * self.indent) + line


def hung(parts: Iterable[RenderableType]) -> Group:
    """Each line of text goes on a step further in than it begins."""
    return Group(*map(_hung, parts))


def _hung(part: RenderableType) -> RenderableType:
    if not isinstance(part, Text) or "\n" in part.plain:
        return part
    begins = len(part.plain) - len(part.plain.lstrip())
    return Hanging(part, begins + STEP)
