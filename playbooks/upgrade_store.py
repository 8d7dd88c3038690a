"""
Run the store from another image, and prove that the overlay has not noticed.

When: Consul is to be upgraded.

Before: hosts can pull the image, or an archive of it is named under `images: archives:` of the inventory.
Read Consul's upgrade notes for the versions between.

What it does: makes sure that the store is whole; backs it up onto this machine; one server after the
other gets the new image and is waited for until it votes, the leader last; then agents; proves all pairs.
No engine restarts, and no container of a user.

Where it stops: the store is not whole: nothing was changed. Refused because the version is older, or too
far ahead: nothing was changed, and the last one that may follow is named. A server that does not come
back whole: it gets its old image again, nothing behind it is touched, and `--from-step upgrade` goes on
from there.

How to undo: a newer Consul's data can't be read by an older one: `fab runbook.restore-store` with the
backup that it names, once the old image runs again.
"""

from overweave.cli import book, store, store_servers, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="upgrade-store",
    help=tasks.FLEET
    | book.FROM_STEP
    | {"image": "image of the new Consul (default: `store: image:` of the inventory)"},
)
def upgrade_store(
    c: FleetContext, image: str = "", inventory: str | None = None, yes: bool = False, from_step: str = ""
) -> None:
    """
    Upgrade the store server by server, and prove the overlay.

    Example: fab runbook.upgrade-store --image hashicorp/consul:1.16.6 -H host1,host2,host3
    """
    book.follow(
        [
            Step("look", "is the store whole?", lambda: store.store_status(c, inventory=inventory)),
            Step(
                "upgrade",
                "one server after the other",
                lambda: store_servers.store_upgrade(c, image=image, inventory=inventory, yes=yes),
            ),
            Step("prove", "has the overlay noticed?", lambda: book.prove(c, inventory)),
        ],
        from_step,
    )
