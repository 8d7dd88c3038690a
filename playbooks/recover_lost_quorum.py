"""
Bring a store back that has lost most of its servers for good.

When: `fab store-status` shows no leader, and servers that can't come back (disks lost, machines gone): 2 of
3, or 3 of 5. Containers that run go on, but none can join or leave. If the servers can come back, let them:
with enough of them the store elects a leader by itself, and nothing is lost. If all are gone: `fab
store-restore` puts a backup back, `fab store-rebuild` writes what the hosts know.

Before: name the hosts that are left with -H, and the server that has most with --from: `fab
store-recover-quorum` refuses one that has less than another. Make sure that lost servers stay away: two that
come back with their old volume would lead beside the new quorum. If such a host is needed again, remove the
volume `overweave-consul` before its engine starts.

What it does: the server of --from goes on alone, with all that it has (raft/peers.json, Consul's way).
Hosts that are named and carried a server begin as new ones. Then others get a server, one after the other,
until there are as many as the inventory wants, or as a fleet of that size has. At last the overlay is
proven. No engine restarts.

Where it stops: refused while a quorum lives, or where another server has more: nothing was changed. At a
server that does not come to vote, and where the proof is red. The same command goes on where it was.

How to undo: nothing to undo. What only the lost servers had is lost: `fab doctor` finds what differs from
what runs, `fab repair` and `fab store-rebuild` mend it.
"""

from invoke.exceptions import Exit
from rich.console import Group

from overweave import pipeline, store_changes
from overweave.cli import run, tasks
from overweave.cli.executor import FleetContext, cluster_task
from overweave.report import matrix_text, store_text, text
from overweave.session import Session, look
from overweave.store_changes import Planned


@cluster_task(
    name="recover-lost-quorum",
    help=tasks.FLEET | {"from": "the host whose server goes on: the one that has most"},
)
def recover_lost_quorum(c: FleetContext, from_: str, inventory: str | None = None, yes: bool = False) -> None:
    """
    One server goes on alone, others join it, and the overlay is proven: --from HOST.

    Example: fab runbook.recover-lost-quorum --from host1 -H host1,host4
    """
    progress = run.Progress()
    with run.session(c, inventory, progress=progress, task="recover-lost-quorum") as session:
        wanted = session.fleet
        _, standing = store_changes.look_at(session)
        if not standing.leader:
            planned = store_changes.make_recovery(session, wanted, from_)
            _carry_out(session, planned, f"The server of {from_} goes on alone.", yes=yes)
        while len(store_changes.look_at(session)[1].servers) < store_changes.wanted_servers(wanted):
            planned = store_changes.make_change(session, wanted, add="")
            _carry_out(session, planned, "One more host gets a server.", yes=yes)
        matrix = pipeline.proven(session, look(session))
        text.console().print(matrix_text.matrix(matrix, text.width()))
        if not matrix.green:
            raise Exit("overweave: the store is back, and the overlay is not green", code=1)
        progress("", "the store is back, and the overlay is proven")


def _carry_out(session: Session, planned: Planned, question: str, *, yes: bool) -> None:
    shown = Group(*text.findings(planned.findings), text.plan(planned.plan, session.fleet.names))
    text.console().print(shown)
    run.confirm(question, yes=yes)
    _, state = store_changes.carry_out(session, planned)
    text.console().print(store_text.state(state))
