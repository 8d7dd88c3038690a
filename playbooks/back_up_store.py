"""
Back the store up into a file on this machine.

When: before anything that changes the store or its hosts, and now and then by hand: hosts with a server
of the store back it up once a day by themselves (`fab store-backups`), but onto their own disks.

What it does: makes sure that the store is whole, as one that has lost something would be backed up
without it; writes a snapshot whose checksums were looked at, with a list of its networks, into FILE.
Nothing is changed, and no container notices. The file holds all tokens of the store: only its owner may
read it; keep it so.

Where it stops: the store is not whole: `fab store-status` says why, and nothing was written; add
`--from-step save` to back it up as it is. FILE is there already: give another name.

How to undo: nothing to undo. `fab runbook.restore-store FILE` puts it back.
"""

from overweave.cli import book, store, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="back-up-store",
    help=tasks.INVENTORY
    | book.FROM_STEP
    | {"file": "where it is written; one that is there is not replaced"},
    positional=["file"],
)
def back_up_store(c: FleetContext, file: str, inventory: str | None = None, from_step: str = "") -> None:
    """
    Make sure that the store is whole, and back it up: back-up-store FILE.

    Example: fab runbook.back-up-store store.tar -H host1,host2
    """
    book.follow(
        [
            Step("look", "is the store whole?", lambda: store.store_status(c, inventory=inventory)),
            Step("save", f"write {file}", lambda: store.store_backup(c, file, inventory=inventory)),
        ],
        from_step,
    )
