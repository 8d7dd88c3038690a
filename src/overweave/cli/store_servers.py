"""Tasks that change the store's servers: which hosts carry one, and what they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Group
from rich.text import Text

from overweave import store_changes
from overweave.adapters import backup_file
from overweave.backup import Backup
from overweave.errors import UsageError
from overweave.model import Fleet
from overweave.report import store_data, store_text, text
from overweave.session import Session
from overweave.store_changes import Planned

from . import choice, run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, DRY_RUN, HOSTS, JSON

OPTIONS = HOSTS | ALONE | JSON | {"yes": "don't ask"} | DRY_RUN
DEAD = {"dead": "its host is gone for good, and is not asked"}
Make = Callable[[Session, Fleet], Planned]


@cluster_task(
    name="store-add-server",
    help=OPTIONS | {"host": "one of the hosts, which has no server yet, or several with commas"},
    positional=["host"],
)
def store_add_server(
    c: FleetContext,
    host: str,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Let one more host carry a server of the store: store-add-server HOST.

    Its agent becomes a server in place, and it is waited for until it votes and has all that the leader has.
    No engine restarts, and no container of a user; of a store in etcd every engine does, one after the other.
    Tells what to write into the inventory, if anything. Several hosts go with commas.

    Example: fab store-add-server host4 -H host1,host2,host3,host4
    """
    _task(
        c,
        "store-add-server",
        lambda session, wanted: store_changes.make_change(session, wanted, add=host),
        f"{host}: to carry a server of the store.",
        inventory=inventory,
        dry_run=dry_run,
        yes=yes,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(
    name="store-remove-server", help=OPTIONS | DEAD | {"host": "one that has a server"}, positional=["host"]
)
def store_remove_server(
    c: FleetContext,
    host: str,
    dead: bool = False,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Let a host carry no server of the store any more: store-remove-server HOST.

    Its server leaves the quorum, its copy of the store is removed, and it goes on as an agent, which its
    engine uses as before. Of a store in etcd every engine restarts before that, one after the other. Refused
    where the servers that are left could not agree.

    Example: fab store-remove-server host3 -H host1,host2,host3,host4
    """
    gone = _names(c, inventory, host) if dead else frozenset[str]()
    _task(
        c,
        "store-remove-server",
        lambda session, wanted: store_changes.make_change(
            session, wanted, remove="" if dead else host, gone=gone
        ),
        f"{host} carries no server of the store any more.",
        without=host if dead else "",
        inventory=inventory,
        dry_run=dry_run,
        yes=yes,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(
    name="store-replace-server",
    help=OPTIONS
    | DEAD
    | {"host": "one that has a server", "by": "the host that gets one (default: chosen as in a deployment)"},
    positional=["host"],
)
def store_replace_server(
    c: FleetContext,
    host: str,
    by: str = "",
    dead: bool = False,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Let another host carry the server of a host: store-replace-server HOST.

    The new server votes before the old one leaves; one that is dead leaves first. With --dead its host is not
    asked, and need not be there. Of a store in etcd every engine restarts, one after the other.

    Example: fab store-replace-server host3 -H host1,host2,host3,host4
    """
    if by == host:
        raise UsageError(f"--by {by}: it is the host that is to be replaced", hint="name another one")
    gone = _names(c, inventory, host) if dead else frozenset[str]()
    _task(
        c,
        "store-replace-server",
        lambda session, wanted: store_changes.make_change(
            session, wanted, remove="" if dead else host, replace_by=by, gone=gone
        ),
        f"Another host carries the server of {host}.",
        without=host if dead else "",
        inventory=inventory,
        dry_run=dry_run,
        yes=yes,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(
    name="store-upgrade",
    help=OPTIONS | {"image": "image of the new Consul (default: `store: image:` of the inventory)"},
)
def store_upgrade(
    c: FleetContext,
    image: str = "",
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Run the store from another image, one server after the other, the leader last.

    A backup is made first. The image is asked for its version: one that is older than what runs, or more
    than two second numbers ahead, is refused. A server that does not come back whole gets its old image
    again, and nothing behind it is touched; the same command goes on from there. No engine restarts.

    Example: fab store-upgrade --image hashicorp/consul:1.16.6 -H host1,host2,host3
    """

    def keep(before: Backup) -> Path:
        path = backup_file.beside_the_logs(before.about.made, before="upgrade")
        backup_file.write(path, before)
        return path

    _task(
        c,
        "store-upgrade",
        lambda session, wanted: store_changes.make_upgrade(session, wanted, image or wanted.store.image),
        "The store's servers restart one after the other.",
        keep=keep,
        inventory=inventory,
        dry_run=dry_run,
        yes=yes,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(
    name="store-recover-quorum",
    help=OPTIONS | {"from": "the host whose server goes on: the one that has most"},
)
def store_recover_quorum(
    c: FleetContext,
    from_: str,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Let one server go on alone where too many of the others are gone for good: --from HOST.

    It keeps what it has; what only the others had is lost. Servers on hosts that are named begin anew, and
    get everything from it. Refused while there is a leader, or enough servers to elect one. As a runbook,
    with what comes after it: `fab runbook.recover-lost-quorum`.

    Example: fab store-recover-quorum --from host1 -H host1,host4 --dry-run
    """
    _task(
        c,
        "store-recover-quorum",
        lambda session, wanted: store_changes.make_recovery(session, wanted, from_),
        f"The server of {from_} goes on alone; what only the others had is lost.",
        inventory=inventory,
        dry_run=dry_run,
        yes=yes,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


def _task(
    c: FleetContext,
    name: str,
    make: Make,
    question: str,
    *,
    inventory: str | None,
    dry_run: bool,
    yes: bool,
    wait_lock: float,
    json: str | None,
    accept_new_host_keys: bool,
    without: str = "",
    keep: Callable[[Backup], Path] | None = None,
) -> None:
    """Look, show the plan, ask, carry it out, and show how the store is then."""
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task=name,
        wait_lock=wait_lock,
        only_looks=dry_run,
        without=without,
    ) as session:
        planned = make(session, session.fleet)
        shown = Group(*text.findings(planned.findings), text.plan(planned.plan, session.fleet.names))
        needs = [Text(planned.needs, style="yellow")] if planned.needs else []
        if dry_run or not planned.plan:
            run.show(
                Group(shown, *needs),
                store_data.changed(name, planned.findings, planned.plan, planned.needs),
                json,
            )
            return
        text.console(stderr=json == "-").print(shown)
        run.confirm(question, yes=yes)
        _, state = store_changes.carry_out(session, planned, keep)
        seconds = progress.seconds
        told = store_data.changed(
            name, planned.findings, planned.plan, planned.needs, after=state, seconds=seconds
        )
        run.show(Group(store_text.state(state), *needs), told, json)
        progress("", f"done: servers of the store: {', '.join(planned.after)}")


def _names(c: FleetContext, inventory: str | None, host: str) -> frozenset[str]:
    """What a host may be called that can't be asked."""
    _, its = choice.with_host(c.host_names, host, inventory, may_be_lab=not c.own_ssh_config)
    known = (its.name, its.access.address, its.advertise) if its else ()
    return frozenset(filter(None, (host, *known)))
