"""inventory -> facts -> plan -> apply -> prove -> report: the stages, put together."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import teardown
from .adapters.image_archive import verify
from .apply.run import apply
from .apply.world import Done, World
from .errors import DeadlineExceeded, OverweaveError, Refused, StoreError
from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.unit import Unit
from .fleet import each
from .model import ALL_AT_ONCE, Batch, Fleet, tagged
from .overlay import addresses, container_mtu, left_over_probes, users_containers
from .plan import plan, refuse
from .preflight import store
from .preflight.everything import findings
from .preflight.finding import Finding, Preflight, Severity, refusals
from .prove.matrix import Matrix
from .prove.proof import prove as run_proof
from .session import Session, look, look_closer
from .steps import AwaitLeader, JoinGossip, Plan, ProvideImage, RestartEngine, Stage, make_plan
from .waiting import wait_until

ROUNDS = 3
"""Plans that may follow each other until nothing differs: one when engines run, one more when not."""
NAMES_SECONDS = 15.0
"""An engine that restarted together with the store may learn names later than all else: seen once, on a
loaded machine, where the store's host was a batch of its own."""
PROVEN = "overweave/proven/"
"""Store keys under which a proof is noted, by network."""


@dataclass(frozen=True)
class Deployment:
    """``plan`` is empty where nothing had to change; ``matrix`` is None where the last proof still holds,
    which was at ``proven_at`` (the store's note, free text)."""

    plan: Plan
    done: Done
    matrix: Matrix | None
    facts: FleetFacts


def make(
    session: Session,
    facts: FleetFacts,
    *,
    replace_network: bool = False,
    batch: Batch = ALL_AT_ONCE,
    checked: Preflight | None = None,
) -> Plan:
    """The plan of a deployment. ``checked`` is the preflight that ``facts`` come from, if it was one: its
    warnings are told. Raises `Refused` with everything that forbids it."""
    if checked is None:
        refuse(missing_archives(session.fleet))
    found = checked.findings if checked else None
    made = plan(session.fleet, facts, replace_network=replace_network, batch=batch, found=found)
    for finding in found or ():
        if finding.severity is Severity.WARNING:
            session.progress(finding.where, finding.told)
    needed = {s.image: s.archive for s in made.steps if isinstance(s, ProvideImage) and s.archive}
    for image, archive in needed.items():
        verify(image, archive)
    return made


def preflight(session: Session, *, replace_network: bool = False) -> tuple[Preflight, FleetFacts]:
    """Look at everything that would break a deployment. What it starts on the hosts ends with it."""
    started = session.clock.monotonic()
    facts = look_closer(session, look(session))
    found = findings(session.fleet, facts, replace_network=replace_network)
    for e in missing_archives(session.fleet):
        found.insert(0, Finding("images.archive", Severity.ERROR, e.message, fix=e.hint))
    return Preflight(session.fleet.names, tuple(found), session.clock.monotonic() - started), facts


def missing_archives(fleet: Fleet) -> list[Refused]:
    """A refusal for each image archive that is needed and isn't there."""
    wanted = (fleet.store.image, fleet.images.probe)
    return [
        Refused(
            f"image archive {archive.path} for {image}: no such file",
            hint=f"make it with `docker save -o {archive.path.name} {image}`",
        )
        for image, archive in fleet.images.archives.items()
        if image in wanted and not archive.path.is_file()
    ]


def deploy(
    session: Session,
    *,
    replace_network: bool = False,
    batch: Batch = ALL_AT_ONCE,
    before: Callable[[Plan], None] = lambda plan: None,
) -> Deployment:
    """Make the wanted state true, and prove it, unless a proof of this very state is noted in the store.

    ``before`` is shown the plan and may raise: then nothing has changed. An engine that was down shows
    what else has to change only once it runs: ``before`` is shown that plan, too.
    """
    done = Done()
    checked, facts = preflight(session, replace_network=replace_network)
    first = left = make(session, facts, replace_network=replace_network, batch=batch, checked=checked)
    for _ in range(ROUNDS):
        before(left)
        if not left:
            break
        step_done = apply(left, world(session))
        done.steps += step_done.steps
        done.islands = done.islands or step_done.islands
        facts = look(session)
        left = make(session, facts, replace_network=replace_network, batch=batch)
    if left:
        raise _still_different(left)
    if not first and noted(session, facts):
        return Deployment(first, done, None, facts)
    restarted = any(isinstance(step, RestartEngine) for step in done.steps)
    matrix = prove_after_restarts(session, facts) if restarted else prove(session, facts)
    return Deployment(first, done, matrix, facts)


def world(session: Session) -> World:
    def prove_pairs_of(hosts: Sequence[str]) -> None:
        matrix = prove_after_restarts(session, look(session))
        red = [p for p in matrix.red if p.source in hosts or p.target in hosts]
        if red:
            pairs = ", ".join(f"{p.source} -> {p.target} ({' '.join(p.failed)})" for p in red[:10])
            raise OverweaveError(
                f"the proof is red for {pairs}",
                hint=matrix.causes[0].told if matrix.causes else "`fab status` shows the gossip",
            )

    return World(
        session.hosts,
        session.store(),
        session.clock,
        session.cancel,
        session.progress,
        audit=session.audit,
        lock=session.lock.check,
        prove=prove_pairs_of,
    )


