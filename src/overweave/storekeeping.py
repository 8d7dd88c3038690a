"""What `fab store-status`, `store-backup` and `store-restore` do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from . import __version__, checkup, pipeline, recovery, restore
from .advertise import ENGINE_PORT
from .apply.run import apply
from .apply.world import Done, World
from .backup import Backup, about, of_keys
from .checkup import Repair
from .doctor.fault import Checkup
from .errors import FleetError, OverweaveError, Refused, StoreError, UsageError
from .facts import etcd as etcd_facts
from .facts import libnetwork
from .facts import store as store_facts
from .facts.fleet import FleetFacts
from .facts.store import Agent, Member
from .fleet import each
from .plan import refuse
from .preflight.finding import Finding, refusals
from .prove.matrix import Matrix
from .session import Session, has_cluster_flags, look, look_for_store
from .steps import Plan
from .store_state import Seen, SeenEtcd, StoreState, summarize, summarize_etcd
from .waiting import wait_until

SAVE_SECONDS = 20.0


def status(session: Session) -> StoreState:
    """How the store is, as far as it answers. Changes nothing."""
    facts = look_for_store(session)
    kind: type[Seen] | type[SeenEtcd] = SeenEtcd if session.fleet.store.in_etcd else Seen
    issuer = facts.issuer
    seen = kind(
        store_at=session.serving if facts.store else "",
        leader=facts.store.leader if facts.store else "",
        certificates={host: its.expires for host, its in issuer.files.items()} if issuer else {},
        authority=issuer.authority.certificate.not_valid_after_utc if issuer and issuer.files else None,
        now=issuer.told if issuer else None,
        engines={
            name: f"{address}:{ENGINE_PORT}"
            for name, its in facts.hosts.items()
            if has_cluster_flags(facts, name) and (address := its.advertised)
        },
    )
    if isinstance(seen, SeenEtcd):
        return _of_etcd(session, facts, seen) if facts.store else summarize_etcd(SeenEtcd(""))
    return _of_consul(session, facts, seen) if facts.store else summarize(Seen(""))


def _of_consul(session: Session, facts: FleetFacts, seen: Seen) -> StoreState:
    store = session.store()
    try:
        members = store_facts.members(store)
    except StoreError as e:
        return summarize(Seen(seen.store_at, seen.leader, silent={seen.store_at: e.message}))
    agents, silent = _agents(session, facts, members)
    seen = replace(seen, members=members, agents={its.id: its for its in agents.values()}, silent=silent)
    if not seen.leader:
        return summarize(seen)
    # A leader that goes between two questions takes the answers with it, and nothing else.
    with contextlib.suppress(StoreError):
        seen = replace(
            seen,
            peers=store_facts.peers(store),
            leases=store_facts.leases(store),
            records=libnetwork.parse(store.tree(libnetwork.ROOT)),
        )
        return summarize(seen)
    return summarize(replace(seen, leader=store.leader()))


def _of_etcd(session: Session, facts: FleetFacts, seen: SeenEtcd) -> StoreState:
    store = session.etcd()
    try:
        servers = servers_of_etcd(session, facts)
    except StoreError as e:
        return summarize_etcd(replace(seen, silent=e.message))
    seen = replace(seen, servers=servers)
    if not seen.leader:
        return summarize_etcd(seen)
    with contextlib.suppress(StoreError):
        return summarize_etcd(replace(seen, keys=etcd_facts.keys(store, libnetwork.ROOT)))
    return summarize_etcd(replace(seen, leader=store.leader()))


def servers_of_etcd(
    session: Session, facts: FleetFacts
) -> tuple[tuple[etcd_facts.Member, etcd_facts.Told | str], ...]:
    """All servers that a store in etcd has, with what each says of itself, or why it says nothing. Raises
    `StoreError` where the one that serves does not tell which they are."""
    members = etcd_facts.members(session.etcd())

    def ask(id_: str) -> etcd_facts.Told:
        address = next(its.client for its in members if its.id == id_)
        if not address:
            raise StoreError("it has not begun yet")
        on = next((n for n, its in facts.hosts.items() if its.interfaces.holding(address)), "")
        return etcd_facts.told(session.etcd(on) if on else session.etcd(server=address))

    outcome = each([its.id for its in members], ask, cancel=session.cancel)
    told: dict[str, etcd_facts.Told | str] = {
        **outcome.values,
        **{id_: e.message for id_, e in outcome.errors.items()},
    }
    return tuple((its, told[its.id]) for its in members)


def save(session: Session) -> Backup:
    """A backup of the store as it is. Changes nothing.

    Raises `Refused` where no store runs, and `DeadlineExceeded` where its networks change all the time.
    """
    at = session.serving
    if not session.keys().leader():
        raise Refused(
            "no store answers here that has a leader: there is nothing to back up",
            host=at,
            hint="`fab store-status` shows what is wrong with it",
        )
    if session.fleet.store.in_etcd:
        etcd = session.etcd()
        return of_keys(
            etcd_facts.keys(etcd, libnetwork.ROOT),
            made=datetime.now(UTC),
            made_by=__version__,
            etcd=etcd_facts.told(etcd).version,
            hosts=session.fleet.names,
        )
    store = session.store()
    found: list[Backup] = []

    def saved() -> bool:
        # What the file says of the networks must be what the snapshot holds.
        before = libnetwork.parse(store.tree(libnetwork.ROOT))
        snapshot = store.save()
        after = libnetwork.parse(store.tree(libnetwork.ROOT))
        if before.networks != after.networks:
            return False
        told = about(
            after,
            snapshot,
            made=datetime.now(UTC),
            made_by=__version__,
            consul=store_facts.agent(store).version,
            hosts=session.fleet.names,
        )
        found.append(Backup(told, snapshot))
        return True

    wait_until(
        saved,
        what="a backup while no network is made or removed",
        seconds=SAVE_SECONDS,
        clock=session.clock,
        host=at,
        hint="try again when nobody changes the networks",
    )
    return found[0]


@dataclass(frozen=True)
class Restored:
    """``before`` is the backup of the store as it was, None where it could not be asked. ``repair`` is what
    was mended behind the restore, and ``matrix`` the proof."""

    plan: Plan
    done: Done
    before: Path | None
    repair: Repair
    matrix: Matrix

    @property
    def whole(self) -> bool:
        return self.matrix.green and self.repair.after.healthy


def make_restore(session: Session, backup: Backup, *, force: bool = False) -> tuple[list[Finding], Plan]:
    """What a restore would do, and what is to be known of it before. Changes nothing.

    Raises `Refused`, or `FleetError` of several, with everything that forbids it.
    """
    if session.fleet.store.external:
        raise Refused(
            f"the Consul at {session.fleet.store.place} is somebody else's, and holds more than this overlay",
            hint="`consul snapshot restore` is for who runs it; `fab store-rebuild` writes lost records of "
            "overlays anew",
        )
    live = checkup.look_at_all(session)
    running = ""
    runs = live.fleet.store is not None and live.fleet.store.leader
    if runs and not session.fleet.store.in_etcd:
        running = store_facts.agent(session.store()).version
    found = restore.findings(session.fleet, live, backup.about, running)
    refuse(refusals(f for f in found if not (force and f.check in restore.FORCIBLE)))
    return found, restore.plan(session.fleet, live, backup)


def put_back(
    session: Session,
    plan: Plan,
    keep: Callable[[Backup], Path],
    show: Callable[[Checkup, Plan], None],
) -> Restored:
    """Carry a restore out, mend what joined or left since the backup as far as nobody notices, and prove.

    ``keep`` puts a backup of the store as it is away, and says where; ``show`` is that of `checkup.repair`.
    """
    before = None
    if session.keys().leader():
        session.progress("", "back the store up as it is")
        before = keep(save(session))
        session.progress("", f"the store as it is: {before}")
    world = pipeline.world(session)
    try:
        done = apply(plan, world)
    except OverweaveError as e:
        if before is not None:
            e.also.append(f"the store as it was: `fab store-restore {before}`")
        raise
    _note_what_joined(session, world)
    repair = checkup.repair(session, world, show, _nothing_stops)
    if repair.failed:
        raise repair.failed
    return Restored(plan, done, before, repair, pipeline.proven(session, look(session)))


def _note_what_joined(session: Session, world: World) -> None:
    """Containers that joined since the backup run, and the store does not know them any more."""
    session.progress("", "noting what joined since the backup")
    try:
        recovery.run(session, world, lambda plan: False)
    except (Refused, FleetError) as e:
        # The checkup behind it names those that are left.
        session.progress("", f"not all that joined since the backup can be noted: {e.message}")


def _nothing_stops(plan: Plan) -> bool:
    raise UsageError("what stops something for a moment is left", hint="`fab repair` does it")


def _agents(
    session: Session, facts: FleetFacts, members: tuple[Member, ...]
) -> tuple[dict[str, Agent], dict[str, str]]:
    """What the agents on the hosts of the fleet say of themselves, and why those that don't answer do not."""
    hosts = {
        name: member
        for member in members
        if member.alive
        for name, its in facts.hosts.items()
        if its.interfaces.holding(member.address)
    }
    outcome = each(hosts, lambda name: store_facts.agent(session.store(name)), cancel=session.cancel)
    return outcome.values, {name: e.message for name, e in outcome.errors.items()}
