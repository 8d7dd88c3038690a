"""
Restart the engines one after the other, and prove the overlay after each.

When: an engine was reconfigured, or behaves oddly (threads in dead namespaces, moby#39036), and the fleet
must stay in service. For another version of the engine: `fab runbook.engine-upgrade`.

What it does: for each host, the store's or the swarm's managers last: restart the engine, wait until the
gossip is whole again, and prove all pairs. Containers on a host stop while its engine restarts; those
with a restart policy come back with it.

Where it stops: at the first host after which the proof is not green: the hosts behind it were not
touched. Mend the cause, and run it again.

How to undo: nothing to undo.
"""

from overweave import pipeline
from overweave.apply.run import apply
from overweave.cli import book, run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.session import look


@cluster_task(name="rolling-engine-restart", help=tasks.FLEET)
def rolling_engine_restart(c: FleetContext, inventory: str | None = None, yes: bool = False) -> None:
    """
    Restart one engine at a time; go on only while the overlay is proven.

    Example: fab runbook.rolling-engine-restart -H host1,host2
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="rolling-engine-restart") as session:
        book.one_by_one(
            pipeline.make_rolling_restart(session, look(session)),
            act=lambda plan: apply(plan, pipeline.world(session)),
            proven=lambda: pipeline.proven(session, look(session)),
            progress=progress,
            yes=yes,
        )
