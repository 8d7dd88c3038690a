"""Values out of a host's JSON, of the type that they must have: what lies about it is a `ValueError`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from overweave.errors import EngineError
from overweave.printable import one_line

NONSENSE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading an answer of another shape raises."""
LARGEST = 1 << 63
TEXT_LIMIT = 4096


@contextlib.contextmanager
def told_by_engine(senseless: str, command: str) -> Iterator[None]:
    """Read what an engine has told. Where that fails, raises `EngineError`: ``senseless``, why, and to report
    it with the output of a command."""
    try:
        yield
    except NONSENSE as e:
        raise EngineError(
            f"{senseless}: {type(e).__name__}: {one_line(e, 200)}",
            hint=f"please report this with the output of {command}",
        ) from e


def text(value: object) -> str:
    """A printable line: names that hold control characters are nobody's but an attacker's."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no text")
    return one_line(value, TEXT_LIMIT)


def ipv4(words: str) -> str:
    """An IPv4 address, "" for anything else."""
    try:
        return str(IPv4Address(words))
    except ValueError:
        return ""


def texts(values: object) -> tuple[str, ...]:
    """A list of texts, where there may be none."""
    return tuple(text(value) for value in objects(values))


def whole(value: object) -> int:
    """A whole number that is not negative, and no larger than a kernel's."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
        raise ValueError(f"{value!r:.80} is no whole number")
    return value


def objects(values: object) -> Iterable[Any]:
    """The items of a list, none of null."""
    if values is None:
        return ()
    if not isinstance(values, list):
        raise ValueError(f"{values!r:.80} is no list")
    return values


def text_map(value: object) -> dict[str, str]:
    """A mapping of texts to texts, empty for null. A number becomes its text."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r:.80} is no mapping")
    return {text(key): text(str(its) if isinstance(its, int | float) else its) for key, its in value.items()}
