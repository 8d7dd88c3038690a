"""What the tasks do that change the store's servers: look at how they stand, plan, and carry it out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from . import pipeline, store_part, storekeeping
from .adapters.image_archive import verify
from .apply.run import apply
from .apply.world import Done
from .backup import Backup
from .errors import OverweaveError, Refused, StoreError, UsageError
from .facts import store as store_facts
from .facts.fleet import FleetFacts
from .fleet import each
from .model import Fleet
from .plan import refuse
from .preflight.finding import Finding, refusals
from .servers import change, members, recover, upgrade
from .servers.change import Change
from .servers.standing import Server, Standing, stand
from .session import Session, look_for_store, refuse_without_consul
from .steps import Plan, ProvideImage
from .store_host import sized, told_store
from .store_state import StoreState


@dataclass(frozen=True)
class Planned:
    """``needs``: what is to be written into the inventory after that, "" for nothing. ``servers`` is how the
    store's servers stand, and ``after`` which hosts are to carry one."""

    findings: list[Finding]
    plan: Plan
    needs: str
    servers: Standing
    after: tuple[str, ...]


def look_at(session: Session, at: str = "") -> tuple[FleetFacts, Standing]:
    """``at``: the host whose server is asked for the others; "" for any that has a leader.

    Changes nothing, and marks that host in ``session.running_on``.
    """
    facts = look_for_store(session)
    if session.fleet.store.in_etcd:
        return facts, _look_at_etcd(session, facts)
    running = [name for name in session.fleet.names if _runs(facts, name)]
    agents = each(running, lambda name: store_facts.agent(session.store(name)), cancel=session.cancel).values
    # A client agent without a leader to ask takes long to say so.
    asked = [at] if at else sorted(agents, key=lambda name: not agents[name].server)
    told = [name for name in asked if name in agents]
    for name in told:
        with contextlib.suppress(StoreError):
            if leader := session.store(name).leader():
                store = session.store(name)
                its = stand(facts, leader, store_facts.peers(store), store_facts.members(store), agents)
                session.running_on = its.leading or name
                return facts, its
    for name in told:
        with contextlib.suppress(StoreError):
            store = session.store(name)
            known = store_facts.peers_as_known(store)
            return facts, stand(facts, "", known, store_facts.members(store), agents)
    return facts, Standing(agents=agents)


def _look_at_etcd(session: Session, facts: FleetFacts) -> Standing:
    for name in [name for name in session.fleet.names if _runs(facts, name)]:
        session.running_on = name
        with contextlib.suppress(StoreError):
            its = members.stand(
                facts, session.etcd(name).leader(), storekeeping.servers_of_etcd(session, facts)
            )
            if its.leader:
                return its
    return Standing()


def _runs(facts: FleetFacts, name: str) -> bool:
    there = store_part.there(facts.hosts[name])
    return there is not None and there.running


def make_change(
    session: Session,
    wanted: Fleet,
    *,
    add: str | None = None,
    remove: str = "",
    replace_by: str | None = None,
    gone: Collection[str] = (),
) -> Planned:
    """``wanted`` is as the inventory has it. ``add``, or ``replace_by`` in the place of the one that is
    removed, is to carry a server: "" for the best host, None for none; ``add`` may be several with commas.
    ``gone``: names and addresses of a
    host that is none of the session's, and whose server is removed.

    Raises `Refused`, or `FleetError` of several, with everything that forbids it.
    """
    several = tuple(dict.fromkeys(word.strip() for word in (add or "").split(",") if word.strip()))
    for name in (*several, *filter(None, (remove, replace_by))):
        known(session.fleet, name)
    facts, standing = look_at(session)
    dead = dead_server(facts, standing, gone) if gone and standing.servers else None
    comes = add if replace_by is None else replace_by
    if replace_by == "" and change.left(standing, remove, dead) >= wanted_servers(wanted):
        # A run that was broken off has brought the other one already.
        comes = None
    if comes == "":
        comes = change.by_whom(session.fleet, facts, standing, remove)
        if not comes and standing.leader:
            raise Refused(
                "there is no other host that could carry a server",
                hint="add one to the inventory and `fab deploy-overlay`, or `fab store-remove-server`",
            )
    coming = several if comes == add else (comes,) if comes else ()
    wants = Change(coming, (remove,) if remove else (), dead)
    found = change.findings(session.fleet, facts, standing, wants)
    in_etcd = session.fleet.store.in_etcd
    if in_etcd and not refusals(found):
        found += members.findings(session.fleet, standing, wants)
    refuse(refusals(found))
    after = change.servers_after(session.fleet, standing, wants)
    plan = (members if in_etcd else change).plan(session.fleet, facts, standing, wants)
    if in_etcd:
        session.running_on = members.at(standing, wants) or session.running_on
    return Planned(found, plan, change.inventory_needs(wanted, after), standing, after)


