"""The lock's own program, run for real on the hosts of a fake world."""

from __future__ import annotations

import re

import pytest
from tests.contract.fakes import FakeClock, FakeHost

from overweave import undo
from overweave.adapters.clock import SystemClock
from overweave.audit import Run
from overweave.command import change_script
from overweave.errors import ConnectionProblem, OverweaveError
from overweave.fleet import Cancel
from overweave.lab.waiting import wait_for
from overweave.lock import PATH, Locked, hold
from overweave.model import Access, Host
from overweave.render import script


class Fleet:
    def __init__(self, folder):
        self.folder = folder
        self.cancel = Cancel()
        self.clock = SystemClock(self.cancel)
        self.said = []
        self.hosts = {
            name: FakeHost(Host(name, Access(f"10.0.0.{i}")), folder / name)
            for i, name in enumerate("abc", 1)
        }

    def hold(self, names="abc", *, who="kim@desk", task="deploy-overlay", wait=0.0, clock=None, changes=True):
        return hold(
            {name: self.hosts[name] for name in names},
            Run("1", who, "", "0.1.0", task),
            wait_seconds=wait,
            clock=clock or self.clock,
            cancel=self.cancel,
            progress=lambda host, what: self.said.append(what),
            changes=changes,
        )

    def is_free(self, name):
        try:
            with self.hold(name):
                return True
        except Locked:
            return False


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def test_it_is_free_again_after_a_run(fleet):
    for _ in range(2):
        with fleet.hold() as held:
            assert sorted(held.streams) == ["a", "b", "c"]
            assert not fleet.is_free("b")
    assert fleet.is_free("b")
    assert not fleet.hosts["b"].path(f"{PATH}.by").exists()


def test_it_is_free_again_after_an_error(fleet):
    with pytest.raises(ZeroDivisionError), fleet.hold():
        raise ZeroDivisionError
    assert fleet.is_free("a")


def test_the_other_is_named(fleet):
    with fleet.hold("bc"), pytest.raises(Locked) as caught, fleet.hold("abc", who="other"):
        pass
    assert re.fullmatch(
        r"b, c in use: deploy-overlay by kim@desk from \S* ?since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n"
        r"  -> --wait-lock SECONDS waits for it; the lock ends with that run, also if its machine dies",
        str(caught.value),
    )
    assert fleet.is_free("a"), "it holds all or none"


@pytest.mark.parametrize("text", ["", "junk", "10.0.0.9 [1]", "10.0.0.9 {}", "x" * 5000, "\x1b[2J \x00"])
def test_one_who_says_nothing_that_can_be_understood(fleet, text):
    with fleet.hold("a"):
        fleet.hosts["a"].path(f"{PATH}.by").write_text(text)
        with pytest.raises(Locked) as caught, fleet.hold("a"):
            pass
    assert caught.value.message == "a in use: by somebody who does not say who"


def test_waiting_for_the_other(fleet):
    class Ends(FakeClock):
        """Time in which the other comes to its end."""

        def pause(self, seconds):
            super().pause(seconds)
            if len(self.pauses) == 3:
                other.__exit__(None, None, None)

    other = fleet.hold("a")
    other.__enter__()
    with fleet.hold("a", wait=100, clock=Ends()):
        assert [what.partition(" by ")[0] for what in fleet.said] == [
            "waiting for the lock: a in use: deploy-overlay"
        ]


def test_waiting_has_an_end(fleet):
    clock = FakeClock()
    with fleet.hold("a"), pytest.raises(Locked), fleet.hold("a", wait=1, clock=clock):
        pass
    assert clock.now - clock.started >= 1


def noted(fleet, name):
    """A change on a host that is noted and done, as in the middle of a run."""
    host = fleet.hosts[name]
    host.path(undo.LINK).parent.mkdir(parents=True, exist_ok=True)
    host.do(undo.write_down(undo.Note("file", 'echo "back" >> "$0.log"\n')))
    return host.path(undo.NOTES)


def test_a_run_that_died_is_taken_back_before_the_next(fleet):
    held = fleet.hold("a")
    lock = held.__enter__()
    notes = noted(fleet, "a")
    lock.streams["a"].close()
    with fleet.hold("a", wait=10):
        assert not notes.exists()
    lock.streams.clear()
    held.__exit__(None, None, None)


def test_what_a_run_before_the_last_boot_left_is_taken_back_first(fleet):
    notes = noted(fleet, "a")
    with fleet.hold("a"):
        assert not notes.exists()
    assert fleet.said == ["takes back what a run that died has left"]


def test_what_a_run_that_goes_on_has_noted_stays(fleet):
    with fleet.hold("a"):
        notes = noted(fleet, "a")
        assert not fleet.is_free("a")
        assert notes.exists()
        fleet.hosts["a"].do(undo.forget())


def test_a_host_misses_its_run(fleet):
    """A machine that lost its power closes no connection."""
    host = fleet.hosts["a"]
    hold_lock = change_script(
        script("came-from.sh") + script("hold-lock.sh"), PATH, "{}", "1", "change", *undo.TAKE_BACK
    )
    stream = host.start(hold_lock)
    try:
        assert stream.recv(100) == b"held\n"
        notes = noted(fleet, "a")
        assert not fleet.is_free("a")
        wait_for(lambda: fleet.is_free("a"), 10, "the end of a second without a beat")
        assert not notes.exists()
    finally:
        stream.close()


def lost(held, host="a"):
    try:
        held.check(host)
    except ConnectionProblem as e:
        return str(e)
    return ""


LOST = (
    "a: the lock of this host is lost: it has not heard from this run for too long\n"
    "  -> run the same command again"
)


def test_a_run_that_was_not_heard_for_too_long_changes_nothing_more(fleet):
    clock = FakeClock()
    with fleet.hold("a", clock=clock) as held:
        assert not lost(held)
        clock.now += 15
        assert lost(held) == LOST
        held.beat()
        wait_for(lambda: not lost(held), 10, "the answer to a beat")


def test_a_lock_whose_program_has_ended_is_lost_at_once(fleet):
    with fleet.hold("ab") as held:
        held.streams["a"].sendall(b"q")
        wait_for(lambda: lost(held) == LOST, 10, "the end of the program")
        assert not lost(held, "b")


def test_one_who_only_looks_leaves_what_a_dead_run_left(fleet):
    notes = noted(fleet, "a")
    with fleet.hold("a", changes=False):
        pass
    assert notes.exists()
    assert fleet.said == [
        "warning: a run that died has left changes here; the next deployment takes them back first"
    ]


def test_what_can_not_be_taken_back_is_told(fleet):
    host = fleet.hosts["a"]
    host.path(undo.LINK).parent.mkdir(parents=True)
    host.do(undo.write_down(undo.Note("file", "false\n")))
    with fleet.hold("a"):
        pass
    assert fleet.said == [
        "takes back what a run that died has left",
        "warning: not all that a run that died has left could be taken back; the next run tries again",
    ]


def test_a_host_that_can_not_be_locked(fleet):
    path = fleet.hosts["b"].path(PATH)
    path.mkdir(parents=True)
    with pytest.raises(OverweaveError) as caught, fleet.hold():
        pass
    assert str(caught.value) == (
        f"b: it can't be locked: `flock` on {PATH} failed\n"
        "  -> flock and timeout come with util-linux and coreutils; is /run writable?"
    )
    assert fleet.is_free("a")
