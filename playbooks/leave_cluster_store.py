"""
Bring a fleet from Consul to the engines' own swarm, in place, and take the store away.

When: engines are to be upgraded to Docker 23.0 or later, which has no cluster store.

Before: `fab doctor` finds nothing, and `fab migrate --to swarm --dry-run` refuses nothing. Choose a quiet
hour: from the first host's turn to the last's, containers on hosts that are moved don't reach those on
hosts that are not, and the containers of a host stop for its turn. Name all hosts of the fleet with -H,
or by the inventory.

What it does: one host after the other leaves the store and joins the swarm, with its containers; behind
each, those that are moved are proven. When all are, it asks, takes the store away and proves the fleet
again.

Where it stops: refused because something can't be moved: nothing was changed, and it is named. At the
first host behind which the proof is red: the hosts behind it are still at the store, and `fab doctor` and
`fab repair` go on. The same command goes on where it was.

How to undo: `fab migrate --to consul` at any time before the store is taken away; behind that, `fab
destroy-overlay` and `fab deploy-overlay --backend consul`.
"""

from overweave.cli import run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.cli.migrate import move, take_away
from overweave.model import SWARM


@cluster_task(name="leave-cluster-store", help=tasks.FLEET)
def leave_cluster_store(c: FleetContext, inventory: str | None = None, yes: bool = False) -> None:
    """
    All hosts move to a swarm, and then the store goes.

    Example: fab runbook.leave-cluster-store -H host1,host2,host3
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="leave-cluster-store") as session:
        move(session, SWARM, progress, yes=yes)
        take_away(session, progress, yes=yes)
