"""Whatever words of hosts get into a report, a line of progress or an error, the terminal gets none raw."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from tests.unit.report.fleets import hostile

from overweave.cli.executor import _told
from overweave.errors import CommandFailed, EngineError
from overweave.preflight.finding import Finding, Preflight, Severity
from overweave.report import matrix_text, text
from overweave.report.text import SafeConsole
from overweave.state import HostState, State
from overweave.steps import Plan, RestartEngine, Stage, WriteFile

WORDS = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\x9b2Jb",
    "a\rforged",
    "\u202eesrever\u2066",
    "half \udcff\ud800",
    "[red]markup[/red] [/] [link=http://x]y[/link]",
    ":smiley: :boom:",
    "\x00\x08\x7f",
]
HOSTILE = st.sampled_from(WORDS) | st.text(st.characters(codec=None), max_size=30)


def printed(renderable, **more):
    file = io.StringIO()
    SafeConsole(file=file, width=200, **more).print(renderable)
    return file.getvalue()


def is_safe(said):
    said.encode()
    return all(c.isprintable() or c in "\n\t" for c in said)


@given(HOSTILE)
def test_strings_texts_and_cells_are_safe(word):
    table = Table(word)
    table.add_row(word)
    table.add_row(Text(word))
    for renderable in (word, Text(word), table, Text.assemble(("a", "bold"), word)):
        assert is_safe(printed(renderable))


@pytest.mark.parametrize("word", ["[red]x[/red]", ":smiley:", "[/]", "[link=http://x]y[/link]", "[[x]]"])
def test_markup_and_emoji_codes_are_words(word):
    table = Table(word, box=None)
    assert printed(word) == f"{word}\n"
    assert printed(table).split()[0] == word


def test_on_a_terminal_the_colours_are_ours_alone():
    said = printed(
        Text.assemble(("ok", "green"), "\x1b[31mx\x1b]0;t\x07"), force_terminal=True, color_system="standard"
    )
    assert said == "\x1b[32mok\x1b[0m\ufffd[31mx\ufffd]0;t\n", "Rich itself drops the bell"


@given(HOSTILE)
def test_every_report_is_safe(word):
    matrix = hostile(word)
    finding = Finding(word, Severity.ERROR, word, word, word, word, word)
    plan = Plan((Stage(word, (RestartEngine(word, word, (word,)), WriteFile(word, word, word, word))),))
    state = State((HostState(word, word, word, False, 0, word),), word, ((word,),), (word,))
    for report in (
        matrix_text.matrix(matrix),
        text.preflight(Preflight((word,), (finding,), 1.0)),
        text.plan(plan, [word]),
        text.state(state),
    ):
        assert is_safe(printed(report))


@given(HOSTILE)
def test_errors_are_safe(word):
    for e in (EngineError(word, host=word, hint=word), CommandFailed(word, 1, word)):
        e.add_note(word)
        assert is_safe(_told(f"overweave: {e}", e))


def test_an_error_keeps_its_lines():
    e = CommandFailed("x", 1, "a\nb\x1b[0m")
    e.add_note("the whole story: /p")
    assert _told(str(e), e) == (
        "`x` ended with exit code 1:\n    a\n    b\ufffd[0m\n"
        "  -> mend what it says there, then run the same command again: it goes on from what it finds\n"
        "the whole story: /p"
    )
