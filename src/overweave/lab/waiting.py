"""The lab's only waiting loop: its conditions are local and cost microseconds, so it polls often."""

from __future__ import annotations

import time
from collections.abc import Callable

from overweave.errors import DeadlineExceeded

INTERVAL = 0.05
"""Seconds between two looks."""


def wait_for(condition: Callable[[], bool], seconds: float, what: str, *, host: str = "") -> None:
    """Return as soon as ``condition`` holds; it is looked at once more at the deadline.

    Raises `DeadlineExceeded` saying that ``what`` did not happen within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            raise DeadlineExceeded(f"{what}: not within {seconds:g} s", host=host)
        time.sleep(INTERVAL)
