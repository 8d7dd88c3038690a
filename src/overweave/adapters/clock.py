"""The real clock, whose pauses end when the run is cancelled."""

from __future__ import annotations

import time

from overweave.fleet import Cancel


class SystemClock:
    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        self._cancel.pause(seconds)
