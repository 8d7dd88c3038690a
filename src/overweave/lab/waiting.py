"""The lab's only waiting loop: most of its conditions are local and cost microseconds, so it polls often; one
that costs more is looked at less often, for the hosts share the processors with whoever looks."""

from __future__ import annotations

import time
from collections.abc import Callable

from overweave.errors import DeadlineExceeded

ANEW = "is this machine busy? `fab lab.down` and `fab lab.up` make the lab anew"

INTERVAL, LONGEST = 0.05, 3.0
"""Seconds between two looks: twice as long as a look takes, within these."""


def wait_for(condition: Callable[[], bool], seconds: float, what: str, *, host: str = "") -> None:
    """Return as soon as ``condition`` holds; it is looked at once more at the deadline.

    Raises `DeadlineExceeded` saying that ``what`` did not happen within ``seconds``.
    """
    end = time.monotonic() + seconds
    begun = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now >= end:
            raise DeadlineExceeded(f"{what}: not within {seconds:g} s", host=host, hint=ANEW)
        time.sleep(min(max(2 * (now - begun), INTERVAL), LONGEST))
        begun = time.monotonic()
