"""Tasks for hosts that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from overweave import hosts
from overweave.errors import Refused, UsageError
from overweave.facts.typed import ipv4
from overweave.hosts import Change
from overweave.inventory import lines_of, parse_host
from overweave.model import Fleet, Host
from overweave.report import data, host_data, matrix_text, text
from overweave.steps import LeaveNetwork, Plan, RestartEngine

from . import choice, run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, DRY_RUN, HOSTS, JSON, NETWORK, end_with

OPTIONS = HOSTS | NETWORK | ALONE | JSON | {"yes": "don't ask"} | DRY_RUN
GONE = {"address": "the address that it advertised, where the others don't know it by its name"}


@cluster_task(
    name="add-host",
    help=OPTIONS | {"host": "name of a host of the inventory, or several with commas"},
    positional=["host"],
)
def add_host(
    c: FleetContext,
    host: str,
    inventory: str | None = None,
    network: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Add a host to a deployed overlay, and touch no other: add-host HOST.

    As deploy-overlay, for hosts that the inventory names by now; but only what is wrong with them stops it,
    and it is refused where an engine or a container of another host would have to restart. The others get
    nothing but the new peer in the list of their boot unit. All pairs are proven, in both directions.

    Example: fab add-host web4
    """
    names = tuple(dict.fromkeys(word.strip() for word in host.split(",") if word.strip()))
    wanted = _fleet(c, inventory, network, names)
    missing = [name for name in names if name not in wanted.names]
    if missing or not names:
        raise UsageError(
            f"add-host {host}: the inventory has no host {', '.join(missing)}",
            hint="write it under `hosts:` of the inventory first, or name all hosts with -H",
        )
    progress = run.Progress()
    with run.session_of(
        c,
        wanted,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="add-host",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        order = session.fleet.names
        if dry_run:
            plan = hosts.make_add(session, names)
            run.show(text.plan(plan, order), data.plan(plan), json)
            return

        def before(plan: Plan) -> None:
            if plan:
                text.console(stderr=json == "-").print(text.plan(plan, order))
            if stops := _stops(plan):
                run.confirm(f"These stop for a moment: {stops}.", yes=yes)

        result = hosts.add(session, names, before)
        told = ", ".join(names)
        done = f"added: {told}" if result.plan else f"nothing to do: {told} carries all of it, and is proven"
        _conclude("host-added", names, result, progress, json, done=done)


@cluster_task(
    name="remove-host",
    help=OPTIONS
    | GONE
    | {
        "host": "its name in the inventory, or its address",
        "dead": "it is gone for good, and can't be asked",
        "disconnect": "take users' containers off the overlay there",
    },
    positional=["host"],
)
def remove_host(
    c: FleetContext,
    host: str,
    inventory: str | None = None,
    network: str | None = None,
    dead: bool = False,
    disconnect: bool = False,
    address: str = "",
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Take a host out of the overlay, and leave it as it was: remove-host HOST.

    Refuses while users' containers are on the overlay there. Its anchor, agent, settings and images go, its
    engine restarts without the cluster flags; its registration and endpoints go from the store, and rows that
    lead to it from all others, whose engines and containers go on. --dead does that without the host, and
    refuses one that answers. The others are proven.

    Example: fab remove-host web4
    """
    wanted, known = choice.with_host(
        c.host_names, host, inventory, may_be_lab=not c.own_ssh_config, network=network
    )
    _check_address(address, dead=dead)
    its = known or parse_host(host)
    rest = replace(wanted, hosts=tuple(other for other in wanted.hosts if other != known))
    progress = run.Progress()
    if dead:
        _refuse_none(rest, its)
        progress(its.name, "does it answer by ssh?")
        _refuse_alive(c, wanted, its)
    among = rest if dead else replace(rest, hosts=(*rest.hosts, its)) if known is None else wanted
    with run.session_of(
        c,
        among,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="remove-host",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        order = among.names
        if dry_run:
            plan, _ = (
                hosts.make_forget(session, its.name, known, given=address)
                if dead
                else hosts.make_leave(session, its.name, disconnect=disconnect)
            )
            run.show(text.plan(plan, order), data.plan(plan), json)
            return

        def before(plan: Plan) -> None:
            if not plan:
                return
            text.console(stderr=json == "-").print(text.plan(plan, order))
            run.confirm(_question(its.name, plan, dead=dead), yes=yes)

        result = (
            hosts.forget(session, its.name, known, before, given=address)
            if dead
            else hosts.leave(session, its.name, before, disconnect=disconnect)
        )
        file = choice.file_of(c.host_names, inventory, may_be_lab=not c.own_ssh_config)
        done = (
            f"{its.name} is out of the overlay" if result.plan else f"nothing to do: nobody knows {its.name}"
        )
        _conclude("host-removed", (its.name,), result, progress, json, done=done + _to_remove(file, known))


@cluster_task(
    name="replace-host",
    help=OPTIONS | GONE | {"host": "its name in the inventory, which another machine has now"},
    positional=["host"],
)
def replace_host(
    c: FleetContext,
    host: str,
    inventory: str | None = None,
    network: str | None = None,
    address: str = "",
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Put a new machine in the place of one that is gone: replace-host HOST.

    What remove-host --dead does for the old machine, then add-host for the new one, in one run with one plan.
    The new one may have the old one's address or another; it must carry nothing of the deployment yet.

    Example: fab replace-host web4
    """
    wanted, known = choice.with_host(
        c.host_names, host, inventory, may_be_lab=not c.own_ssh_config, network=network
    )
    _check_address(address, dead=True)
    if known is None:
        raise UsageError(
            f"replace-host {host}: the inventory has no host {host}",
            hint="the new machine takes the old one's name: give it its address there",
        )
    _refuse_none(replace(wanted, hosts=tuple(h for h in wanted.hosts if h != known)), known)
    progress = run.Progress()
    with run.session_of(
        c,
        wanted,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="replace-host",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        order = session.fleet.names
        if dry_run:
            gone, added, _ = hosts.make_replace(session, known.name, given=address)
            plan = Plan(gone.stages + added.stages)
            run.show(text.plan(plan, order), data.plan(plan), json)
            return

        def before(plan: Plan) -> None:
            if not plan:
                return
            text.console(stderr=json == "-").print(text.plan(plan, order))
            run.confirm(_question(known.name, plan, dead=True), yes=yes)

        result = hosts.swap(session, known.name, before, given=address)
        _conclude("host-replaced", (known.name,), result, progress, json, done=f"replaced: {known.name}")


def _fleet(c: FleetContext, inventory: str | None, network: str | None, names: Sequence[str]) -> Fleet:
    """With the hosts that are added, also where -H names the others alone."""
    given = c.host_names and [*c.host_names, *(name for name in names if name not in c.host_names)]
    return choice.fleet(given, inventory, may_be_lab=not c.own_ssh_config, network=network)


def _check_address(address: str, *, dead: bool) -> None:
    if address and not ipv4(address):
        raise UsageError(
            f"--address {address}: it is no IPv4 address",
            hint="give the address that the host's engine advertised: `fab doctor` names it",
        )
    if address and not dead:
        raise UsageError(
            "--address is for a host that can't be asked", hint="add --dead if this one is gone for good"
        )


def _refuse_none(rest: Fleet, host: Host) -> None:
    if not rest.hosts:
        raise UsageError(
            f"{host.name} is the only host: nobody is left to ask", hint="name all hosts of the overlay"
        )


def _refuse_alive(c: FleetContext, wanted: Fleet, host: Host) -> None:
    """A host that still lets us in can be left as it was, which one that is only forgotten is not."""
    if run.answers(c, replace(wanted, hosts=(host,))):
        raise Refused(
            "it is not gone: it answers by ssh",
            host=host.name,
            hint=f"`fab remove-host {host.name}` takes it out in order",
        )


def _question(name: str, plan: Plan, *, dead: bool) -> str:
    parts = [f"This takes {name} out of the overlay."]
    if dead:
        parts = [f"This is only right if the machine that was {name} does not come back."]
    off = [f"{s.container} ({s.network_name})" for s in plan.steps if isinstance(s, LeaveNetwork)]
    if off:
        parts.append(f"Containers are taken off it: {', '.join(off)}.")
    if stops := _stops(plan):
        parts.append(f"These stop for a moment: {stops}.")
    return " ".join(parts)


def _stops(plan: Plan) -> str:
    return ", ".join(
        word
        for s in plan.steps
        if isinstance(s, RestartEngine)
        for word in (f"the engine of {s.host}", *(f"{name} on {s.host}" for name in s.stops))
    )


def _to_remove(file: Path | None, known: Host | None) -> str:
    """Which lines of the inventory name a host that is out. Nobody's YAML is edited."""
    if file is None or known is None:
        return ""
    lines = lines_of(file.read_text(encoding="utf-8"), known.name)
    if lines is None:
        return f"; remove it from {file}"
    first, last = lines
    which = f"line {first}" if first == last else f"lines {first} to {last}"
    return f"; remove {which} of {file}, which name{'s' * (first == last)} it"


def _conclude(
    kind: str, names: tuple[str, ...], result: Change, progress: run.Progress, json: str | None, *, done: str
) -> None:
    told = host_data.change(kind, names, result.address, result.plan, result.matrix, progress.seconds)
    parts: list[RenderableType] = []
    if result.matrix is not None:
        parts.append(matrix_text.matrix(result.matrix, text.width()))
    run.show(Group(*parts, Text(done)), told, json)
    if result.matrix is not None:
        end_with(result.matrix, progress)
