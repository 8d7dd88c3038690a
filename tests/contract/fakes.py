class FakeClock:
    """Time that passes only in pauses. ``interrupt_after``: pauses after which the run is cancelled."""

    def __init__(self, interrupt_after=None):
        self.started = self.now = 1000.0
        self.pauses = []
        self._interrupt_after = interrupt_after

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        from overweave.errors import Interrupted

        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds
        if self._interrupt_after is not None and len(self.pauses) >= self._interrupt_after:
            raise Interrupted("interrupted")
