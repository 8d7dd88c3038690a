"""Tasks for the store itself: how it is, a backup of it, and the way back from one."""

from __future__ import annotations

from pathlib import Path

from invoke.exceptions import Exit
from rich.console import Group

from overweave import kept, storekeeping
from overweave.adapters import backup_file
from overweave.backup import Backup
from overweave.doctor.fault import Checkup
from overweave.report import data, matrix_text, store_data, store_text, text
from overweave.session import look_for_store
from overweave.steps import Plan

from . import run
from .doctor import UNHEALTHY
from .executor import FleetContext, cluster_task
from .tasks import ALONE, DRY_RUN, HOSTS, JSON


@cluster_task(name="store-status", help=HOSTS | JSON)
def store_status(
    c: FleetContext,
    inventory: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Show the store: its servers and who leads, agents, engines' sessions, keys and networks.

    Exit code 1 if something is wrong: no leader, a server that is missing or does not vote, an even
    number of voters, an engine without a session, or, in etcd, without its key.

    Example: fab store-status -H host1,host2
    """
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        state = storekeeping.status(session)
        run.show(store_text.state(state), store_data.state(state), json)
        if not state.healthy:
            raise Exit(code=UNHEALTHY)


@cluster_task(
    name="store-backup",
    help=HOSTS
    | JSON
    | {"file": "where it is written; one that is there is not replaced", "force": "replace a backup"},
    positional=["file"],
)
def store_backup(
    c: FleetContext,
    file: str,
    inventory: str | None = None,
    force: bool = False,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Back the store up into a file on this machine: store-backup FILE.

    A plain tar: snapshot.tgz, a Consul snapshot whose checksums were looked at, or keys.json, what engines
    keep in an etcd; and backup.json, which lists the networks in it. `fab store-restore FILE` puts it back;
    changes nothing now.

    Example: fab store-backup store.tar -H host1,host2
    """
    path = Path(file)
    backup_file.may_write(path, replace=force)
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        look_for_store(session)
        saved = storekeeping.save(session)
        backup_file.write(path, saved)
        run.show(store_text.backup(saved.about, file), store_data.backup(saved.about, file), json)


@cluster_task(name="store-backups", help=HOSTS | JSON)
def store_backups(
    c: FleetContext,
    inventory: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    List the backups of the store that the hosts have made by themselves, the newest first.

    Hosts with a server of the store make one a day and keep seven, unless the inventory says otherwise
    (store: backup:). `fab store-restore HOST:NAME` puts one back.

    Example: fab store-backups -H host1,host2
    """
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        found = kept.found(session)
        folder = session.fleet.store.backup.folder
        run.show(store_text.backups(found, folder), store_data.backups(found, folder), json)


@cluster_task(
    name="store-restore",
    help=HOSTS
    | ALONE
    | JSON
    | DRY_RUN
    | {
        "file": "what store-backup has written, a bare Consul snapshot, or HOST:NAME as store-backups lists",
        "yes": "don't ask",
        "force": "also where networks that nothing runs on would be gone, or the backup is of other hosts",
    },
    positional=["file"],
)
def store_restore(
    c: FleetContext,
    file: str,
    inventory: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    force: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Put the store back to a backup: store-restore FILE, or HOST:NAME, or HOST:newest.

    Runs an empty store where it is gone with its data. Refuses where what runs on the hosts would
    collide with what the backup knows; the store as it is is backed up on this machine first. No engine
    restarts for it, and no container stops. What joined or left since the backup is mended as far as that
    goes without, and all pairs are proven. Exit code 1 if something is left.

    Example: fab store-restore store.tar -H host1,host2 --dry-run
    """
    place = kept.place(file)
    read = None if place else backup_file.read(Path(file))
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="store-restore",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        backup = read or kept.get(session, *place or ("", ""))
        found, plan = storekeeping.make_restore(session, backup, force=force)
        shown = Group(
            store_text.backup(backup.about, file),
            *text.findings(found),
            text.plan(plan, session.fleet.names),
        )
        if dry_run:
            run.show(shown, store_data.restore_plan(backup.about, file, found, plan), json)
            return
        told = text.console(stderr=json == "-")
        told.print(shown)
        run.confirm(f"All that the store holds is replaced by the backup {backup.about.told}.", yes=yes)

        def keep(before: Backup) -> Path:
            path = backup_file.beside_the_logs(before.about.made)
            backup_file.write(path, before)
            return path

        def show(checked: Checkup, repair: Plan) -> None:
            told.print(Group(text.checkup(checked), text.plan(repair, session.fleet.names)))

        result = storekeeping.put_back(session, plan, keep, show)
        seconds = progress.seconds
        report = Group(
            text.checkup(result.repair.after),
            matrix_text.matrix(result.matrix, text.width()),
            store_text.restored(result.before, seconds),
        )
        its = result.repair
        told_json = store_data.restored(
            backup.about,
            file,
            None if result.before is None else str(result.before),
            result.plan,
            data.repair(its.before, its.plan, its.done, its.after, its.after.seconds),
            result.matrix,
            healthy=result.whole,
            seconds=seconds,
        )
        run.show(report, told_json, json)
        progress("", "restored, and proven" if result.whole else "restored, and NOT whole")
        if not result.whole:
            raise Exit(code=UNHEALTHY)
