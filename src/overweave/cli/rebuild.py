"""The task for a store whose data were lost."""

from __future__ import annotations

from invoke.exceptions import Exit
from rich.text import Text

from overweave import pipeline, recovery
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.report import data, matrix_text, text
from overweave.steps import Plan

from . import run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, DRY_RUN, HOSTS, JSON, NOT_PROVEN

NOTHING = "nothing to do: the store has records of all overlays that containers are on"


@cluster_task(
    name="store-rebuild",
    help=HOSTS | ALONE | JSON | DRY_RUN | {"yes": "don't ask before the store is written to"},
)
def store_rebuild(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Write the store's records of overlays anew, from what the hosts know.

    For a store whose data were lost or are older than what runs, where no backup is at hand. Networks keep
    their ids and VNIs, containers their addresses and connections; no engine restarts, no container either.
    Only what is missing is written, and nothing where the store has something else by now.

    Example: fab store-rebuild -H host1,host2 --dry-run
    """
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="store-rebuild",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        names = session.fleet.names
        if dry_run:
            plan, _ = recovery.make(session)
            run.show(text.plan(plan, names) if plan else Text(NOTHING), data.plan(plan), json)
            return

        def ask(plan: Plan) -> bool:
            text.console(stderr=json == "-").print(text.plan(plan, names))
            return run.confirm("This is written to the store.", yes=yes)

        result = recovery.run(session, pipeline.world(session), ask)
        if not result.plan:
            run.show(Text(NOTHING), data.rebuilt(result.plan, progress.seconds), json)
            return
        progress("", "the store has all records again")
        matrix = pipeline.proven(session, result.facts) if _is_there(session.fleet, result.facts) else None
        told = data.rebuilt(result.plan, progress.seconds, matrix)
        if matrix is None:
            run.show(Text(f"network {session.fleet.network.name} is not among them: not proven"), told, json)
            return
        run.show(matrix_text.matrix(matrix, text.width()), told, json)
        if not matrix.green:
            raise Exit(code=NOT_PROVEN)


def _is_there(fleet: Fleet, facts: FleetFacts) -> bool:
    engines = [its.engine for its in facts.hosts.values()]
    return all(isinstance(engine, Engine) and engine.network(fleet.network.name) for engine in engines)
