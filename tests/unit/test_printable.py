"""No text of a host moves the cursor, forges a line or breaks the encoding of the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.printable import NOTICE, REPLACEMENT, escaped, lines, one_line

ANY = st.text(st.characters())
HALVES = st.text(st.characters(codec=None, min_codepoint=0xD7F0, max_codepoint=0xE010))
CONTROLS = st.text("\x00\x07\x08\x1b\x7f\x9b\r\n\t\u2028\u202e\u2066\u200fab[31m")
HOSTILE = ANY | HALVES | CONTROLS


@given(HOSTILE)
def test_one_line_is_printable_and_short(text):
    clean = one_line(text)
    assert clean.isprintable()
    assert len(clean) <= NOTICE
    clean.encode()


@given(HOSTILE)
def test_lines_keep_line_breaks_and_nothing_else(text):
    clean = lines(text)
    assert all(c.isprintable() or c in "\n\t" for c in clean)
    assert len(clean) == len(text)
    assert clean.count("\n") == text.count("\n")
    clean.encode()


@given(HOSTILE)
def test_escaped_loses_nothing(text):
    clean = escaped(text)
    assert all(c.isprintable() or c in "\n\t" for c in clean)
    clean.encode()


@pytest.mark.parametrize("text", ["", "plain", "ünï", "tab\tand\nline"])
def test_harmless_text_stays_as_it_is(text):
    assert lines(text) == text == escaped(text)


def test_what_is_hostile_shows_as_what_it_is():
    assert one_line("a\x1b[31mb\nroot: forged") == "a [31mb root: forged"
    assert lines("a\x1b[31mb\r\nc") == f"a{REPLACEMENT}[31mb{REPLACEMENT}\nc"
    assert escaped("a\x1b[31m\udc80\u202e") == "a\\x1b[31m\\udc80\\u202e"


def test_long_text_is_cut_where_one_sees_it():
    assert one_line("x" * 501) == "x" * 498 + " …"
    assert one_line("x" * 500) == "x" * 500
    assert one_line("abc def", 5) == "abc …"
