"""Bounded parallel work over hosts: every host ends with a value or with its own error."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from .errors import FleetError, Interrupted, OverweaveError

K = TypeVar("K")
V = TypeVar("V")

WIDTH = 32
"""Hosts worked on at once. ssh in Python is bound by one core; more threads than this gain nothing."""


class Cancel:
    """One run's stop flag. Everything that blocks looks at it several times a second."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._breakers: list[Callable[[], None]] = []

    def set(self) -> None:
        self._event.set()
        for breaker in self._breakers:
            breaker()

    def break_with(self, breaker: Callable[[], None]) -> None:
        """Call ``breaker`` at the moment of cancellation, to end a call that can't look at the flag."""
        self._breakers.append(breaker)

    def lift(self) -> bool:
        """Let work go on, for the tidying up after an interruption. Says whether there was one."""
        was = self._event.is_set()
        self._event.clear()
        return was

    @contextlib.contextmanager
    def lifted(self) -> Iterator[bool]:
        """`lift` for the length of a block, which is told whether there was an interruption."""
        was = self.lift()
        try:
            yield was
        finally:
            if was:
                self.set()

    def pause(self, seconds: float) -> None:
        """Wait, and raise `Interrupted` as soon as the run is cancelled."""
        if self._event.wait(seconds):
            raise Interrupted("interrupted")

    def check(self) -> None:
        self.pause(0)


class Outcome(Generic[K, V]):
    """What came of each item: ``values`` and ``errors`` together hold every one of them."""

    def __init__(self, values: dict[K, V], errors: dict[K, OverweaveError]) -> None:
        self.values = values
        self.errors = errors

    def all(self) -> dict[K, V]:
        """All values. Raises the one error, or `FleetError` with every host's own."""
        for key, error in self.errors.items():
            error.host = error.host or str(key)
        if len(self.errors) == 1:
            raise next(iter(self.errors.values()))
        if self.errors:
            raise FleetError(list(self.errors.values()))
        return self.values


def each(items: Iterable[K], work: Callable[[K], V], *, cancel: Cancel, width: int = WIDTH) -> Outcome[K, V]:
    """Do ``work`` for all items, ``width`` at once. Order of the results is that of the items.

    Ctrl-C cancels the run, waits until what was under way has noticed, and raises `Interrupted`.
    An error outside the tree is a bug and is raised as it is.
    """
    keys = list(items)
    if not keys:
        return Outcome({}, {})
    pool = ThreadPoolExecutor(max_workers=min(width, len(keys)), thread_name_prefix="overweave")
    futures: dict[K, Future[V]] = {}
    try:
        futures = {key: pool.submit(work, key) for key in keys}
        pending = set(futures.values())
        while pending:
            # A bare wait() can't be interrupted by Ctrl-C on every platform; one with a timeout can.
            _, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
    except KeyboardInterrupt:
        cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)
        raise Interrupted("interrupted") from None
    pool.shutdown(wait=True)
    values: dict[K, V] = {}
    errors: dict[K, OverweaveError] = {}
    for key, future in futures.items():
        error = future.exception()
        if isinstance(error, Interrupted):
            raise error
        if isinstance(error, OverweaveError):
            errors[key] = error
        elif error is not None:
            raise error
        else:
            values[key] = future.result()
    return Outcome(values, errors)
