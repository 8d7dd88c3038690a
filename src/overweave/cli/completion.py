"""Hosts that a shell completes behind -H. Tasks and options are completed by Invoke."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from overweave import inventory
from overweave.errors import OverweaveError

from . import choice

FLAGS = ("-H", "--hosts")


def hosts(words: Sequence[str]) -> list[str]:
    """What the last of the words of a command line may become, if it is a list of hosts; else nothing.

    Shells leave out an empty last word: a list of nothing but names of hosts is taken for one behind which
    the next word begins.
    """
    before, typed = ("", "", *words)[-2:]
    if typed in FLAGS:
        typed = ""
    elif before not in FLAGS:
        return []
    *chosen, _ = typed.split(",")
    names = _names(next((value for flag, value in pairwise(words) if flag == "--inventory"), None))
    if typed and set(typed.split(",")) <= set(names):
        return []
    return [",".join([*chosen, name]) for name in names if name not in chosen]


def _names(file: str | None) -> list[str]:
    """Of the hosts of the inventory that a command would take."""
    try:
        path = choice.file_of((), file)
        return list(inventory.load(path).names) if path else []
    except OverweaveError:
        return []
