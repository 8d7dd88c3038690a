"""
Deploy the overlay, then prove it once more from a clean start.

When: the first deployment on new hosts, or after anything that may have changed them.

What it does: `deploy-overlay`, which looks, changes what differs and proves; then `validate-overlay`
with new probes; then `status`. It ends at the first step that fails or is not green.

How to undo: `fab destroy-overlay -H …` leaves the hosts as they were.
"""

from overweave.cli import looking, tasks
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(name="deploy-and-verify", help=tasks.FLEET)
def deploy_and_verify(c: FleetContext, inventory: str | None = None, yes: bool = False) -> None:
    """
    Deploy, prove again with new probes, and show the state.

    Example: fab runbook.deploy-and-verify -H host1,host2
    """
    tasks.deploy_overlay(c, inventory=inventory, yes=yes)
    tasks.validate_overlay(c, inventory=inventory, new_containers=True)
    looking.status(c, inventory=inventory)
