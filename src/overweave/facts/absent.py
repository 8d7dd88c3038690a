"""Absent is not unreachable: a thing that is not there is a value, everything else is an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Absent:
    """``why`` completes the sentence "there is none: …"."""

    why: str
