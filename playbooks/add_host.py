"""
Add a host to an overlay that is in use.

When: a new machine is to carry containers that reach those on the other hosts.

Before: write the host under `hosts:` of the inventory, or name all hosts with -H. ssh gets in, and its
engine is one that the others' backend fits (`fab backends`). Its own containers stop if its engine has to
restart.

What it does: proves the overlay between the others, so that a fault that is there already is not taken
for the new host's; adds the host, which touches no engine and no container of the others, and proves all
pairs in both directions; looks with `doctor` for what a proof does not show.

Where it stops: red between the others: nothing was added; the cause is named, and `fab
runbook.cannot-talk` or `fab repair` goes on with it. Red or failed while the host is added: the new
host's changes are taken back, unless they passed its health gate; the others go on. The same command goes
on from what it finds.

How to undo: `fab remove-host HOST` leaves the host as it was.
"""

from overweave.cli import book, hosts, tasks
from overweave.cli.book import Step
from overweave.cli.doctor import doctor
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="add-host",
    help=tasks.FLEET | book.FROM_STEP | {"host": "name of a host of the inventory, or several with commas"},
    positional=["host"],
)
def add_host(
    c: FleetContext, host: str, inventory: str | None = None, yes: bool = False, from_step: str = ""
) -> None:
    """
    The others are proven, a host is added, and all pairs are proven: add-host HOST.

    Example: fab runbook.add-host web4
    """
    book.follow(
        [
            Step(
                "prove", "are the others as they should be?", lambda: book.prove(c, inventory, without=host)
            ),
            Step("add", f"add {host}", lambda: hosts.add_host(c, host, inventory=inventory, yes=yes)),
            Step("doctor", "look at what a proof does not show", lambda: doctor(c, inventory=inventory)),
        ],
        from_step,
    )
