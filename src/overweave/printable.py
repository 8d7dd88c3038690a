"""Text of hosts, engines and files made safe to show: the one place that does it. Pure.

Names, journals and errors of a host are untrusted: an escape sequence in one would move the cursor, hide
what was printed before, or set the terminal's title; a line break would forge a line of ours.
"""

from __future__ import annotations

from collections.abc import Callable

NOTICE = 500
"""Characters that somebody else's text may take inside a message of ours."""
REPLACEMENT = "\ufffd"


def one_line(text: object, limit: int = NOTICE) -> str:
    """Without control characters, line breaks, direction marks and lone surrogates; ``limit`` at most."""
    clean = "".join(c if c.isprintable() else " " for c in str(text)[: limit + 1]).strip()
    return clean if len(clean) <= limit else f"{clean[: limit - 2]} …"


def lines(text: str) -> str:
    """Safe for a terminal, with line breaks and tabs as they are; what is unsafe shows as `REPLACEMENT`.

    The net under everything that is printed: it can't tell our line breaks from others, so a value that has
    to stay within its line goes through `one_line` where it comes in.
    """
    return _each_line(text, lambda c: REPLACEMENT)


def escaped(text: str) -> str:
    """For logs, where every byte counts: control characters as ``\\x1b``, line breaks as they are."""
    return _each_line(text, lambda c: c.encode("unicode_escape").decode())


def _each_line(text: str, replace: Callable[[str], str]) -> str:
    # Nearly all lines are harmless, and looking at each character of a megabyte takes 0.1 s.
    return "\n".join(
        line
        if line.isprintable()
        else "".join(c if c.isprintable() or c == "\t" else replace(c) for c in line)
        for line in text.split("\n")
    )
