"""Which checks a proof makes, chosen by name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from overweave.errors import UsageError

from .matrix import CHECKS, UNDERLAY

ISOLATION = "isolation"
NAMES = (*CHECKS, *(f"underlay.{check}" for check in UNDERLAY), ISOLATION)
"""All checks, as ``--check`` and ``--exclude`` know them."""
PACKETS = {"icmp", "udp", "connect", "tcp", "mtu"}
PATIENCE = 3.0


@dataclass(frozen=True)
class Choice:
    """``names`` of `NAMES` to check; ``patience`` in seconds is how long one check waits for an answer;
    ``repeat``: proofs, all of which must be green; ``fresh``: between new containers, made for it."""

    names: tuple[str, ...] = NAMES
    patience: float = PATIENCE
    repeat: int = 1
    fresh: bool = False

    @property
    def overlay(self) -> tuple[str, ...]:
        return tuple(check for check in CHECKS if check in self.names)

    @property
    def underlay(self) -> tuple[str, ...]:
        return tuple(check for check in UNDERLAY if f"underlay.{check}" in self.names)

    @property
    def isolation(self) -> bool:
        return ISOLATION in self.names

    @property
    def whole(self) -> bool:
        """Whether a green one proves the network: no check of the overlay was left out."""
        return self.overlay == CHECKS


OVERLAY_ONLY = Choice(names=CHECKS)
"""After a deployment, whose preflight has just measured the underlay."""


def choose(
    check: str = "", exclude: str = "", *, timeout: float = PATIENCE, repeat: int = 1, fresh: bool = False
) -> Choice:
    """``check`` and ``exclude`` are regular expressions, found anywhere in a name.

    Raises `UsageError` for one that is none, for a choice that leaves nothing of the overlay, and for
    numbers that make no sense.
    """
    wanted = _pattern("--check", check)
    unwanted = _pattern("--exclude", exclude or r"(?!)")
    names = tuple(name for name in NAMES if wanted.search(name) and not unwanted.search(name))
    if not any(name in CHECKS for name in names):
        raise UsageError(
            "no check of the overlay is left by --check and --exclude", hint=f"checks: {', '.join(NAMES)}"
        )
    if "vxlan" in names and not PACKETS & set(names):
        # Its verdict is that packets went through the device: something has to send some.
        names = tuple(name for name in NAMES if name in names or name == "icmp")
    if not 0.1 <= timeout <= 60:
        raise UsageError(f"--timeout {timeout:g} is not between 0.1 and 60 s", hint="as in --timeout 3")
    if not 1 <= repeat <= 1000:
        raise UsageError(f"--repeat {repeat} is not between 1 and 1000", hint="as in --repeat 5")
    return Choice(names, timeout, repeat, fresh)


def _pattern(option: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as e:
        raise UsageError(
            f"{option} {text}: not a regular expression: {e}", hint="as in --check 'dns|icmp'"
        ) from e
