"""
Bring all engines to another version, one host after the other, under a fleet that stays in service.

When: Docker is to be upgraded, and containers on the other hosts must not notice.

Before: choose the version (`--to 20.10.24`; Docker 22.06 and later has no cluster store: `fab
runbook.leave-cluster-store` first) and a command that brings it on a host, as root and without a
question: `--by 'DEBIAN_FRONTEND=noninteractive apt-get install -y docker.io=20.10.24+dfsg1-1'`. Try the
command on a host that carries nothing. `fab backends` shows which versions run now.

What it does: proves the overlay; then, for each host whose engine is another one, the store's or the
swarm's managers last: asks, runs the command, restarts the engine if the command did not, makes sure that
it is the wanted version, waits until the gossip is whole again, and proves all pairs. Containers on a
host stop while its engine does; those with a restart policy come back with it.

Where it stops: red before the first: nothing was changed. At the first host whose command fails, whose
engine is not that version, or after which the proof is red: the hosts behind it were not touched. Mend it
(on that host `journalctl -u docker`; `fab doctor`, `fab repair`), and run the same command again: hosts
that have the version are left alone, and it goes on only when the overlay is green.

How to undo: the same with the old version: `--to` and `--by` with a command that brings that one.
"""

from overweave import pipeline
from overweave.apply.run import apply
from overweave.cli import book, run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.report import matrix_text, text
from overweave.session import look


@cluster_task(
    name="engine-upgrade",
    help=tasks.FLEET
    | {
        "to": "the version that engines are to have; its end may be left out",
        "by": "what brings it, as a line for a shell: it is run as root on each host",
    },
)
def engine_upgrade(
    c: FleetContext, to: str, by: str, inventory: str | None = None, yes: bool = False
) -> None:
    """
    Upgrade one engine at a time; go on only while the overlay is proven: --to VERSION --by COMMAND.

    Example: fab runbook.engine-upgrade --to 20.10.24 --by 'apt-get install -y docker.io' -H host1,host2
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="engine-upgrade") as session:
        facts = look(session)
        plans = pipeline.make_rolling_upgrade(session, facts, by, to)
        if not plans:
            text.console().print(f"nothing to do: all engines are Docker {to}")
            return
        matrix = pipeline.proven(session, facts)
        if not matrix.green:
            text.console().print(matrix_text.matrix(matrix, text.width()))
            tasks.end_with(matrix, progress)
        book.one_by_one(
            plans,
            act=lambda plan: apply(plan, pipeline.world(session)),
            proven=lambda: pipeline.proven(session, look(session)),
            progress=progress,
            yes=yes,
        )
