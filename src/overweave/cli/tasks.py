"""The tasks that make, prove and take away an overlay, and the options of most tasks. Each is one line of
`fab --list`; its docstring is its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit

from overweave import pipeline
from overweave.errors import Refused
from overweave.model import Batch, Fleet
from overweave.prove.choice import NAMES, PATIENCE, choose
from overweave.prove.matrix import Matrix
from overweave.report import data, text
from overweave.session import Session, look
from overweave.steps import Plan, RestartEngine

from . import choice, reports, run
from .executor import FleetContext, cluster_task

NOT_PROVEN = 1
"""Exit code where the work was done and the proof is red."""

INVENTORY = {
    "inventory": (
        "inventory file, or - for standard input; default: $OVERWEAVE_INVENTORY, else that of a running lab"
    )
}
FLEET = INVENTORY | {"yes": "don't ask"}
"""Help of the options that most runbooks take."""
HOSTS = INVENTORY | {
    "accept-new-host-keys": "write unknown ssh host keys to known_hosts instead of refusing them",
}
NETWORK = {"network": "name of the overlay network (default: overweave)"}
WANTED = NETWORK | {
    "subnet": "its IPv4 subnet, as in 10.211.0.0/16",
    "mtu": "MTU of the underlay in bytes; containers get 50 less",
    "replace-network": "remove a network of that name whose attributes differ, and make it anew",
    "backend": "what carries the overlay: consul, etcd, swarm, or auto: what all can do (default: auto)",
}
ALONE = {"wait-lock": "seconds to wait for another run on these hosts (default: don't wait)"}
DRY_RUN = {"dry-run": "print the plan and end"}
BATCH = {"batch": "how many engines restart at once, as in 1 or 25%, with a health gate behind each batch"}
CHECKS = {
    "check": f"only checks whose name matches this regular expression: {', '.join(NAMES)}",
    "exclude": "no checks whose name matches this one",
    "timeout": f"seconds that one check waits for an answer (default: {PATIENCE:g})",
    "repeat": "proofs, all of which must be green (default: 1)",
    "new-containers": "between containers made for the proof, not those that stand on the network",
}
JSON = {"json": reports.PROOF["json"]}


@cluster_task(
    name="deploy-overlay",
    help=HOSTS
    | WANTED
    | BATCH
    | ALONE
    | reports.PROOF
    | DRY_RUN
    | {"yes": "don't ask before containers stop"},
)
def deploy_overlay(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    subnet: str | None = None,
    mtu: int = 0,  # invoke takes an option's type from its default
    backend: str = "",
    replace_network: bool = False,
    batch: str = "",
    dry_run: bool = False,
    yes: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    junit: str | None = None,
    prometheus: str | None = None,
    html: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Make one proven overlay network across all hosts.

    Finds what would break before it changes anything, prints the plan, changes only what differs,
    takes back what does not pass its health gate, heals the gossip, and ends with the proof of every
    directed pair. Again on the same hosts it changes and restarts nothing.

    Example: fab deploy-overlay -H host1,host2
    """
    batches = choice.batch(batch)
    files = reports.wanted(json=json, junit=junit, prometheus=prometheus, html=html)
    if dry_run:
        reports.refuse_without_proof(files, "dry-run")
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="deploy-overlay",
        wait_lock=wait_lock,
        only_looks=dry_run,
        network=network,
        subnet=subnet,
        mtu=mtu,
        backend=backend,
    ) as session:
        if dry_run:
            show_plan(session, json, replace_network=replace_network, batch=batches)
            return

        deployment = pipeline.deploy(
            session,
            replace_network=replace_network,
            batch=batches,
            before=asking(session, yes=yes, stderr=files.on_stdout),
        )
        if deployment.done.islands and deployment.matrix and deployment.matrix.green:
            progress("", f"{len(deployment.done.islands)} gossip islands were healed, without a restart")
        if deployment.matrix is None:
            note = "nothing to do: everything is as wanted, and proven since the engines last started"
            told = {"version": data.VERSION, "kind": "deployment", "changed": False}
            files.show_no_proof(note, told, progress)
            return
        conclude(
            deployment.matrix,
            files,
            progress,
            changed=bool(deployment.plan),
            plan=data.plan(deployment.plan)["stages"],
        )


def asking(session: Session, *, yes: bool, stderr: bool) -> Callable[[Plan], None]:
    """What shows a plan, and asks before containers stop."""

    def ask(plan: Plan) -> None:
        if plan:
            text.console(stderr=stderr).print(text.plan(plan, session.fleet.names))
        stops = [
            f"{name} on {s.host}" for s in plan.steps if isinstance(s, RestartEngine) for name in s.stops
        ]
        if stops:
            run.confirm(f"Engines restart, and these containers with them: {', '.join(stops)}.", yes=yes)

    return ask


