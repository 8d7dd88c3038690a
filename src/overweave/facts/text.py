"""Small words of a host's answers, bounded: a number that has no end is none."""

from __future__ import annotations

import re


def number(text: str) -> int | None:
    """A whole number of at most 18 digits, None for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text.strip(), re.ASCII) else None


def properties(text: str) -> dict[str, str]:
    """Lines of ``key=value``, as `systemctl show` prints them."""
    return dict(line.partition("=")[::2] for line in text.splitlines())


def table(text: str) -> dict[str, str]:
    """Lines of ``key value``; the last one of a key counts."""
    return dict(line.partition(" ")[::2] for line in text.splitlines())
