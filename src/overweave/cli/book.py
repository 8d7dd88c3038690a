"""What runbooks of several steps are made of: an order, gates that end them, and a way to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from invoke.exceptions import Exit

from overweave import pipeline
from overweave.errors import OverweaveError, UsageError
from overweave.prove.choice import OVERLAY_ONLY
from overweave.prove.matrix import Matrix
from overweave.report import matrix_text, text
from overweave.steps import Plan

from . import run
from .executor import FleetContext
from .tasks import NOT_PROVEN, end_with

FROM_STEP = {"from-step": "begin at this step: a runbook that stops names the one to go on with"}


@dataclass(frozen=True)
class Step:
    """``name`` is what ``--from-step`` takes, ``does`` tells what it does. ``run`` ends the runbook by
    raising: `Exit` where a proof is red or something is wrong, `OverweaveError` where it can't be done."""

    name: str
    does: str
    run: Callable[[], object]


def follow(steps: Sequence[Step], begin: str = "") -> None:
    """Do all steps, or those from ``begin`` on, in their order. What ends one gets a note that says where the
    runbook stands, and how it goes on.

    Raises what the step raises, and `UsageError` for a step that is none of these.
    """
    names = [step.name for step in steps]
    if begin and begin not in names:
        raise UsageError(
            f"--from-step {begin}: this runbook has no such step", hint=f"its steps are {', '.join(names)}"
        )
    progress = run.Progress()
    for number, step in enumerate(steps, 1):
        if number <= names.index(begin or names[0]):
            continue
        progress("", f"step {number} of {len(steps)}, {step.name}: {step.does}")
        try:
            step.run()
        except (Exit, OverweaveError, KeyboardInterrupt) as e:
            again = f"the same command and --from-step {step.name}" if number > 1 else "the same command"
            stopped = (
                f"stopped at step {number} of {len(steps)}, {step.name}: nothing behind it was done\n"
                f"  -> mend the cause, then {again} goes on"
            )
            # The file with the whole story is named last.
            e.__notes__ = [stopped, *getattr(e, "__notes__", ())]
            raise


def prove(c: FleetContext, inventory: str | None, *, without: str = "") -> None:
    """The gate: the proof of the overlay as it is, between all hosts or ``without`` some (names, by commas).

    Raises `Exit` where it is red, and `Refused` where there is no overlay.
    """
    progress = run.Progress()
    with run.session(
        c, inventory, progress=progress, task=c.task_name, only_looks=True, without=without
    ) as session:
        matrix = pipeline.validate(session, OVERLAY_ONLY)
        text.console().print(matrix_text.matrix(matrix, text.width()))
        end_with(matrix, progress)


def one_by_one(
    plans: Iterable[Plan],
    *,
    act: Callable[[Plan], object],
    proven: Callable[[], Matrix],
    progress: run.Progress,
    yes: bool,
) -> None:
    """Carry out plans that each begin with the step that stops a host's engine, and prove behind each.

    Asks before each, unless ``yes``. Raises `Exit` at the first host behind which the proof is red.
    """
    for plan in plans:
        first = plan.steps[0]
        run.confirm(f"The engine of {first.host} restarts: {first}.", yes=yes)
        act(plan)
        matrix = proven()
        text.console().print(matrix_text.matrix(matrix, text.width()))
        if not matrix.green:
            raise Exit(
                f"overweave: not green after {first.host}: the other hosts were not touched", code=NOT_PROVEN
            )
        progress(first.host, "its engine is back, and the overlay is proven")
