"""`fab apply-networks`: the networks that the inventory lists, on all hosts."""

from __future__ import annotations

from invoke.exceptions import Exit

from overweave.reconcile.plan import Reconciliation
from overweave.steps import LeaveNetwork, RemoveNetwork

from . import reports, run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, HOSTS, JSON, NOT_PROVEN

NOTHING = "nothing to do: all listed networks are as wanted"


@cluster_task(
    name="apply-networks",
    help=HOSTS
    | ALONE
    | JSON
    | {
        "yes": "don't ask before networks go and containers lose one",
        "dry-run": "print what differs and the plan, and end",
        "replace": "make networks anew that differ; their listed containers are off them for a moment",
    },
)
def apply_networks(
    c: FleetContext,
    inventory: str | None = None,
    replace: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Make the networks of the inventory come true on all hosts.

    What is listed under `networks:` is made, its containers are connected and disconnected without a
    restart, and what was made and is not listed any more is removed. Networks and connections that others
    have made stay. Prints what differs first; proves what it made across hosts.

    Example: fab apply-networks --inventory fleet.yml
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave import wanting
    from overweave.report import matrix_text, text, wanted_data, wanted_text

    files = reports.wanted(json=json)
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="apply-networks",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        names = session.fleet.names
        if dry_run:
            made, _ = wanting.decide(session, wanting.gather(session), replaces=replace)
            run.show(wanted_text.decided(made, names), wanted_data.decided(made), json)
            return

        def ask(made: Reconciliation) -> None:
            console = text.console(stderr=files.on_stdout)
            if made.plan:
                console.print(wanted_text.decided(made, names))
            else:
                console.print(*wanted_text.waiting(made), NOTHING, sep="\n")
            if said := _ends(made):
                run.confirm(said, yes=yes)

        outcome = wanting.apply_networks(session, replaces=replace, before=ask)
        for matrix in outcome.proofs.values():
            text.console(stderr=files.on_stdout).print(matrix_text.matrix(matrix, text.width()))
        if json:
            run.write(wanted_data.applied(outcome.first, outcome.proofs), json)
        if not outcome.green:
            progress("", "NOT proven")
            raise Exit(code=NOT_PROVEN)


def _ends(made: Reconciliation) -> str:
    """What somebody may miss, in a sentence; "" where nothing ends."""
    gone = [f"{s.name} on {s.host}" for s in made.plan.steps if isinstance(s, RemoveNetwork)]
    off = [f"{s.container} from {s.network_name}" for s in made.plan.steps if isinstance(s, LeaveNetwork)]
    parts = [
        *([f"These networks are removed: {', '.join(gone)}."] if gone else []),
        *([f"These containers are disconnected: {', '.join(off)}."] if off else []),
    ]
    return " ".join(parts)