def prove(session: Session, facts: FleetFacts) -> Matrix:
    """Prove the network between all hosts, and note a green proof in the store.

    A host without the probe image gets it for the proof. Raises `Refused` where there is no network.
    """
    fleet = session.fleet
    advertise, refused = addresses(fleet, facts)
    refuse(refused)
    networks = {name: _overlay(facts, name, fleet.network.name) for name in fleet.names}
    missing = [name for name, network in networks.items() if network is None]
    there = networks[fleet.store_host.name]
    if missing or there is None:
        raise Refused(
            f"there is no overlay network {fleet.network.name} on {', '.join(missing)}",
            hint="`fab deploy-overlay` makes it; --network NAME proves another",
        )
    matrix = run_proof(
        session.hosts,
        network=fleet.network.name,
        image=fleet.images.probe,
        mtu=container_mtu(there),
        vteps={name: a.address for name, a in advertise.items()},
        clock=session.clock,
        cancel=session.cancel,
        progress=session.progress,
    )
    with contextlib.suppress(StoreError):
        if matrix.green:
            session.store().put(PROVEN + fleet.network.name, fingerprint(session, facts).encode())
        elif facts.store is not None:
            session.store().put(PROVEN + fleet.network.name, b"")
    return matrix


def prove_after_restarts(session: Session, facts: FleetFacts) -> Matrix:
    """A proof that is repeated for `NAMES_SECONDS` while nothing but names is missing."""
    matrices: list[Matrix] = []

    def named() -> bool:
        if matrices:
            session.progress("", "names are not known everywhere yet: prove again")
        matrices.append(prove(session, facts))
        return any(pair.failed != ("dns",) for pair in matrices[-1].red) or matrices[-1].green

    with contextlib.suppress(DeadlineExceeded):
        wait_until(named, what="names", seconds=NAMES_SECONDS, clock=session.clock)
    return matrices[-1]


def _overlay(facts: FleetFacts, host: str, name: str) -> NetworkFact | None:
    engine = facts.hosts[host].engine
    network = engine.network(name) if isinstance(engine, Engine) else None
    return network if network is not None and network.driver == "overlay" else None


def fingerprint(session: Session, facts: FleetFacts) -> str:
    """What a proof is about: the network, the hosts, and each engine since its last start."""
    network = session.fleet.network.name
    about = []
    for name in session.fleet.names:
        its = facts.hosts[name]
        engine, unit = its.engine, its.unit
        there = engine.network(network) if isinstance(engine, Engine) else None
        started = unit.started if isinstance(unit, Unit) else 0
        about.append((its.identity.machine_id, started, there.id if there else ""))
    return hashlib.sha256(json.dumps(sorted(about)).encode()).hexdigest()


def noted(session: Session, facts: FleetFacts) -> bool:
    """Whether the store holds a green proof of exactly this state."""
    if facts.store is None or not facts.store.leader:
        return False
    return session.store().get(PROVEN + session.fleet.network.name) == fingerprint(session, facts).encode()


def validate(session: Session) -> Matrix:
    """Prove without deploying. Probes that a killed run left, and a probe image that a host lacks, are
    the only things that change; the image is removed again."""
    facts = look(session)
    image = session.fleet.images.probe
    refuse(missing_archives(session.fleet))
    lacking = [
        name
        for name in session.fleet.names
        if isinstance(engine := facts.hosts[name].engine, Engine)
        and engine.running
        and tagged(image) not in engine.images
    ]
    archive = session.fleet.images.archives.get(image)
    apply(
        make_plan(
            Stage("left over", tuple(p for its in facts.hosts.values() for p in left_over_probes(its))),
            Stage(
                "image", tuple(ProvideImage(name, "the proof runs it", image, archive) for name in lacking)
            ),
        ),
        world(session),
    )
    try:
        return prove(session, facts)
    finally:
        each(lacking, lambda name: session.hosts[name].engine.remove_image(image), cancel=session.cancel)


def make_teardown(session: Session, facts: FleetFacts) -> Plan:
    """Everything that a teardown removes, in its order.

    Raises `Refused` where only a part of an overlay was named.
    """
    advertise, _ = addresses(session.fleet, facts)
    nodes = frozenset(a.node for a in advertise.values())
    refuse(refusals([*store.strangers(session.fleet, facts), *store.others(facts, nodes)]))
    first = teardown.teardown(session.fleet, facts)
    return Plan(first.stages + teardown.forget(session.fleet, facts).stages)


def tear_down(session: Session, plan: Plan) -> None:
    """Carry out a teardown, and look again until nothing is left: a stopped engine first has to start."""
    left = plan
    for _ in range(ROUNDS):
        if not left:
            return
        apply(left, world(session))
        left = make_teardown(session, look(session))
    if left:
        raise _still_different(left)


def _still_different(left: Plan) -> OverweaveError:
    return OverweaveError(
        "after the changes the hosts still differ from what is wanted:\n"
        + "\n".join(f"    {step.host}: {step} ({step.why})" for step in left.steps),
        hint="run the same command again; if it stays so, see `journalctl -u docker` on the hosts",
    )


def make_rolling_restart(session: Session, facts: FleetFacts) -> list[Plan]:
    """One plan a host, the store's host last: restart its engine, and make the gossip whole again."""
    fleet = session.fleet
    advertise, refused = addresses(fleet, facts)
    refuse(refused)
    gossip = {name: a.address for name, a in advertise.items()}
    order = [*(name for name in fleet.names if name != fleet.store_host.name), fleet.store_host.name]
    plans = []
    for name in order:
        engine = facts.hosts[name].engine
        stops = users_containers(engine) if isinstance(engine, Engine) else ()
        restart = RestartEngine(name, "it was asked for", stops)
        leader = [AwaitLeader(name, "Consul restarts with its engine")] if name == order[-1] else []
        plans.append(
            make_plan(
                Stage("engine", (restart, *leader)),
                Stage("gossip", (JoinGossip("", "an engine restarted", gossip),)),
            )
        )
    return plans
