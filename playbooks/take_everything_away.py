"""
Take the overlay away, and leave the hosts as they were before it.

When: the fleet is given up, or is to begin anew.

Before: take containers of users off the overlay, or remove them: what is on it is named and nothing is
taken away. Name all hosts of the overlay with -H, or by the inventory: a part of it is refused. `--backup
FILE` keeps what the store in Consul holds.

What it does: backs the store up, if that is asked for; shows the plan and asks; removes networks that the
inventory listed, the overlay, the store with its data, all units, settings, secrets and images that were
brought along; restarts engines without their cluster flags; looks again. What stays is each host's audit
log, /var/log/overweave/audit.jsonl.

Where it stops: at what is in the way (containers, hosts that are missing, a move that is under way):
nothing was taken away, and it is named. Broken off, the same command takes away what is left.

How to undo: `fab deploy-overlay` makes a new overlay; `fab runbook.restore-store FILE` behind it brings
old networks back only on the hosts that had them.
"""

from overweave.cli import book, store, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="take-everything-away",
    help=tasks.FLEET | book.FROM_STEP | {"backup": "back the store up into this file before it goes"},
)
def take_everything_away(
    c: FleetContext, inventory: str | None = None, backup: str = "", yes: bool = False, from_step: str = ""
) -> None:
    """
    Leave all hosts as they were, and look again.

    Example: fab runbook.take-everything-away --backup store.tar -H host1,host2
    """

    def destroy() -> None:
        tasks.destroy_overlay(c, inventory=inventory, yes=yes)

    save = Step("backup", f"write {backup}", lambda: store.store_backup(c, backup, inventory=inventory))
    book.follow(
        [
            *([save] if backup else []),
            Step("destroy", "take everything away", destroy),
            Step("look", "is anything left?", destroy),
        ],
        from_step,
    )
