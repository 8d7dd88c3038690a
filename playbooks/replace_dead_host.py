"""
Put a new machine in the place of one that is dead.

When: a host does not answer, and won't come back as it was (disk lost, machine gone). Containers on the
others go on; `fab doctor -H …` without it names what it has left.

Before: make sure that the old machine stays off: two engines with one name harm each other. Give the new
one the old one's name in the inventory, with its own address there, and a Docker that nothing was
deployed on. If the store has lost most of its servers with it, `fab runbook.recover-lost-quorum` comes
first.

What it does: proves the overlay between the others; forgets the old machine (its registration, endpoints,
agent or server, rows that lead to it) and deploys on the new one; proves all pairs; looks with `doctor`
for what is left. No engine of the others restarts.

Where it stops: red between the others: nothing was changed; mend that first (`fab runbook.cannot-talk`),
or add `--from-step replace` if it is the dead host that they are red for. Refused because the old machine
answers: it is not dead; `fab remove-host HOST` takes it out in order. Broken off in the middle, the same
command goes on; `fab store-status` tells whether a server of the store is missing, and `fab
store-add-server HOST` makes one.

How to undo: `fab remove-host HOST` takes the new machine out. The old one can't be brought back.
"""

from overweave.cli import book, hosts, tasks
from overweave.cli.book import Step
from overweave.cli.doctor import doctor
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(
    name="replace-dead-host",
    help=tasks.FLEET
    | book.FROM_STEP
    | hosts.GONE
    | {"host": "its name in the inventory, which the new machine has now"},
    positional=["host"],
)
def replace_dead_host(
    c: FleetContext,
    host: str,
    inventory: str | None = None,
    address: str = "",
    yes: bool = False,
    from_step: str = "",
) -> None:
    """
    The others are proven, a new machine takes a dead one's place, and all is proven: replace-dead-host HOST.

    Example: fab runbook.replace-dead-host web4
    """
    book.follow(
        [
            Step(
                "prove", "are the others as they should be?", lambda: book.prove(c, inventory, without=host)
            ),
            Step(
                "replace",
                f"forget the old {host}, and deploy on the new one",
                lambda: hosts.replace_host(c, host, inventory=inventory, address=address, yes=yes),
            ),
            Step("doctor", "look at what is left of the old one", lambda: doctor(c, inventory=inventory)),
        ],
        from_step,
    )
