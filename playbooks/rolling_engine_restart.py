"""
Restart the engines one after the other, and prove the overlay after each.

When: an engine was upgraded or reconfigured, or behaves oddly (threads in dead namespaces,
moby#39036), and the fleet must stay in service.

What it does: for each host, the store's last: restart the engine, wait until the gossip is whole
again, and prove all pairs. It stops at the first host after which the proof is not green: the hosts
behind it were not touched. Containers on a host stop while its engine restarts; those with a restart
policy come back with it.

How to undo: nothing to undo. To go on after a stop, mend the cause and run it again.
"""

from invoke.exceptions import Exit

from overweave import pipeline
from overweave.apply.run import apply
from overweave.cli import run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.report import matrix_text, text
from overweave.session import look


@cluster_task(name="rolling-engine-restart", help=tasks.FLEET)
def rolling_engine_restart(c: FleetContext, inventory: str | None = None, yes: bool = False) -> None:
    """
    Restart one engine at a time; go on only while the overlay is proven.

    Example: fab runbook.rolling-engine-restart -H host1,host2
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="rolling-engine-restart") as session:
        for plan in pipeline.make_rolling_restart(session, look(session)):
            host = plan.steps[0].host
            run.confirm(f"The engine of {host} restarts: {plan.steps[0]}.", yes=yes)
            apply(plan, pipeline.world(session))
            matrix = pipeline.proven(session, look(session))
            text.console().print(matrix_text.matrix(matrix, text.width()))
            if not matrix.green:
                raise Exit(f"overweave: not green after {host}: the other hosts were not touched", code=1)
            progress(host, "restarted, and the overlay is proven")
