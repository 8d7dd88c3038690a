"""
Bring a swarm back that has lost most of its managers for good.

When: `fab doctor` tells that the swarm has no leader, and managers can't come back (disks lost, machines
gone): 2 of 3, or 3 of 5. Containers that run go on, but none can join the swarm's networks or leave them. If
the managers can come back, let them: with enough of them the swarm elects a leader by itself, and nothing is
lost.

Before: name the hosts that are left with -H, all of them, and with --from one that is a manager. It is
refused while a majority of the managers answers, also of those that are not named, and while one that answers
is not named: it would keep to the swarm of before; and where managers lock themselves (`swarm: autolock:`),
as no engine can do it without their key. Make sure that lost managers stay away; one that comes back leaves
that swarm first (`docker swarm leave --force`).

What it does: the engine of --from goes on as the only manager (`docker swarm init --force-new-cluster`) with
all networks, services and nodes; other managers that are left become its workers, with all that runs on them.
Then that engine restarts, and containers on that host with it: without it the others would not know of them
any more. Managers that are gone are taken off the list, others become managers until there are as many as the
inventory wants, or as a fleet of that size has. At last the overlay is proven. Broken off, it goes on where
it was; nodes that are gone may stay on the list then, and `fab doctor` names them.

Where it stops: before it changes anything, where one of the above is not so, and says which; and at a red
proof, with its cause. Mend that, and run the same command again.

How to undo: nothing to undo. What only the lost managers knew is lost, as a network that was made in the very
last moment.
"""

from invoke.exceptions import Exit
from rich.console import Group

from overweave import pipeline, swarm_recovery
from overweave.apply.run import apply
from overweave.cli import run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.report import matrix_text, text


@cluster_task(
    name="recover-lost-swarm",
    help=tasks.FLEET | {"from": "the host whose engine goes on: a manager"},
)
def recover_lost_swarm(c: FleetContext, from_: str, inventory: str | None = None, yes: bool = False) -> None:
    """
    One manager goes on alone, others join it, and the overlay is proven: --from HOST.

    Example: fab runbook.recover-lost-swarm --from host1 -H host1,host4
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="recover-lost-swarm") as session:
        fleet = swarm_recovery.wanted(session.fleet)
        planned = swarm_recovery.make_recovery(session, from_)
        if planned.plan:
            shown = text.plan(planned.plan, session.fleet.names)
            text.console().print(Group(*text.findings(planned.findings), shown))
            run.confirm(f"The engine of {from_} goes on alone, and restarts.", yes=yes)
            apply(planned.plan, pipeline.world(session))
            swarm_recovery.forget(session, planned.gone)
        session.fleet = fleet
        pipeline.deploy(session, before=tasks.asking(session, yes=yes, stderr=False))
        matrix = swarm_recovery.proven(session, from_, again=not planned.plan)
        text.console().print(matrix_text.matrix(matrix, text.width()))
        if not matrix.green:
            raise Exit("overweave: the swarm is back, and the overlay is not green", code=1)
        progress("", "the swarm is back, and the overlay is proven")
