"""The only retry loop: wait on a condition, with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .errors import DeadlineExceeded
from .ports import Clock

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None],
    *,
    what: str,
    seconds: float,
    clock: Clock,
    host: str = "",
    hint: str = "",
    interval: float = 0.05,
    longest: float = 1.0,
) -> T:
    """Call ``condition`` until it gives something true, and return that.

    It is called at least once, and once more at the deadline. The pause between two calls starts at
    ``interval`` seconds and grows by half each time, to ``longest`` at the most, so that a thing that is
    quick costs little time and one that is slow costs few round trips.

    Raises `DeadlineExceeded`, saying ``what`` did not happen.
    """
    end = clock.monotonic() + seconds
    while True:
        if value := condition():
            return value
        left = end - clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{what}: not within {seconds:g} s", host=host, hint=hint)
        clock.pause(min(interval, left))
        interval = min(interval * 1.5, longest)
