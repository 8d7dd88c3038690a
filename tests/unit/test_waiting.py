"""The only retry loop, with a clock that jumps."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeClock

from overweave.errors import DeadlineExceeded, Interrupted
from overweave.waiting import wait_until


def wait(condition, clock, **more):
    return wait_until(condition, what="nothing came", seconds=3, clock=clock, **more)


def test_what_the_condition_gives_is_returned_without_a_pause():
    clock = FakeClock()
    assert wait(lambda: "value", clock) == "value"
    assert clock.pauses == []


def test_pauses_grow_by_half_to_a_second_and_end_at_the_deadline():
    clock, calls = FakeClock(), []
    with pytest.raises(DeadlineExceeded) as caught:
        wait(lambda: calls.append(clock.monotonic()), clock, host="h", hint="look", interval=0.4)
    assert str(caught.value) == "h: nothing came: not within 3 s\n  -> look"
    assert clock.pauses == pytest.approx([0.4, 0.6, 0.9, 1.0, 0.1])
    assert calls[0] == clock.started
    assert calls[-1] == pytest.approx(clock.started + 3), "it is asked once more at the deadline"


def test_pauses_stay_short_where_that_is_asked_for():
    clock = FakeClock()
    with pytest.raises(DeadlineExceeded):
        wait(lambda: None, clock, interval=0.5, longest=0.6)
    assert clock.pauses == pytest.approx([0.5, 0.6, 0.6, 0.6, 0.6, 0.1])


def test_what_comes_true_at_the_deadline_counts():
    clock = FakeClock()
    assert wait(lambda: clock.monotonic() >= clock.started + 3 - 1e-9, clock) is True


def test_the_condition_is_asked_once_even_without_any_time():
    assert wait_until(lambda: 1, what="x", seconds=0, clock=FakeClock()) == 1
    with pytest.raises(DeadlineExceeded, match=r"^x: not within 0 s$"):
        wait_until(lambda: 0, what="x", seconds=0, clock=FakeClock())


def test_a_slow_condition_is_not_asked_beyond_the_deadline():
    clock, calls = FakeClock(), []

    def slow():
        calls.append(1)
        clock.now += 5

    with pytest.raises(DeadlineExceeded):
        wait(slow, clock)
    assert len(calls) == 1


def test_errors_of_the_condition_and_of_the_pause_end_the_wait():
    with pytest.raises(ZeroDivisionError):
        wait(lambda: 1 / 0, FakeClock())
    clock = FakeClock(interrupt_after=2)
    with pytest.raises(Interrupted):
        wait(lambda: None, clock)
    assert len(clock.pauses) == 2
