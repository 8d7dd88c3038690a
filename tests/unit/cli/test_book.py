"""A runbook of several steps: its order, the gates that end it, and how it goes on."""

from __future__ import annotations

import pytest
from invoke.exceptions import Exit

from overweave.cli import run
from overweave.cli.book import Step, follow, one_by_one
from overweave.errors import Refused, UsageError
from overweave.prove.matrix import Matrix, Pair, Verdict
from overweave.steps import Plan, RestartEngine, Stage


class Book:
    """Three steps, each of which notes that it was done. ``ends``: what they raise, by name."""

    def __init__(self, **ends):
        self.done, self.ends = [], ends

    def follow(self, begin=""):
        follow([Step(name, f"do {name}", lambda name=name: self._do(name)) for name in "abc"], begin)

    def _do(self, name):
        if name in self.ends:
            raise self.ends[name]
        self.done.append(name)


def test_all_steps_are_done_in_their_order_and_told(capsys):
    book = Book()
    book.follow()
    assert book.done == ["a", "b", "c"]
    told = [line.partition(" s  ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["step 1 of 3, a: do a", "step 2 of 3, b: do b", "step 3 of 3, c: do c"]


@pytest.mark.parametrize("end", [Exit(code=1), Refused("no"), KeyboardInterrupt()])
def test_the_first_gate_that_is_red_ends_it_and_says_how_it_goes_on(end):
    end.add_note("the whole story: x.log")
    book = Book(b=end)
    with pytest.raises(type(end)) as caught:
        book.follow()
    assert book.done == ["a"]
    assert caught.value.__notes__ == [
        "stopped at step 2 of 3, b: nothing behind it was done\n"
        "  -> mend the cause, then the same command and --from-step b goes on",
        "the whole story: x.log",
    ]


def test_the_first_step_is_begun_again_by_the_same_command():
    with pytest.raises(Exit) as caught:
        Book(a=Exit(code=1)).follow()
    assert caught.value.__notes__ == [
        "stopped at step 1 of 3, a: nothing behind it was done\n"
        "  -> mend the cause, then the same command goes on"
    ]


def test_it_goes_on_where_it_stopped(capsys):
    book = Book()
    book.follow("b")
    assert book.done == ["b", "c"]
    assert "step 2 of 3, b" in capsys.readouterr().err.splitlines()[0]


def test_a_step_that_it_does_not_have_is_refused_before_anything_is_done():
    book = Book()
    with pytest.raises(UsageError) as caught:
        book.follow("d")
    assert str(caught.value) == ("--from-step d: this runbook has no such step\n  -> its steps are a, b, c")
    assert book.done == []


def proof(*, green):
    pairs = [
        Pair(a, b, {"icmp": Verdict(green, "")}, wanted=("icmp",)) for a, b in (("h1", "h2"), ("h2", "h1"))
    ]
    return Matrix("overweave", ("h1", "h2"), tuple(pairs), {})


class Engines:
    """Three hosts whose engines are restarted in turn. ``red``: the one behind which the proof is."""

    def __init__(self, red=""):
        self.done, self.red = [], red

    def restart(self, *, yes=True):
        one_by_one(
            [Plan((Stage("engine", (RestartEngine(name, "why"),)),)) for name in ("h1", "h2", "h3")],
            act=lambda plan: self.done.append(plan.steps[0].host),
            proven=lambda: proof(green=self.done[-1] != self.red),
            progress=run.Progress(),
            yes=yes,
        )


def test_engines_are_taken_in_turn_while_the_proof_is_green():
    engines = Engines()
    engines.restart()
    assert engines.done == ["h1", "h2", "h3"]


def test_engines_behind_a_red_proof_are_not_touched():
    engines = Engines(red="h2")
    with pytest.raises(Exit) as caught:
        engines.restart()
    assert (caught.value.code, caught.value.message) == (
        1,
        "overweave: not green after h2: the other hosts were not touched",
    )
    assert engines.done == ["h1", "h2"]


def test_no_engine_is_touched_before_somebody_says_yes():
    engines = Engines()
    with pytest.raises(UsageError, match=r"The engine of h1 restarts: restart the engine\. Nobody is"):
        engines.restart(yes=False)
    assert engines.done == []
