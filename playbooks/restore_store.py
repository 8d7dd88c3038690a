"""
Put the store back to a backup, under containers that run on.

When: the store is gone with its data, or holds what it must not (`fab store-status` shows no leader or no
networks; `fab doctor` names records that are missing).

Before: find the newest backup: `fab store-backups` lists those on the hosts (HOST:NAME, or HOST:newest),
else a FILE of `fab store-backup`. Without any, `fab store-rebuild` writes the records from what the hosts
know. If servers of the store can come back, let them: with enough of them nothing is lost.

What it does: looks whether what runs would collide with the backup; backs the store up as it is, if it
answers; asks; puts the backup in its place, runs an empty Consul first where none is; notes what joined
since, mends what that takes, and proves all pairs; shows the store. No engine restarts, and no container
stops.

Where it stops: refused because something in use is not in the backup: nothing was changed; take a newer
backup, or `--force` where it says that nothing runs on it. Red behind it: `fab doctor` and `fab repair`
go on. Broken off, the same command begins anew; the last lines name the backup of the store as it was.

How to undo: `fab store-restore` with the file that it names as the store as it was.
"""

from overweave.cli import book, store, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="restore-store",
    help=tasks.FLEET
    | book.FROM_STEP
    | {
        "file": "what store-backup has written, or HOST:NAME as store-backups lists",
        "force": "also where networks that nothing runs on would be gone, or the backup is of other hosts",
    },
    positional=["file"],
)
def restore_store(
    c: FleetContext,
    file: str,
    inventory: str | None = None,
    force: bool = False,
    yes: bool = False,
    from_step: str = "",
) -> None:
    """
    Put the store back to a backup, prove the overlay, and show the store: restore-store FILE.

    Example: fab runbook.restore-store host1:newest -H host1,host2
    """
    book.follow(
        [
            Step(
                "restore",
                f"put the store back to {file}",
                lambda: store.store_restore(c, file, inventory=inventory, force=force, yes=yes),
            ),
            Step("look", "is the store whole?", lambda: store.store_status(c, inventory=inventory)),
        ],
        from_step,
    )
