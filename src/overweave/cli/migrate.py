"""The task that moves a fleet from a cluster store to a swarm."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from overweave.errors import UsageError
from overweave.model import CONSUL, SWARM
from overweave.report import matrix_text, text
from overweave.session import Session

from . import run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, HOSTS, JSON, NETWORK, end_with

DONE = {
    SWARM: "all hosts are in the swarm, and the store is still there: `fab migrate --finish` takes it away, "
    "`fab migrate --to consul` leads back",
    CONSUL: "all hosts are back at the store, as they were",
}
ENDED = (
    "the store is gone, and with it the way back; write `backend: swarm` into the inventory if it says consul"
)


@cluster_task(
    name="migrate",
    help=HOSTS
    | NETWORK
    | ALONE
    | JSON
    | {
        "to": "swarm, or consul for the way back, which is open until --finish",
        "finish": "take the store away when all hosts are in the swarm",
        "yes": "don't ask before containers stop",
        "dry-run": "print what would be done, host by host, and end",
    },
)
def migrate(
    c: FleetContext,
    to: str = "",
    finish: bool = False,
    inventory: str | None = None,
    network: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Move a fleet from Consul to the engines' own swarm, in place: --to swarm, then --finish.

    Host by host: the engine restarts without its cluster flags and joins the swarm, which has all networks of
    the store by their names and subnets; its containers are put on them with their aliases and addresses, and
    go on; then all that are moved are proven. Containers on hosts that are moved don't reach those on hosts
    that are not, till the last one is. Broken off, the same command goes on. --to consul leads back, host by
    host, as long as the store is there.

    Example: fab migrate --to swarm -H host1,host2,host3
    """
    if finish == bool(to) or to not in ("", SWARM, CONSUL):
        raise UsageError(
            f"--to {to}: there is no such move" if to and not finish else "say either --to or --finish",
            hint=f"take --to {SWARM}, or --to {CONSUL} for the way back, or --finish",
        )
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="migrate",
        wait_lock=wait_lock,
        only_looks=dry_run,
        network=network,
    ) as session:
        if finish:
            take_away(session, progress, json, dry_run=dry_run, yes=yes)
        else:
            move(session, to, progress, json, dry_run=dry_run, yes=yes)


def move(
    session: Session,
    to: str,
    progress: run.Progress,
    json: str | None = None,
    *,
    dry_run: bool = False,
    yes: bool = False,
) -> None:
    """Show the turns, ask, and carry them out. Raises `Exit` where a proof is red."""
    from overweave import migration
    from overweave.moving.turn import Turn
    from overweave.report import move_data, move_text

    made = migration.make(session, to)
    shown = move_text.turns(made.findings, made.turns, session.fleet.names)
    if dry_run:
        run.show(shown, move_data.planned(to, made.findings, made.turns), json)
        return
    text.console(stderr=json == "-").print(shown)
    if stops := [f"{name} on {turn.host}" for turn in made.turns for name in turn.stops]:
        run.confirm(f"These containers stop, when their host's turn comes: {', '.join(stops)}.", yes=yes)
    hosts = [turn.host for turn in made.turns if turn.host]

    def before(turn: Turn) -> None:
        if turn.host in hosts:
            progress(turn.host, f"its turn: {hosts.index(turn.host) + 1} of {len(hosts)}")

    matrix = migration.carry_out(session, made, before)
    parts: list[RenderableType] = [matrix_text.matrix(matrix, text.width())] if matrix else []
    if made.turns:
        parts.append(Text(DONE[to]))
    run.show(Group(*parts), move_data.moved(to, made.turns, matrix, progress.seconds), json)
    if matrix is not None:
        end_with(matrix, progress)


def take_away(
    session: Session,
    progress: run.Progress,
    json: str | None = None,
    *,
    dry_run: bool = False,
    yes: bool = False,
) -> None:
    """Show what goes with the store, ask, and take it away. Raises `Exit` where the proof is red."""
    from overweave import migration
    from overweave.report import move_data

    plan = migration.make_end(session)
    shown = text.plan(plan, session.fleet.names)
    if dry_run or not plan:
        run.show(shown, move_data.ended(plan, None, progress.seconds), json)
        return
    text.console(stderr=json == "-").print(shown)
    run.confirm("The store goes with all that it holds, and there is no way back.", yes=yes)
    matrix = migration.end(session, plan)
    report = Group(matrix_text.matrix(matrix, text.width()), Text(ENDED))
    run.show(report, move_data.ended(plan, matrix, progress.seconds), json)
    end_with(matrix, progress)
