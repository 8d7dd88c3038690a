"""The tasks for what lets people and agents into the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from overweave import certificates, pipeline, proving, rotation
from overweave.apply.run import apply
from overweave.command import Secret
from overweave.errors import Refused, UsageError
from overweave.files import write_atomically
from overweave.report import data, text
from overweave.session import Session, look, look_for_consul, look_for_swarm, refuse_without_consul
from overweave.steps import Plan
from overweave.swarms import lock
from overweave.swarms import rotation as of_swarm

from . import choice, reports, run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, BATCH, DRY_RUN, HOSTS, JSON, asking, conclude, show_plan

KEY = "SWMKEY-1-"


@cluster_task(
    name="rotate-gossip-key",
    help=HOSTS | ALONE | JSON | DRY_RUN,
)
def rotate_gossip_key(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Give the store's agents a new key for their gossip.

    Nothing restarts, and no container notices: all agents learn the new key, use it, and forget the one
    before. It is shown nowhere; each host keeps it in a file that only root can read.

    Example: fab rotate-gossip-key -H host1,host2
    """
    _renew(
        c,
        inventory,
        "rotate-gossip-key",
        lambda session: rotation.gossip_key(session.fleet, look_for_consul(session)),
        "all agents of the store gossip with a new key",
        dry_run=dry_run,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(
    name="rotate-certificates",
    help=HOSTS
    | BATCH
    | ALONE
    | JSON
    | {"yes": "don't ask before containers stop", "dry-run": "print the plan of the first round and end"},
)
def rotate_certificates(
    c: FleetContext,
    inventory: str | None = None,
    batch: str = "",
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Give the fleet a new authority, and each host a new certificate.

    In rounds: all hosts trust both authorities; each gets a certificate of the new one; the old one is
    forgotten. Agents read theirs anew while they run. Engines restart only if they use HTTPS themselves, in
    batches, behind health gates: with a single server, or with `store: tls: true`. What a run that was broken
    off has left to do, `fab deploy-overlay` does.

    A swarm does the same by itself, with all of its nodes, and no engine restarts: this begins it, waits for
    it, and proves the overlay behind it. Broken off, it goes on; the same command waits for it again.

    Example: fab rotate-certificates -H host1,host2 --batch 1
    """
    batches = choice.batch(batch)
    files = reports.wanted(json=json)
    if dry_run:
        reports.refuse_without_proof(files, "dry-run")
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="rotate-certificates",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        facts = look(session)
        if session.fleet.in_swarm:
            # What could not be proven behind it is not begun.
            proving.refuse_without_network(session, facts)
            plan = of_swarm.certificates(session.fleet, facts)
            shown = text.plan(plan, session.fleet.names)
            if dry_run:
                run.show(shown, data.plan(plan), json)
                return
            text.console(stderr=files.on_stdout).print(shown)
            apply(plan, pipeline.world(session))
            matrix = pipeline.proven(session, look(session))
            conclude(matrix, files, progress, changed=True, plan=data.plan(plan)["stages"])
            return
        refuse_without_consul(session.fleet)
        rotation.refuse_part(session.fleet, facts)
        session.taking_over = certificates.new_authority(certificates.now())
        if dry_run:
            show_plan(session, json, batch=batches)
            return
        done = pipeline.deploy(
            session, batch=batches, before=asking(session, yes=yes, stderr=files.on_stdout)
        )
        assert done.matrix is not None
        conclude(done.matrix, files, progress, changed=bool(done.plan), plan=data.plan(done.plan)["stages"])


@cluster_task(
    name="rotate-join-tokens",
    help=HOSTS | ALONE | JSON | DRY_RUN,
)
def rotate_join_tokens(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Make the tokens anew that let hosts into the swarm.

    Those of before let nobody in any more; hosts that are in it stay, and nothing restarts. A deployment
    asks for a token in the moment of a join, and keeps none.

    Example: fab rotate-join-tokens -H host1,host2
    """
    _renew(
        c,
        inventory,
        "rotate-join-tokens",
        lambda session: of_swarm.join_tokens(session.fleet, look_for_swarm(session)),
        "the join tokens of before let nobody into the swarm any more",
        dry_run=dry_run,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


@cluster_task(name="store-token", help=HOSTS | {"file": "where it is written"}, positional=["file"])
def store_token(
    c: FleetContext, file: str, inventory: str | None = None, accept_new_host_keys: bool = False
) -> None:
    """
    Write the token that opens all of the store into a file: store-token FILE.

    For Consul's web page, and for work by hand: `CONSUL_HTTP_TOKEN_FILE=FILE consul members`. Only its owner
    can read the file. Whoever has the token, has the overlay: remove it when it is not needed any more.

    Example: fab store-token consul.token -H host1,host2
    """
    path = _new(file)
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        facts = look_for_consul(session)
        known = (its.credentials.known for its in facts.hosts.values())
        token = next((its.management for its in known if its and its.management), None)
        if token is None:
            raise Refused(
                "no host here has the store's management token",
                hint="`fab deploy-overlay` makes one; it is on the hosts with a server",
            )
        _keep(path, token)
        run.show(
            Text(f"{file}: the token that opens all of the store, readable by its owner alone"), {}, None
        )


@cluster_task(name="swarm-unlock-key", help=HOSTS | {"file": "where it is written"}, positional=["file"])
def swarm_unlock_key(
    c: FleetContext, file: str, inventory: str | None = None, accept_new_host_keys: bool = False
) -> None:
    """
    Write the key that managers of the swarm wait for into a file: swarm-unlock-key FILE.

    Only its owner can read the file. Where all managers restart at one time, nothing but this key opens them:
    keep it off these hosts. For a swarm with `swarm: autolock: true`.

    Example: fab swarm-unlock-key swarm.key -H host1,host2
    """
    path = _new(file)
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        at = lock.knower(session.fleet, look_for_swarm(session))
        _keep(path, session.hosts[at].engine.unlock_key())
        told = f"{file}: the key that opens managers of the swarm, readable by its owner alone"
        run.show(Text(told), {}, None)


@cluster_task(
    name="unlock-swarm",
    help=HOSTS
    | ALONE
    | JSON
    | DRY_RUN
    | {"key": "file with the key; without it, a manager that is not locked is asked for it"},
)
def unlock_swarm(
    c: FleetContext,
    inventory: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Unlock all managers of the swarm that are locked, and let their containers start.

    A manager of a swarm with autolock is locked when its engine has started. One that is not locked knows the
    key; where all are, --key FILE has it, as `swarm-unlock-key` wrote it.

    Example: fab unlock-swarm --key swarm.key -H host1,host2
    """
    kept = _kept(Path(key)) if key else None
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task="unlock-swarm",
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        plan = lock.unlocking(session.fleet, look_for_swarm(session), kept)
        shown = text.plan(plan, session.fleet.names) if plan else Text("nothing to do: no manager is locked")
        if plan and not dry_run:
            apply(plan, pipeline.world(session))
            shown = Text(f"unlocked: {', '.join(step.host for step in plan.steps)}")
        run.show(shown, data.plan(plan), json)


@cluster_task(
    name="rotate-unlock-key",
    help=HOSTS | ALONE | JSON | DRY_RUN,
)
def rotate_unlock_key(
    c: FleetContext,
    inventory: str | None = None,
    dry_run: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Make the key anew that managers of the swarm wait for.

    It is shown nowhere: keep it with `swarm-unlock-key`. Managers take it within a moment; one that is off
    meanwhile still waits for the key of before. Nothing restarts.

    Example: fab rotate-unlock-key -H host1,host2
    """
    _renew(
        c,
        inventory,
        "rotate-unlock-key",
        lambda session: lock.renewing(session.fleet, look_for_swarm(session)),
        "the unlock key is another one: `fab swarm-unlock-key FILE` keeps it",
        dry_run=dry_run,
        wait_lock=wait_lock,
        json=json,
        accept_new_host_keys=accept_new_host_keys,
    )


def _renew(
    c: FleetContext,
    inventory: str | None,
    task: str,
    planned: Callable[[Session], Plan],
    told: str,
    *,
    dry_run: bool,
    wait_lock: float,
    json: str | None,
    accept_new_host_keys: bool,
) -> None:
    """Plan, and show that or carry it out and tell so: what is renewed without a question and a restart."""
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task=task,
        wait_lock=wait_lock,
        only_looks=dry_run,
    ) as session:
        plan = planned(session)
        if dry_run:
            run.show(text.plan(plan, session.fleet.names), data.plan(plan), json)
            return
        apply(plan, pipeline.world(session))
        run.show(Text(told), data.plan(plan), json)


def _new(file: str) -> Path:
    """A path where nothing is yet. Raises `UsageError`."""
    path = Path(file)
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already", hint="name another file")
    return path


def _keep(path: Path, secret: Secret) -> None:
    """Write a secret for its owner alone. Raises `UsageError` where that can't be done."""
    try:
        write_atomically(path, f"{secret.reveal()}\n", mode=0o600)
    except OSError as e:
        raise UsageError(f"{path}: {e.strerror}", hint="name another file") from e


def _kept(path: Path) -> Secret:
    """A swarm's unlock key out of a file. Raises `UsageError` where it holds none."""
    try:
        words = path.read_text().split()
    except (OSError, UnicodeError) as e:
        raise UsageError(
            f"{path}: {getattr(e, 'strerror', None) or 'no text'}",
            hint="name the file that `fab swarm-unlock-key` wrote",
        ) from e
    if len(words) != 1 or not words[0].startswith(KEY):
        raise UsageError(
            f"{path} holds no unlock key of a swarm: one begins with {KEY}",
            hint="name the file that `fab swarm-unlock-key` wrote",
        )
    return Secret(words[0])
