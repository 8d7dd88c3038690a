"""How long something looks wrong before it is told."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeClock

from overweave.checkup import lasting
from overweave.doctor.fault import Fault
from overweave.preflight.finding import error, note

STALE = Fault(error("endpoints.stale", "a"), moment=10.0)
ROW = Fault(error("rows.vtep", "b"))
NOTE = Fault(note("journal", "c"))


@pytest.mark.parametrize(
    ("first", "ends", "told", "seconds"),
    [
        ([NOTE], {}, [NOTE], 0),
        ([ROW, NOTE], {}, [ROW, NOTE], 2),
        ([ROW], {"b": 1.0}, [], 2),
        ([STALE, ROW], {}, [STALE, ROW], 10),
        ([STALE, ROW], {"a": 5.0}, [ROW], 7),
        ([STALE], {"a": 9.5}, [], 10),
        ([STALE, ROW], {"b": 1.0}, [STALE], 10),
    ],
)
def test_a_fault_is_told_that_is_there_at_every_look(first, ends, told, seconds):
    clock = FakeClock()

    def again():
        passed = clock.now - clock.started
        return [f for f in first if passed < ends.get(f.finding.seen, 99)]

    assert list(lasting(first, again, clock)) == told
    assert clock.now - clock.started <= seconds
    assert clock.now - clock.started >= seconds - 2


def test_a_fault_that_was_not_there_at_first_is_not_told():
    looks = iter([[STALE], [STALE, ROW], [STALE]])
    assert lasting([ROW], lambda: next(looks, [ROW]), FakeClock()) == ()
