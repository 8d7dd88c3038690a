"""Tasks for a network that is in use: what is wrong with it, and mending that."""

from __future__ import annotations

from invoke.exceptions import Exit
from rich.console import Group
from rich.text import Text

from overweave import checkup, pipeline
from overweave.doctor.fault import Checkup
from overweave.report import data, text
from overweave.steps import Plan, RejoinNetwork, RestartEngine

from . import run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, HOSTS, JSON

UNHEALTHY = 1
"""Exit code where the work was done and something is wrong."""
UNASKED = "what needs a yes was left as it is"


@cluster_task(help=HOSTS | ALONE | JSON)
def doctor(
    c: FleetContext,
    inventory: str | None = None,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Find what is wrong with networks that are in use; changes nothing.

    Islands of the gossip, engines the store does not know, stale endpoints, addresses that two containers
    have, rows that are missing or lead to another host, vxlan devices that a killed engine left. Exit code
    1 if something is wrong; `fab repair` mends what it can explain.

    Example: fab doctor -H host1,host2
    """
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task="doctor",
        wait_lock=wait_lock,
        only_looks=True,
    ) as session:
        found, _ = checkup.examine(session)
        run.show(text.checkup(found), data.checkup(found), json)
        if not found.healthy:
            raise Exit(code=UNHEALTHY)


@cluster_task(
    help=HOSTS
    | ALONE
    | JSON
    | {"yes": "don't ask before engines restart", "dry-run": "print the plan and end"}
)
def repair(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Mend what doctor finds, the least intrusive first, and look again.

    Heals the gossip without a restart, writes and deletes rows, disconnects stale endpoints, removes
    vxlan devices that were left. What stops something for a moment comes last and is asked for; after a
    no, the rest stays done. What can't be explained is told and left alone. Exit code 0 only if nothing
    is left.

    Example: fab repair -H host1,host2 --dry-run
    """
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="repair",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        if dry_run:
            found, facts = checkup.examine(session)
            plan = checkup.make_repair(session, found, facts)
            report = Group(text.checkup(found), text.plan(plan, session.fleet.names))
            run.show(report, data.plan(plan) | {"findings": data.checkup(found)["findings"]}, json)
            return

        def show(found: Checkup, plan: Plan) -> None:
            shown = Group(text.checkup(found), text.plan(plan, session.fleet.names))
            text.console(stderr=json == "-").print(shown)

        result = checkup.repair(
            session,
            pipeline.world(session),
            show,
            lambda plan: run.confirm(stops(plan), yes=yes, otherwise=UNASKED),
        )
        seconds = progress.seconds
        if result.done.steps:
            headline = Text(f"{len(result.done.steps)} steps done in {seconds:.1f} s; now:", style="bold")
        elif result.refused:
            headline = Text("nothing was changed; now:", style="bold")
        else:
            headline = Text("nothing to do" if result.after.healthy else "nothing that could be mended")
        of_run = data.repair(result.before, result.plan, result.done, result.after, seconds)
        run.show(Group(headline, text.checkup(result.after)), of_run, json)
        if result.refused:
            raise result.refused
        if not result.after.healthy:
            raise Exit(code=UNHEALTHY)


def stops(plan: Plan) -> str:
    """What the operator is told before it is asked for."""
    restarts = [step for step in plan.steps if isinstance(step, RestartEngine)]
    rejoins = [step for step in plan.steps if isinstance(step, RejoinNetwork)]
    stops = [
        *(f"the engine of {step.host}" for step in restarts),
        *(f"{name} on {step.host}" for step in restarts for name in step.stops),
        *(f"the connections of {step.container} on {step.host}" for step in rejoins),
    ]
    return f"These stop for a moment: {', '.join(stops)}."
