"""
Deploy the overlay, then prove it once more from a clean start.

When: the first deployment on new hosts, or after anything that may have changed them.

Before: `fab init -H …` writes an inventory from what the hosts are, and `fab preflight` finds what is in
the way. Containers of users stop where their engine has to restart: the plan names them, and it asks.

What it does: `deploy-overlay`, which looks, changes what differs and proves; then `validate-overlay` with
new probes; then `status`.

Where it stops: at the first step that fails or is not green. What a deployment has changed on hosts that
do not pass their health gate is taken back. Mend what it names; the same command goes on from what it
finds.

How to undo: `fab destroy-overlay -H …` leaves the hosts as they were.
"""

from overweave.cli import book, looking, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(name="deploy-and-verify", help=tasks.FLEET | book.FROM_STEP)
def deploy_and_verify(
    c: FleetContext, inventory: str | None = None, yes: bool = False, from_step: str = ""
) -> None:
    """
    Deploy, prove again with new probes, and show the state.

    Example: fab runbook.deploy-and-verify -H host1,host2
    """
    book.follow(
        [
            Step("deploy", "make the overlay", lambda: tasks.deploy_overlay(c, inventory=inventory, yes=yes)),
            Step(
                "prove",
                "prove it between new containers",
                lambda: tasks.validate_overlay(c, inventory=inventory, new_containers=True),
            ),
            Step("status", "show the state", lambda: looking.status(c, inventory=inventory)),
        ],
        from_step,
    )
