"""inventory -> facts -> plan -> apply -> prove -> report: the stages, put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from . import checkup, narrow, proving, teardown
from .adapters.image_archive import verify
from .apply.run import apply
from .apply.world import Done, World
from .backends import swarm
from .errors import OverweaveError, Refused, UsageError
from .facts import networks
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .fleet import each
from .model import ALL_AT_ONCE, Batch, Fleet, tagged
from .overlay import addresses, in_use, left_over_probes, users_containers
from .plan import plan, refuse
from .preflight import moving, store
from .preflight.engine import FIRST_WITHOUT_A_STORE
from .preflight.engine import version as version_of
from .preflight.everything import findings
from .preflight.finding import Finding, Preflight, Severity, refusals
from .prove.choice import Choice
from .prove.matrix import Matrix
from .proving import forget, noted, prove, prove_after_restarts
from .reconcile.plan import carries_listed, removal, without_listed
from .session import Session, look, look_closer
from .steps import (
    AwaitLeader,
    JoinGossip,
    Plan,
    ProvideImage,
    RestartEngine,
    Stage,
    UpgradeEngine,
    is_version,
    make_plan,
)

OF_ROWS = {"row-wrong", "row-missing", "other-address", "gossip-split"}
"""Rules of diagnosis whose causes `checkup.mend_rows` takes away, with no harm to anybody."""
ROUNDS = 6
"""Plans that may follow each other until nothing differs: one when engines run, one more when not."""


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
    about: Collection[str] = (),
) -> Plan:
    """The plan of a deployment. ``checked`` is the preflight that ``facts`` come from, if it was one: its
    warnings are told. ``about``: the only hosts that may be changed, see `plan`. Raises `Refused` with
    everything that forbids it."""
    if checked is None:
        refuse(missing_archives(session.fleet))
    found = checked.findings if checked else None
    if found and about:
        found = tuple(narrow.findings(found, about))
    made = plan(session.fleet, facts, replace_network=replace_network, batch=batch, found=found, about=about)
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
    wanted = (fleet.images.probe, *([fleet.store.image] if fleet.store.in_engine else []))
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
    about: Collection[str] = (),
) -> Deployment:
    """Make the wanted state true, and prove it, unless a proof of this very state is noted in the store.
    ``about``: the only hosts that may be changed, see `plan`.

    ``before`` is shown the plan and may raise: then nothing has changed. An engine that was down shows
    what else has to change only once it runs: ``before`` is shown that plan, too.
    """
    done = Done()
    checked, facts = preflight(session, replace_network=replace_network)
    first = left = make(
        session, facts, replace_network=replace_network, batch=batch, checked=checked, about=about
    )
    for _ in range(ROUNDS):
        before(left)
        if not left:
            break
        step_done = apply(left, world(session))
        done.steps += step_done.steps
        done.islands = done.islands or step_done.islands
        facts = look(session)
        left = make(session, facts, replace_network=replace_network, batch=batch, about=about)
    if left:
        raise still_different(left)
    if not first and noted(session, facts):
        return Deployment(first, done, None, facts)
    return Deployment(first, done, proven(session, facts), facts)


def proven(session: Session, facts: FleetFacts) -> Matrix:
    """A proof; where nothing but rows mislead, they are mended, and it is made again.

    An engine keeps the row of a container that is gone. If its address comes up on another host, packets go
    astray from there until somebody takes the row away (moby#52661; measured with two containers of ours
    that were made anew and got each other's addresses).
    """
    matrix = prove_after_restarts(session, facts)
    if matrix.red and {cause.rule for cause in matrix.causes} <= OF_ROWS:
        session.progress("", "rows mislead: mend them, and prove again")
        if checkup.mend_rows(session, world(session)):
            matrix = prove_after_restarts(session, look(session))
    return matrix


def world(session: Session) -> World:
    def prove_pairs_of(hosts: Sequence[str]) -> None:
        matrix = proven(session, look(session))
        red = [p for p in matrix.red if p.source in hosts or p.target in hosts]
        if red:
            pairs = ", ".join(f"{p.source} -> {p.target} ({' '.join(p.failed)})" for p in red[:10])
            raise OverweaveError(
                f"the proof is red for {pairs}",
                hint=matrix.causes[0].told if matrix.causes else "`fab status` shows the gossip",
            )

    return World(
        session.hosts,
        session.keys(),
        session.clock,
        session.cancel,
        session.progress,
        audit=session.audit,
        lock=session.lock.check,
        prove=prove_pairs_of,
        agent=session.keys,
        logs=session.fleet.store.logs,
    )


def validate(session: Session, choice: Choice) -> Matrix:
    """Prove without deploying. Probes that a killed run left are removed; where the proof needs new
    containers, so is the probe image that a host lacks, after it was brought there. Raises `Refused` where
    there is nothing to prove, before anything is brought anywhere."""
    facts = look(session)
    proving.refuse_without_network(session, facts)
    new = choice.fresh or len(proving.stands(session.fleet, facts)) < len(session.fleet.names)
    with probing(session, facts, new=new):
        return prove(session, facts, choice)


@contextlib.contextmanager
def probing(session: Session, facts: FleetFacts, *, new: bool) -> Iterator[None]:
    """For the length of a block that proves: without what a killed proof has left, and with the probe's image
    on each host where it makes ``new`` containers."""
    image = session.fleet.images.probe
    if new:
        refuse(missing_archives(session.fleet))
    lacking = [
        name
        for name in session.fleet.names
        if new
        and isinstance(engine := facts.hosts[name].engine, Engine)
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
        yield
    finally:
        each(lacking, lambda name: session.hosts[name].engine.remove_image(image), cancel=session.cancel)


def make_teardown(session: Session, facts: FleetFacts) -> Plan:
    """Everything that a teardown removes, in its order.

    Raises `Refused` where only a part of an overlay was named, while it is being moved, and while containers
    of users are on it.
    """
    refuse(refusals(moving.under_way(session.fleet, facts)))
    if session.fleet.in_swarm:
        if begin := swarm.down(session.fleet, facts):
            return begin
        listed, facts = _without_listed(session, facts)
        first = swarm.teardown(session.fleet, facts)
        refuse(in_use(session.fleet, facts, first))
        left = () if swarm.others(session.fleet, facts) else teardown.forget(session.fleet, facts).stages
        return Plan(listed.stages + first.stages + left)
    advertise, _ = addresses(session.fleet, facts)
    nodes = frozenset(a.node for a in advertise.values())
    # A store that somebody else runs stays as it is, with all others that use it.
    others = [] if session.fleet.store.external else store.others(facts, nodes)
    refuse(refusals([*store.strangers(session.fleet, facts), *others]))
    listed, facts = _without_listed(session, facts)
    first = teardown.teardown(session.fleet, facts)
    refuse(in_use(session.fleet, facts, first))
    return Plan(listed.stages + first.stages + teardown.forget(session.fleet, facts).stages)


def _without_listed(session: Session, facts: FleetFacts) -> tuple[Plan, FleetFacts]:
    """What takes away the networks that were made because an inventory lists them, and the facts without
    these. An engine that is down is asked when it runs.

    Raises `Refused` where containers are on them that nobody of ours has connected.
    """
    mine = [name for name in session.fleet.names if carries_listed(facts.hosts[name])]
    engines = [its.engine for its in facts.hosts.values()]
    if not mine or not all(isinstance(engine, Engine) and engine.running for engine in engines):
        return Plan(), facts
    seen = each(
        session.fleet.names,
        lambda name: networks.look(session.hosts[name], devices=False),
        cancel=session.cancel,
    ).all()
    made = removal(session.fleet, facts, seen)
    refuse(made.refused)
    return made.plan, without_listed(facts)


def tear_down(session: Session, plan: Plan) -> None:
    """Carry out a teardown, and look again until nothing is left: a stopped engine first has to start."""
    left = plan
    if session.fleet.in_swarm:
        forget(session)
    for _ in range(ROUNDS):
        if not left:
            return
        apply(left, world(session))
        left = make_teardown(session, look(session))
    if left:
        raise still_different(left)


def still_different(left: Plan) -> OverweaveError:
    return OverweaveError(
        "after the changes the hosts still differ from what is wanted:\n"
        + "\n".join(f"    {step.host}: {step} ({step.why})" for step in left.steps),
        hint="run the same command again; if it stays so, see `journalctl -u docker` on the hosts",
    )


def make_rolling_restart(session: Session, facts: FleetFacts) -> list[Plan]:
    """One plan a host, the store's hosts or the managers last: restart its engine, and make the gossip of
    a store's engines whole again."""
    return _in_turn(
        session.fleet, facts, lambda name, stops: RestartEngine(name, "it was asked for", stops), facts.hosts
    )


def make_rolling_upgrade(session: Session, facts: FleetFacts, command: str, version: str) -> list[Plan]:
    """As `make_rolling_restart`, of the hosts whose engine is not of that version: a command brings it there.

    Raises `UsageError` for what is no version, and `Refused` where such an engine could not have what the
    overlay is carried by.
    """
    fleet = session.fleet
    if not version_of(version):
        raise UsageError(f"--to {version}: it is no version of an engine", hint="as in --to 20.10.24")
    if not fleet.in_swarm and version_of(version) >= FIRST_WITHOUT_A_STORE:
        raise Refused(
            f"Docker {version} has no cluster store, and would not start with the flags for it",
            hint="`fab runbook.leave-cluster-store` moves the fleet to a swarm first",
        )
    left = [
        name
        for name in fleet.names
        if not isinstance(engine := facts.hosts[name].engine, Engine)
        or not is_version(engine.version, version)
    ]
    return _in_turn(
        fleet,
        facts,
        lambda name, stops: UpgradeEngine(name, "its engine is another one", command, version, stops),
        left,
    )


def _in_turn(
    fleet: Fleet,
    facts: FleetFacts,
    step: Callable[[str, tuple[str, ...]], RestartEngine | UpgradeEngine],
    names: Collection[str],
) -> list[Plan]:
    """One plan for each of these hosts, of what ``step`` makes of it and the containers that stop there."""
    last = [host.name for host in fleet.hosts if host.manager] if fleet.in_swarm else fleet.servers
    gossip = {}
    if not fleet.in_swarm:
        advertise, refused = addresses(fleet, facts)
        refuse(refused)
        gossip = {name: a.address for name, a in advertise.items()}
    plans = []
    for name in [*(name for name in fleet.names if name not in last), *last]:
        if name not in names:
            continue
        engine = facts.hosts[name].engine
        stops = users_containers(engine) if isinstance(engine, Engine) else ()
        waits = name in fleet.servers and fleet.store.in_engine
        leader = [AwaitLeader(name, "the store restarts with its engine")] if waits else []
        joins = [JoinGossip("", "an engine restarted", gossip)] if gossip else []
        plans.append(make_plan(Stage("engine", (step(name, stops), *leader)), Stage("gossip", tuple(joins))))
    return plans
