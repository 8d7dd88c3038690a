"""Tasks for a network that is in use: what is wrong with it, and mending that."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address

from invoke.exceptions import Exit
from rich.console import Group
from rich.text import Text

from overweave import checkup, pipeline
from overweave.doctor.endpoints import GONE
from overweave.doctor.fault import Checkup
from overweave.doctor.remedy import asking
from overweave.errors import UsageError
from overweave.report import data, text
from overweave.steps import DisconnectEndpoint, Plan, RejoinNetwork, RestartEngine

from . import run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, DRY_RUN, HOSTS, JSON

UNHEALTHY = 1
"""Exit code where the work was done and something is wrong."""
UNASKED = "what needs a yes was left as it is"


@cluster_task(help=HOSTS | ALONE | JSON)
def doctor(
    c: FleetContext,
    inventory: str | None = None,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Find what is wrong with networks that are in use; changes nothing.

    Islands of the gossip, engines the store does not know, stale endpoints, addresses that two containers
    have, rows that are missing or lead to another host, vxlan devices that a killed engine left. It sends no
    packet: what swallows them between the hosts, `fab validate-overlay` and `fab preflight` find. Exit code 1
    if something is wrong; `fab repair` mends what it can explain.

    Example: fab doctor -H host1,host2
    """
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task="doctor",
        wait_lock=wait_lock,
        only_looks=True,
    ) as session:
        found, _ = checkup.examine(session)
        run.show(text.checkup(found), data.checkup(found), json)
        if not found.healthy:
            raise Exit(code=UNHEALTHY)


@cluster_task(
    help=HOSTS
    | ALONE
    | JSON
    | DRY_RUN
    | {
        "yes": "don't ask before engines restart",
        "gone": "address of a host that won't come back: its endpoints go; repeatable, or with commas",
    },
    iterable=["gone"],
)
def repair(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
    gone: list[str] | None = None,
) -> None:
    """
    Mend what doctor finds, the least intrusive first, and look again.

    Heals the gossip without a restart, writes and deletes rows, disconnects stale endpoints, removes
    vxlan devices that were left. What stops something for a moment comes last and is asked for; after a
    no, the rest stays done. What can't be explained is told and left alone. A host that was not asked may
    come back with its containers: their endpoints go only if you say that it won't, when asked or by
    --gone. Exit code 0 only if nothing is left.

    Example: fab repair -H host1,host2 --dry-run
    """
    leaves = leaving(
        gone or (), yes=yes, tell=lambda found: text.console(stderr=json == "-").print(text.checkup(found))
    )
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="repair",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        if dry_run:
            found, facts = checkup.examine(session)
            plan = checkup.make_repair(session, found, facts, leaves.named)
            report = Group(text.checkup(found), text.plan(plan, session.fleet.names))
            run.show(report, data.plan(plan) | {"findings": data.checkup(found)["findings"]}, json)
            return

        def show(found: Checkup, plan: Plan) -> None:
            shown = Group(text.checkup(found), text.plan(plan, session.fleet.names))
            text.console(stderr=json == "-").print(shown)

        result = checkup.repair(
            session,
            pipeline.world(session),
            show,
            lambda plan: run.confirm(stops(plan), yes=yes, otherwise=UNASKED),
            leaves,
        )
        seconds = progress.seconds
        steps = len(result.done.steps)
        if steps:
            failed = ", then it failed" if result.failed else ""
            headline = Text(
                f"{steps} step{'s' * (steps > 1)} done in {seconds:.1f} s{failed}; now:", style="bold"
            )
        elif result.failed:
            headline = Text("failed before any step was done; as it was seen last:", style="bold")
        elif result.refused:
            headline = Text("nothing was changed; now:", style="bold")
        else:
            headline = Text("nothing to do" if result.after.healthy else "nothing that could be mended")
        of_run = data.repair(
            result.before, result.plan, result.done, result.after, seconds, error=result.failed
        )
        run.show(Group(headline, text.checkup(result.after)), of_run, json)
        if stopped := result.failed or result.refused:
            raise stopped
        if not result.after.healthy:
            raise Exit(code=UNHEALTHY)


def stops(plan: Plan) -> str:
    """What the operator is told before it is asked for."""
    restarts = [step for step in plan.steps if isinstance(step, RestartEngine)]
    rejoins = [step for step in plan.steps if isinstance(step, RejoinNetwork)]
    stops = [
        *(f"the engine of {step.host}" for step in restarts),
        *(f"{name} on {step.host}" for step in restarts for name in step.stops),
        *(f"the connections of {step.container} on {step.host}" for step in rejoins),
    ]
    return f"These stop for a moment: {', '.join(stops)}."


def _addresses(words: Iterable[str]) -> frozenset[str]:
    found = frozenset(part.strip() for word in words for part in word.split(",") if part.strip())
    for address in sorted(found):
        try:
            IPv4Address(address)
        except ValueError:
            raise UsageError(
                f"--gone {address}: it is no IPv4 address",
                hint="give the address that the host's engine advertised: `fab doctor` names it",
            ) from None
    return found


def leaving(words: Iterable[str], *, yes: bool, tell: Callable[[Checkup], None]) -> _Leaving:
    """``tell`` what was found before somebody is asked. Raises `UsageError` for a word that is no address."""
    return _Leaving(_addresses(words), yes, tell)


class _Leaving:
    """Which hosts won't come back: those that ``--gone`` names, and those that somebody says so of."""

    def __init__(self, named: frozenset[str], yes: bool, tell: Callable[[Checkup], None]) -> None:
        self.named, self._yes, self._tell = named, yes, tell
        self._asked: dict[str, bool] = {}

    def __call__(self, found: Checkup) -> frozenset[str]:
        for address, steps in asking(found.faults).items():
            if address in self.named or address in self._asked:
                continue
            # --yes is for what stops for a moment, and says nothing about a host.
            asks = sys.stdin.isatty() and not self._yes
            if asks and not self._asked:
                self._tell(found)
            self._asked[address] = asks and run.confirmed(question(address, steps))
        return self.named | {address for address, said in self._asked.items() if said}


def question(address: str, steps: Sequence[DisconnectEndpoint]) -> str:
    names = ", ".join(f"{step.name} ({step.network_name})" for step in steps)
    return (
        f"The host at {address} was not asked, and neither store nor gossip know it now. Disconnect its "
        f"endpoints {names}{GONE}. Is it true that {steps[0].asks}?"
    )
