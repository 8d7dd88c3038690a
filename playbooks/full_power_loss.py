"""
All hosts lost their power and are up again: see that everything is back, and bring back what is not.

When: behind a loss of power of many hosts or all, or a reboot of the whole fleet.

Before: all hosts are on, and ssh gets in. Hosts bring themselves back: the boot unit of each starts what
Docker gave up, restarts an engine that is stuck, and tells the peers; one to two minutes behind the last
boot, nothing should be left to do. Hosts that stay dead: `fab runbook.replace-dead-host`; a store without
most of its servers: `fab runbook.recover-lost-quorum`.

What it does: waits up to two minutes until all engines run, are registered and see each other; if they
don't by then, deploys, which starts what is down and asks before containers stop; mends what doctor can
explain; proves all pairs.

Where it stops: a host can't be reached: it is named; boot it, or leave it out with -H. Refused by the
deployment: the store came back without its data (`fab runbook.restore-store`), or something else that it
names. Red or unmended: the cause is named. The same command goes on from what it finds.

How to undo: nothing to undo.
"""

import contextlib

from overweave.cli import book, run, tasks
from overweave.cli.book import Step
from overweave.cli.doctor import repair
from overweave.cli.executor import FleetContext, cluster_task
from overweave.errors import DeadlineExceeded
from overweave.session import look
from overweave.state import summarize
from overweave.waiting import wait_until

SECONDS = 120.0


@cluster_task(name="full-power-loss", help=tasks.FLEET | book.FROM_STEP)
def full_power_loss(
    c: FleetContext, inventory: str | None = None, yes: bool = False, from_step: str = ""
) -> None:
    """
    Wait until everything is back, bring back what is not, and prove the overlay.

    Example: fab runbook.full-power-loss -H host1,host2,host3
    """

    def come_back() -> None:
        progress = run.Progress()
        with (
            run.session(c, inventory, progress=progress) as session,
            contextlib.suppress(DeadlineExceeded),
        ):
            wait_until(
                lambda: summarize(session.fleet, look(session)).healthy,
                what="not everything is back",
                seconds=SECONDS,
                clock=session.clock,
                interval=2.0,
            )
            return
        tasks.deploy_overlay(c, inventory=inventory, yes=yes)

    book.follow(
        [
            Step("wait", "until all engines run, are registered, and see each other", come_back),
            Step("repair", "mend what can be explained", lambda: repair(c, inventory=inventory, yes=yes)),
            Step("prove", "prove all pairs", lambda: book.prove(c, inventory)),
        ],
        from_step,
    )
