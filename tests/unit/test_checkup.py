"""In which order a repair does, asks and looks: by values, without hosts."""

from __future__ import annotations

import pytest

from overweave.checkup import mend
from overweave.doctor.fault import Checkup
from overweave.errors import EngineError, Interrupted, UsageError
from overweave.steps import MendRows, Plan, RejoinNetwork, Stage, make_plan

ROWS = Stage("rows", (MendRows("host1", "rows", "n", "1-a", "vxlan0"),))
MORE_ROWS = Stage("rows", (MendRows("host2", "rows", "n", "1-a", "vxlan0"),))
WEB = Stage("new addresses", (RejoinNetwork("host1", "why", "web", "n", "n"),))
DB = Stage("new addresses", (RejoinNetwork("host1", "why", "db", "n", "n"),))
NO = UsageError("not confirmed: no")


class Network:
    """What each look finds to do, in their order. ``said`` is what somebody heard and did."""

    def __init__(self, *looks, answer=True, errors=()):
        self.looks, self.answer, self.said = list(looks), answer, []
        self.errors = list(errors)

    def examined(self, done):
        stages = self.looks.pop(0)
        if isinstance(stages, BaseException):
            raise stages
        self.said.append("look")
        return Checkup(("host1",), (), float(len(self.looks))), make_plan(*stages)

    def act(self, plan, done):
        self.said.append(f"do {self.named(plan)}")
        done.steps += plan.steps
        if self.errors:
            raise self.errors.pop(0)

    def ask(self, plan):
        self.said.append(f"ask {self.named(plan)}")
        if isinstance(self.answer, UsageError):
            raise self.answer
        return self.answer

    def named(self, plan):
        return " ".join(getattr(step, "container", step.host) for step in plan.steps)

    def repair(self):
        result = mend(
            self.examined,
            self.act,
            lambda found, plan: self.said.append(f"show {self.named(plan)}"),
            self.ask,
            lambda: self.examined(())[0],
        )
        assert self.looks == []
        return result


def test_a_healthy_network_is_looked_at_once():
    network = Network([])
    result = network.repair()
    assert (network.said, result.plan, result.done.steps) == (["look"], Plan(), [])


def test_what_needs_no_question_is_done_before_one_is_put_and_told_after_a_no():
    network = Network([ROWS, WEB], [WEB], answer=NO)
    result = network.repair()
    assert network.said == ["look", "show host1 web", "do host1", "look", "ask web"]
    assert (result.refused, result.plan, result.done.steps) == (NO, Plan((ROWS,)), list(ROWS.steps))


def test_after_an_answer_the_same_plan_is_done_after_another_look():
    network = Network([WEB], [WEB], [])
    result = network.repair()
    assert network.said == ["look", "show web", "ask web", "look", "do web", "look"]
    assert (result.refused, result.plan) == (None, Plan((WEB,)))


def test_after_an_answer_another_plan_is_shown_and_asked_for():
    network = Network([WEB], [DB], [DB], [])
    result = network.repair()
    assert network.said == [
        *("look", "show web", "ask web"),
        *("look", "show db", "ask db", "look", "do db", "look"),
    ]
    assert result.plan == Plan((DB,))


def test_after_an_answer_nothing_is_done_where_nothing_is_wrong_any_more():
    network = Network([WEB], [])
    assert network.repair().done.steps == []


def test_where_nobody_had_to_answer_it_is_done_at_once():
    network = Network([WEB], [], answer=False)
    network.repair()
    assert network.said == ["look", "show web", "ask web", "do web", "look"]


def test_the_plan_of_a_repair_has_what_all_rounds_did():
    network = Network([ROWS, WEB], [WEB], [MORE_ROWS], [], answer=False)
    assert network.repair().plan == Plan((ROWS, WEB, MORE_ROWS))


def test_what_did_not_help_is_not_done_again_and_the_rest_is_asked_for():
    network = Network([ROWS, WEB], [ROWS, WEB], [ROWS], [ROWS], answer=False)
    result = network.repair()
    assert network.said[2:] == [
        *("do host1", "look", "ask web", "do web", "look"),
        *("show host1", "do host1", "look"),
    ]
    assert result.plan == Plan((ROWS, WEB, ROWS))


FAILED = EngineError("it went wrong", status=500)


def test_what_nobody_notices_may_fail_and_the_rest_is_asked_for_and_done():
    """An engine with stuck threads fails at more than one thing, and its restart mends that."""
    network = Network([ROWS, WEB], [ROWS, WEB], [WEB], [], errors=[FAILED])
    result = network.repair()
    assert network.said == [
        *("look", "show host1 web", "do host1"),
        *("look", "ask web", "look", "do web", "look"),
    ]
    assert (result.failed, result.done.steps) == (FAILED, [*ROWS.steps, *WEB.steps])


def test_an_error_of_what_stops_something_ends_it_with_what_was_done_and_another_look():
    network = Network([WEB], [WEB], [WEB], errors=[FAILED])
    result = network.repair()
    assert network.said == ["look", "show web", "ask web", "look", "do web", "look"]
    assert (result.failed, result.plan, result.done.steps) == (FAILED, Plan((WEB,)), list(WEB.steps))
    assert (result.before.seconds, result.after.seconds) == (2.0, 0.0)


@pytest.mark.parametrize("look", [FAILED, KeyboardInterrupt()])
def test_where_even_the_look_fails_it_is_as_it_was_seen_last(look):
    network = Network([ROWS], look)
    network.looks += [KeyboardInterrupt()] * (look is FAILED)
    result = network.repair()
    assert result.done.steps == list(ROWS.steps)
    assert result.after == result.before
    assert isinstance(result.failed, Interrupted), "Ctrl-C in the last look is one, too"


def test_after_ctrl_c_nobody_looks_again():
    network = Network([ROWS, WEB], errors=[Interrupted("interrupted")])
    assert isinstance(network.repair().failed, Interrupted)
    assert network.said == ["look", "show host1 web", "do host1"]
