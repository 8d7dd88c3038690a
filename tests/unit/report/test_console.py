"""What a terminal gets that does not know all characters, or wants no colour."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from overweave.report.text import SafeConsole


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "a... ? ok"), ("latin-1", "a... \xfc ok"), ("utf-8", "a… \xfc ok")]
)
def test_a_terminal_gets_characters_that_it_has(encoding, shown):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    SafeConsole(file=file).print(Text("a… \xfc ok"))
    file.seek(0)
    assert file.read() == f"{shown}\n"
