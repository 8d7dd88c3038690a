"""What all steps have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class HostStep:
    """``restarts`` names what stops running for a moment; ``destructive`` steps lose data or state."""

    host: str
    why: str
    destructive: ClassVar[bool] = False

    @property
    def restarts(self) -> tuple[str, ...]:
        return ()

    @property
    def asks(self) -> str:
        """What somebody must have said by name before this is done, whatever else was confirmed."""
        return ""


SHOWN = 3


def some(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    all_ = list(names)
    more = f" and {len(all_) - SHOWN} more" if len(all_) > SHOWN else ""
    return ", ".join(all_[:SHOWN]) + more
