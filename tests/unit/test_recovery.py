"""What `fab store-rebuild` does with its plans: shown, done, and looked at again."""

from __future__ import annotations

import pytest
from tests.golden.test_plans import deployed
from tests.unit.facts.lost import hosts
from tests.unit.rebuild.test_rebuild import site

from overweave.errors import OverweaveError, Refused, UsageError
from overweave.facts.remembered import Remembered
from overweave.recovery import ROUNDS, until_whole, with_store
from overweave.steps import (
    AwaitLeader,
    GrantAccess,
    Plan,
    PutKeys,
    RunContainer,
    Stage,
    StartContainer,
    WriteFile,
    WriteSecret,
)

ONE, TWO = (Plan((Stage("networks", (PutKeys("h", "w", f"write network {n}", ()),)),)) for n in "ab")


class Run:
    """``looks`` are the plans that one look after the other comes to."""

    def __init__(self, *looks, answers=()):
        self.looks, self.answers, self.done = [*looks], [*answers], []

    def __call__(self):
        def before(plan):
            self.done.append(("shown", plan))
            return self.answers.pop(0) if self.answers else False

        return until_whole(
            lambda: (self.looks.pop(0), None), lambda plan, done: self.done.append(("did", plan)), before
        )


def test_nothing_is_asked_where_nothing_is_missing():
    run = Run(Plan())
    assert not run().plan
    assert run.done == []


def test_what_comes_next_is_shown_too_and_all_is_told_in_the_end():
    run = Run(ONE, TWO, Plan())
    assert run().plan == Plan(ONE.stages + TWO.stages)
    assert run.done == [("shown", ONE), ("did", ONE), ("shown", TWO), ("did", TWO)]


def test_after_an_answer_it_is_looked_again_and_only_what_was_shown_is_done():
    run = Run(ONE, ONE, Plan(), answers=[True])
    assert run().plan == ONE
    assert run.done == [("shown", ONE), ("did", ONE)]
    run = Run(ONE, TWO, TWO, Plan(), answers=[True, True])
    assert run().plan == TWO
    assert run.done == [("shown", ONE), ("shown", TWO), ("did", TWO)]
    run = Run(ONE, Plan(), answers=[True])
    assert not run().plan


def test_a_no_changes_nothing():
    def no(plan):
        raise UsageError("not confirmed: nothing was changed")

    with pytest.raises(UsageError):
        until_whole(lambda: (ONE, None), lambda plan, done: pytest.fail("it was done"), no)


def test_what_is_never_whole_ends_with_what_is_still_missing():
    with pytest.raises(OverweaveError) as caught:
        Run(*[ONE] * (ROUNDS + 1))()
    assert str(caught.value) == (
        "after the changes the store still lacks records:\n"
        "    write network a\n"
        "  -> run the same command again: containers come and go"
    )


def kinds(made, known=None):
    plan = with_store(made.fleet, made.facts(), hosts() if known is None else known)
    return [(stage.title, [type(step) for step in stage.steps]) for stage in plan.stages]


def test_a_store_that_is_gone_is_run_before_its_keys_are_written():
    made = site()
    made.boxes["host1"].containers.pop("consul")
    made.boxes["host1"].volumes = []
    assert kinds(made) == [
        # Its address is another one by now.
        ("store", [WriteFile, WriteSecret, WriteSecret, RunContainer, AwaitLeader, GrantAccess]),
        ("what is given out", [PutKeys] * 3),
        ("networks", [PutKeys]),
    ]
    assert kinds(made, {name: Remembered() for name in made.boxes}) == []


def test_a_store_that_is_stopped_has_to_tell_first_what_it_has():
    made = deployed()
    made.boxes["host1"].containers["consul"][1] = False
    assert kinds(made) == [("store", [StartContainer, AwaitLeader, GrantAccess])]


def test_without_an_engine_to_run_it_there_is_no_store():
    made = site()
    made.boxes["host1"].running = False
    with pytest.raises(Refused) as caught:
        kinds(made)
    assert str(caught.value) == (
        "host1: no store runs, and the engine that is to run it is down\n  -> `systemctl start docker` there"
    )