def make_upgrade(session: Session, wanted: Fleet, image: str) -> Planned:
    """Raises as `make_change`, and `UsageError` where the image's archive is none of it."""
    facts, standing = look_at(session)
    refuse_without_consul(session.fleet)
    found = upgrade.findings(session.fleet, facts, standing, image)
    refuse(refusals(found))
    fleet = replace(session.fleet, store=replace(session.fleet.store, image=image))
    refuse(pipeline.missing_archives(fleet))
    plan = upgrade.plan(session.fleet, facts, standing, image)
    for step in plan.steps:
        if isinstance(step, ProvideImage) and step.archive:
            verify(image, step.archive)
            break
    after = tuple(name for name in session.fleet.names if standing.of(name))
    return Planned(found, plan, upgrade.inventory_needs(wanted, image), standing, after)


def wanted_servers(fleet: Fleet) -> int:
    """How many hosts of a fleet, as its inventory has it, are to carry a server; 2 at least, if there are
    as many."""
    marks = sum(host.store for host in fleet.hosts)
    wanted = max(fleet.store.servers or marks or sized(len(fleet.hosts)), change.FEWEST)
    return min(wanted, len(fleet.hosts))


def make_recovery(session: Session, wanted: Fleet, host: str) -> Planned:
    """Raises as `make_change`."""
    known(session.fleet, host)
    facts, standing = look_at(session, host)
    refuse_without_consul(session.fleet)
    found = recover.findings(session.fleet, facts, standing, host)
    refuse(refusals(found))
    plan = recover.plan(session.fleet, facts, standing, host)
    session.running_on = host
    after = tuple(name for name in session.fleet.names if standing.of(name))
    return Planned(found, plan, change.inventory_needs(wanted, after), standing, after)


def carry_out(
    session: Session, planned: Planned, keep: Callable[[Backup], Path] | None = None
) -> tuple[Done, StoreState]:
    """``keep`` puts a backup of the store as it is away, before anything is changed, and says where."""
    kept = None
    if keep is not None:
        session.progress("", "back the store up as it is")
        kept = keep(storekeeping.save(session))
        session.progress("", f"the store as it is: {kept}")
    try:
        done = apply(planned.plan, pipeline.world(session))
    except OverweaveError as e:
        if kept is not None:
            e.also.append(f"the store as it was: `fab store-restore {kept}`")
        raise
    return done, storekeeping.status(session)


def known(fleet: Fleet, host: str) -> None:
    """Raises `UsageError` unless a host is one of the fleet's."""
    if host not in fleet.names:
        raise UsageError(f"{host} is none of the hosts given", hint=f"they are {', '.join(fleet.names)}")


def dead_server(facts: FleetFacts, standing: Standing, names: Collection[str]) -> Server | None:
    """The server of a host by any of its names and addresses; None where raft counts on it no more, and only
    lists on the hosts have it: autopilot takes one that failed out by itself.

    Raises `Refused` where it is alive, or nobody knows it.
    """
    for server in standing.servers:
        if server.host or not {server.name, server.ip} & {*names}:
            continue
        if server.alive:
            raise Refused(
                f"server {server.told} is alive: the others hear from it",
                hint="leave --dead out, so that it is asked to leave; or stop it first",
            )
        return server
    listed = {a for its in facts.hosts.values() for a in told_store(its)}
    listed -= {str(a.ip) for its in facts.hosts.values() for i in its.interfaces.all for a in i.addresses}
    called = {its.address for its in standing.members if its.name in names and not its.alive}
    if listed & {*names, *called}:
        return None
    others = [server.told for server in standing.servers if not server.host]
    raise Refused(
        f"the store knows no server of {' or '.join(sorted(names))} that is gone",
        hint=f"servers that are none of the hosts given: {', '.join([*others, *sorted(listed)]) or 'none'}; "
        "name one by its address",
    )
