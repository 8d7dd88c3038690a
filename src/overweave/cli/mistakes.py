"""A command line that is wrong: what is, and what is nearest to it that is right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext

from overweave.errors import UsageError
from overweave.printable import one_line

from . import usage

NOBODY_KNOWS = re.compile(r"No idea what '(.*)' is!", re.DOTALL)
"""What Invoke says of a word that is neither a task nor an option."""
NEEDS_VALUE = re.compile(r"Flag <Argument: ([\w-]+)(?: \(([\w-]+)\))?> needed value and was not given one!")
NEEDS_WORDS = re.compile(r"'.*' did not receive required positional arguments: (.*)")
MOST = 3
LIKE = 0.7
"""How alike two words are of which one is taken for the other, mistyped; 1 is the same."""


def explain(error: ParseError, program: str, tasks: Iterable[str], own: Iterable[str]) -> UsageError:
    """What Invoke's parser could not read, in our words. ``program``: its name; ``own``: its own options."""
    context = error.context
    task = context.name if context is not None else None
    help_of = f"`{program} --help {task}`" if task else f"`{program} --help`"
    match = NOBODY_KNOWS.fullmatch(str(error))
    if not match:
        return _plain(str(error), context, program, help_of)
    word = match[1]
    if not word.startswith("-"):
        return UsageError(
            f"there is no task '{word}'", hint=_meant(word, tasks, f"`{program} --list` shows all tasks")
        )
    options = context.flag_names() if context is not None and task else own
    return UsageError(
        f"{task or program} has no option '{word}'",
        hint=_meant(word, options, f"{help_of} shows all options"),
    )


def not_a_number(error: ValueError, words: Sequence[str], program: str) -> UsageError:
    """An option whose value had to be a number. ``words`` are those of the command line."""
    value = str(error).rpartition(": ")[2].strip("'")
    options = [
        before if word == value else word.partition("=")[0]
        for before, word in pairwise(words)
        if (word == value and before.startswith("-")) or word.endswith(f"={value}")
    ]
    option = f"{options[0]}: " if options else ""
    return UsageError(f"{option}'{value}' is not a number", hint=f"`{program} --help TASK` shows its options")


def unreadable(error: Exception) -> UsageError:
    """Fabric's own configuration, or that of ssh, which it reads for every task."""
    return UsageError(
        f"the configuration of Fabric or ssh can't be read: {one_line(' '.join(str(error).split()))}",
        hint="it is in ~/.fabric.yaml, fabric.yaml, ~/.ssh/config, and in what -f and -S name: "
        "mend it, or move it away",
    )


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """Those that begin with a word, else the one that is most like it."""
    known = sorted(names)
    return [name for name in known if name.startswith(word)][:MOST] or difflib.get_close_matches(
        word, known, n=1, cutoff=LIKE
    )


def _plain(said: str, context: ParserContext | None, program: str, help_of: str) -> UsageError:
    name = (context.name if context is not None else None) or program
    if match := NEEDS_VALUE.fullmatch(said):
        option = match[2] or match[1]
        meant = context.args[option].help if context is not None and option in context.args else None
        return UsageError(
            f"--{option} needs a value" + (f": {meant}" if meant else ""),
            hint=f"{help_of} shows how it is called",
        )
    if match := NEEDS_WORDS.fullmatch(said):
        words = match[1].replace(chr(39), "").upper()
        called = " ".join((program, *usage.words(context))) if context is not None else program
        return UsageError(f"{name} needs {words}", hint=f"as in `{called}`; {help_of} shows its options")
    return UsageError(said, hint=f"{help_of} shows how it is called")


def _meant(word: str, names: Iterable[str], otherwise: str) -> str:
    found = nearest(word, names)
    return f"did you mean {' or '.join(found)}? {otherwise}" if found else otherwise