def show_plan(session: Session, json: str | None, *, replace_network: bool = False, batch: Batch) -> None:
    """What a deployment would do, and no more."""
    checked, facts = pipeline.preflight(session, replace_network=replace_network)
    if json and not checked.passed:
        run.write(data.preflight(checked), json)
    plan = pipeline.make(session, facts, replace_network=replace_network, batch=batch, checked=checked)
    run.show(
        text.plan(plan, session.fleet.names),
        data.plan(plan) | {"findings": data.preflight(checked)["findings"]},
        json,
    )


def conclude(matrix: Matrix, files: reports.Reports, progress: run.Progress, **more: Any) -> None:
    """Show a proof. Raises `Exit` where it is red."""
    files.show(matrix, **more)
    end_with(matrix, progress)


def end_with(matrix: Matrix, progress: run.Progress) -> None:
    """Tell how a proof went that was shown. Raises `Exit` where it is red."""
    progress("", "proven" if matrix.green else "NOT proven")
    if not matrix.green:
        raise Exit(code=NOT_PROVEN)


@cluster_task(help=HOSTS | WANTED | ALONE | JSON)
def preflight(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    subnet: str | None = None,
    mtu: int = 0,  # invoke takes an option's type from its default
    backend: str = "",
    replace_network: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Find what would break a deployment, on every host and between them; changes nothing.

    Real VXLAN frames and every port that is needed, in both directions of every pair; identity,
    engine, kernel, firewall, addresses, store, clock. Exit code 4 if something forbids a deployment.

    Example: fab preflight -H host1,host2
    """
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="preflight",
        wait_lock=wait_lock,
        only_looks=True,
        network=network,
        subnet=subnet,
        mtu=mtu,
        backend=backend,
    ) as session:
        result, _ = pipeline.preflight(session, replace_network=replace_network)
        run.show(text.preflight(result), data.preflight(result), json)
        if not result.passed:
            raise Exit(code=Refused.exit_code)


@cluster_task(name="validate-overlay", help=HOSTS | NETWORK | CHECKS | ALONE | reports.PROOF)
def validate_overlay(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    check: str = "",
    exclude: str = "",
    timeout: float = PATIENCE,
    repeat: int = 1,
    new_containers: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    junit: str | None = None,
    prometheus: str | None = None,
    html: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Prove the overlay network, pair by pair, and change nothing.

    Two planes, each directed pair: between containers (name, ping, UDP, TCP, 1 MiB of it, a full-size
    packet that must not be fragmented, the VXLAN rows), and between their hosts. What is red gets its
    cause and its remedy. Exit code 1 if a cell is red.

    Example: fab validate-overlay -H host1,host2 --check 'dns|icmp' --repeat 5
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave import wanting

    chosen = choose(check, exclude, timeout=timeout, repeat=repeat, fresh=new_containers)
    files = reports.wanted(json=json, junit=junit, prometheus=prometheus, html=html)
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="validate-overlay",
        wait_lock=wait_lock,
        only_looks=True,
        network=network,
    ) as session:
        if listed := wanting.of_wire(session.fleet):
            conclude(wanting.validate(session, listed, chosen), files, progress)
        else:
            conclude(pipeline.validate(session, chosen), files, progress)


@cluster_task(name="plan-overlay", help=HOSTS | WANTED | BATCH | ALONE | JSON)
def plan_overlay(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    subnet: str | None = None,
    mtu: int = 0,  # invoke takes an option's type from its default
    backend: str = "",
    replace_network: bool = False,
    batch: str = "",
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Show what deploy-overlay would change and restart; the same as its --dry-run.

    Example: fab plan-overlay -H host1,host2
    """
    batches = choice.batch(batch)
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task="plan-overlay",
        wait_lock=wait_lock,
        only_looks=True,
        network=network,
        subnet=subnet,
        mtu=mtu,
        backend=backend,
    ) as session:
        show_plan(session, json, replace_network=replace_network, batch=batches)


@cluster_task(name="destroy-overlay", help=HOSTS | NETWORK | ALONE | {"yes": "don't ask"})
def destroy_overlay(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    yes: bool = False,
    wait_lock: float = 0.0,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Take everything away that deploy-overlay made, and leave the hosts as they were.

    Network, Consul and its data, the drop-in of docker.service, and images that were brought along.
    Refused while containers of users are on the network: nothing is removed then.

    Example: fab destroy-overlay -H host1,host2 --yes
    """
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="destroy-overlay",
        wait_lock=wait_lock,
        network=network,
    ) as session:
        facts = look(session)
        plan = pipeline.make_teardown(session, facts)
        if not plan:
            text.console().print("nothing to do: nothing of Overweave is here")
            return
        text.console().print(text.plan(plan, session.fleet.names))
        run.confirm(f"This takes the overlay away from {_names(session.fleet)}.", yes=yes)
        pipeline.tear_down(session, plan)
        text.console().print(f"the overlay is gone from {_names(session.fleet)}")
        if (its := session.fleet.store).external:
            text.console().print(
                f"what engines have written under docker/ stays in the Consul at {its.place}: "
                "others may use it"
            )


def _names(fleet: Fleet) -> str:
    names = ", ".join(fleet.names[:5])
    return names if len(fleet.names) <= 5 else f"{names} and {len(fleet.names) - 5} more"
