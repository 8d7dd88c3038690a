"""Lines that are too long for a terminal go on indented."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from overweave.preflight.finding import error
from overweave.report.hanging import hung
from overweave.report.text import SafeConsole, findings


def shown(renderable, width):
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(renderable)
    return file.getvalue()


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("fits in it", "fits in it\n"),
        ("one two three four five", "one two three\n      four\n      five\n"),
        ("  one two three", "  one two\n        three\n"),
        ("x" * 22, f"{'x' * 14}\n      {'x' * 8}\n"),
        ("two\nlines, the second a long one", "two\nlines, the \nsecond a long \none\n"),
        ("", "\n"),
    ],
)
def test_a_line_goes_on_further_in_than_it_begins(line, lines):
    assert shown(hung([Text(line)]), 14) == lines
    assert shown(hung([Text(line)]), 100) == f"{line}\n"


def test_colours_go_on_too():
    file = io.StringIO()
    console = SafeConsole(file=file, width=10, force_terminal=True, color_system="standard")
    console.print(hung([Text.assemble("plain ", ("red as well", "red"))]))
    assert file.getvalue() == "plain \x1b[31mred\x1b[0m\n      \x1b[31mas\x1b[0m\n      \x1b[31mwell\x1b[0m\n"


def test_a_finding_stands_below_its_own_words():
    found = error(
        "x", "packets of 1500 bytes do not arrive", matters="they hang, all", fix="mend it", host="host1"
    )
    assert "".join(shown(part, 36) for part in findings([found])) == (
        "ERROR   host1: packets of 1500 bytes\n"
        "            do not arrive\n"
        "        why: they hang, all\n"
        "        fix: mend it\n"
    )
