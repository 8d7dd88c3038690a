"""
Give the overlay another subnet, or another MTU.

When: its subnet overlaps a route or a network that was there first, it has too few addresses, or
full-size packets don't pass (`fab validate-overlay` blames the MTU).

Before: an engine can't change a network that is there: it is removed and made anew. Take all containers
of users off it, on every host (`docker network disconnect overweave CONTAINER`), and note which they
were. Write the new `subnet` or `mtu` under `network:` of the inventory, or give `--subnet` or `--mtu`
here. The MTU is that of the UNDERLAY; containers get 50 less.

What it does: `preflight` with the new values, which refuses a subnet that overlaps anything; shows the
plan and asks; removes the network and the anchors on it, makes both anew and proves all pairs; looks with
`doctor` for what is left of the old one. No engine restarts.

Where it stops: refused because containers are on it: nothing was changed, and they are named. Red or
broken off behind that: the same command goes on from what it finds. When it is done, connect the
containers again (`docker network connect overweave CONTAINER`): they get new addresses.

How to undo: the same with the old values.
"""

from overweave import pipeline
from overweave.cli import book, reports, run, tasks
from overweave.cli.book import Step
from overweave.cli.doctor import doctor
from overweave.cli.executor import FleetContext, cluster_task
from overweave.report import data, text
from overweave.steps import Plan, RemoveNetwork


@cluster_task(
    name="change-network",
    help=tasks.FLEET | book.FROM_STEP | {name: tasks.WANTED[name] for name in ("network", "subnet", "mtu")},
)
def change_network(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    subnet: str | None = None,
    mtu: int = 0,
    yes: bool = False,
    from_step: str = "",
) -> None:
    """
    Make the overlay anew with another subnet or MTU, and prove it.

    Example: fab runbook.change-network --subnet 10.212.0.0/16 -H host1,host2
    """

    def change() -> None:
        progress = run.Progress()
        files = reports.wanted()
        with run.session(
            c, inventory, progress=progress, task="change-network", network=network, subnet=subnet, mtu=mtu
        ) as session:
            its = session.fleet.network

            def before(plan: Plan) -> None:
                tasks.asking(session, yes=yes, stderr=False)(plan)
                if any(isinstance(step, RemoveNetwork) for step in plan.steps):
                    run.confirm(f"Network {its.name} is removed, and made anew with {its.subnet}.", yes=yes)

            done = pipeline.deploy(session, replace_network=True, before=before)
            if done.matrix is None:
                text.console().print(f"nothing to do: network {its.name} is as wanted, and proven")
            else:
                tasks.conclude(
                    done.matrix, files, progress, changed=bool(done.plan), plan=data.plan(done.plan)["stages"]
                )

    book.follow(
        [
            Step("change", "make the network anew", change),
            Step("doctor", "look at what is left of the old one", lambda: doctor(c, inventory=inventory)),
        ],
        from_step,
    )
