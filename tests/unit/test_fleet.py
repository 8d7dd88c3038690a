"""Bounded parallel work: every host ends with its own value or its own error."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import wait as futures_wait

import pytest

from overweave.errors import ConnectionProblem, FleetError, Interrupted, Refused
from overweave.fleet import Cancel, each

SOON = 10


def test_results_come_in_the_order_of_the_items_whatever_ends_first():
    second_is_done = threading.Event()

    def work(item):
        if item == "a":
            assert second_is_done.wait(SOON)
        elif item == "b":
            second_is_done.set()
        if item == "c":
            raise Refused("no")
        return item.upper()

    outcome = each(["a", "c", "b"], work, cancel=Cancel())
    assert list(outcome.values.items()) == [("a", "A"), ("b", "B")]
    assert list(outcome.errors) == ["c"]


def test_no_more_than_width_work_at_once_and_all_of_width_do():
    width, running, peak, lock = 3, [0], [0], threading.Lock()
    together = threading.Barrier(width, timeout=SOON)

    def work(item):
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        together.wait()
        with lock:
            running[0] -= 1

    each(range(12), work, cancel=Cancel(), width=width)
    assert peak[0] == width


def test_nothing_to_do_is_done():
    assert each([], lambda item: item, cancel=Cancel()).all() == {}


def fail(item):
    if item != "ok":
        raise ConnectionProblem(f"{item} is gone", host=item)
    return item


def test_the_error_of_an_only_item_is_raised_as_it_is():
    with pytest.raises(ConnectionProblem, match=r"^a: a is gone$"):
        each(["a"], fail, cancel=Cancel()).all()


def test_errors_of_several_are_collected_and_say_every_hosts_own():
    outcome = each(["a", "ok", "b"], fail, cancel=Cancel())
    with pytest.raises(FleetError) as caught:
        outcome.all()
    assert str(caught.value) == "a: a is gone\nb: b is gone"
    assert caught.value.exit_code == 3
    assert outcome.values == {"ok": "ok"}


def test_one_error_among_several_hosts_names_its_host():
    with pytest.raises(Refused, match=r"^b: no host set$"):
        each(
            ["a", "b"],
            lambda item: item == "a" or (_ for _ in ()).throw(Refused("no host set")),
            cancel=Cancel(),
        ).all()


def test_a_bug_is_raised_as_it_is_after_all_have_ended():
    ended = []

    def work(item):
        if item == 0:
            raise KeyError("bug")
        ended.append(item)

    with pytest.raises(KeyError, match="bug"):
        each(range(5), work, cancel=Cancel(), width=2)
    assert sorted(ended) == [1, 2, 3, 4]


def test_an_interruption_wins_over_errors():
    def work(item):
        raise Interrupted("interrupted") if item == "b" else Refused("no")

    with pytest.raises(Interrupted):
        each(["a", "b"], work, cancel=Cancel())


def main_thread_waits():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if frame.f_code is futures_wait.__code__:
            return True
        frame = frame.f_back
    return False


def test_ctrl_c_stops_what_runs_starts_nothing_more_and_raises_interrupted():
    cancel, begun, noticed, broken = Cancel(), [], [], []
    cancel.break_with(lambda: broken.append(True))

    def work(item):
        begun.append(item)
        deadline = time.monotonic() + SOON
        while not main_thread_waits() and time.monotonic() < deadline:
            pass
        os.kill(os.getpid(), signal.SIGINT)
        try:
            cancel.pause(SOON)
        except Interrupted:
            noticed.append(item)
            raise

    before = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        each(range(50), work, cancel=cancel, width=1)
    assert time.monotonic() - before < SOON / 2
    assert (begun, noticed, broken) == ([0], [0], [True])
    assert (str(caught.value), caught.value.exit_code) == ("interrupted", 130)


def test_cancellation_can_be_lifted_for_tidying_up():
    cancel = Cancel()
    cancel.check()
    assert cancel.lift() is False
    cancel.set()
    with pytest.raises(Interrupted, match=r"^interrupted$"):
        cancel.check()
    assert cancel.lift() is True
    cancel.check()
