"""Hosts that come and go: what `fab add-host`, `remove-host` and `replace-host` do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from . import checkup, departure, departure_swarm, pipeline, whereabouts
from .apply.gossip import view
from .apply.run import apply
from .apply.world import Done
from .departure import Known
from .errors import DeadlineExceeded, EngineError, OverweaveError, Refused
from .facts import networks, swarm
from .facts import store as store_facts
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .facts.libnetwork import NODES
from .facts.live import Live
from .facts.store import Member
from .facts.typed import ipv4
from .facts.unit import Unit
from .fleet import each
from .model import Fleet, Host
from .overlay import addresses
from .plan import BACKENDS, refuse
from .preflight.finding import refusals
from .preflight.moving import under_way
from .prove.matrix import Matrix
from .proving import noted
from .reconcile.plan import carries_listed, departing
from .session import Session, look
from .steps import Plan, Stage, make_plan
from .store_host import settle
from .waiting import wait_until

ROUNDS = 4
"""Plans that may follow each other until nobody knows the host: rows that a packet brings back in between."""
SILENT_SECONDS = 20.0
"""Till its peers give up an engine that was switched off: 4 to 8 s in small fleets (measured)."""
MISSED_SECONDS = 30.0
"""Till a swarm's managers miss a node: three heartbeats of 5 s, and 1 s (swarmkit)."""

Before = Callable[[Plan], None]
"""Is shown a plan, and may raise: then nothing has changed."""


@dataclass(frozen=True)
class Change:
    """``address`` is the one that a host had which goes, "" where nobody knew one. ``matrix`` is None where a
    proof of this very state is noted, or the network is not there."""

    plan: Plan
    done: Done
    address: str
    matrix: Matrix | None


def make_add(session: Session, names: Collection[str]) -> Plan:
    """What adding these hosts would do; raises `Refused` with everything that forbids it."""
    checked, facts = pipeline.preflight(session)
    return pipeline.make(session, facts, checked=checked, about=names)


def add(session: Session, names: Collection[str], before: Before) -> Change:
    """Deploy on these hosts only, and prove all pairs. Of the others nothing changes but their boot units'
    lists of peers: where more would have to, it is refused."""
    made = pipeline.deploy(session, about=names, before=before)
    if made.plan:
        # An engine whose books have an earlier container at the same address and VTEP writes no rows for a
        # new one, also where that was on another machine (measured); the first packets hide it.
        checkup.mend_rows(session, pipeline.world(session))
    return Change(made.plan, made.done, "", made.matrix)


def make_leave(
    session: Session, name: str, *, disconnect: bool = False, address: str = ""
) -> tuple[Plan, str]:
    """What taking a host out that answers would do, and the address that it had, which may be given.

    Raises `Refused`, or `FleetError` of several, with everything that forbids it.
    """
    rest = [other for other in session.fleet.names if other != name]
    if not rest:
        raise Refused(
            "it is the only host", host=name, hint="`fab destroy-overlay` takes the overlay away from it"
        )
    live = _look(session)
    if session.fleet.in_swarm:
        known_by = address or live.vteps.get(name, "")
        made = departure_swarm.leaving(session.fleet, live, name, disconnect=disconnect)
        return Plan((*_listed(session, live, name), *made.stages)), known_by
    address = address or live.vteps.get(name) or live.chosen.get(name, "")
    refuse(departure.refused(session.fleet, live, name, address, disconnect=disconnect))
    known = _known(session)
    fleet, others = _others(session.fleet, live, rest)
    held = {a.endpoint for a in live.hosts[name].attachments or ()}
    gone = departure.without(others, address, held)
    first = departure.leaving(session.fleet, live, name)
    left = departure.endpoints_at(others, address)
    then = departure.forgetting(fleet, gone, name, address, known, session.serving, left)
    return Plan((*_listed(session, live, name), *first, *then, *_boot_units(gone))), address


def leave(session: Session, name: str, before: Before, *, disconnect: bool = False) -> Change:
    """Take a host out in order, till it is as it was and nobody knows it any more; prove the others."""
    plan, address = make_leave(session, name, disconnect=disconnect)
    rest = [other for other in session.fleet.names if other != name]
    made, done = _until_gone(
        session, plan, lambda: make_leave(session, name, disconnect=disconnect, address=address)[0], before
    )
    return _proven(session, rest, Change(made, done, address, None))


def make_forget(session: Session, name: str, host: Host | None, *, given: str = "") -> tuple[Plan, str]:
    """What taking out a host that is gone would do, and the address that it had. The host may be one of the
    session: then a new machine has its name, and only what the old one has left is looked at. ``host`` is the
    inventory's; ``given``: the address, where that is known.

    Raises `Refused`, or `FleetError` of several, with everything that forbids it.
    """
    rest = [other for other in session.fleet.names if other != name]
    there = name in session.fleet.names
    live = _look(session)
    if session.fleet.in_swarm:
        # One that is reached elsewhere than it advertises is known by its name.
        listed = {node.address for node in live.fleet.swarm.nodes.values()} if live.fleet.swarm else set()
        reached = host.access.address if host and not there else ""
        address = given or (reached if reached in listed else "")
        if departure_swarm.answers(live.fleet.swarm, name, ipv4(address)):
            live = _await_down(session, live, name, ipv4(address))
        return departure_swarm.forgetting(session.fleet, live, name, ipv4(address))
    if live.records is None:
        raise departure.no_store(name)
    known = _known(session)
    strangers = whereabouts.strangers(live, known.members, rest)
    if there and carries(live.fleet, name):
        own = {str(a.ip) for i in live.fleet.hosts[name].interfaces.all for a in i.addresses}
        strangers = {at: names for at, names in strangers.items() if at not in own}
    address = whereabouts.find(name, host, strangers, given, moved=there)
    fleet, others = _others(session.fleet, live, rest)
    if not address:
        return Plan(), ""
    _refuse_own(others, name, address)
    refuse(departure.unnamed(live, name, address))
    refuse(departure.of_dead_server(fleet, others, name, address))
    if there and not live.fleet.hosts[name].interfaces.holding(address):
        refuse(departure.of_moved_server(others, name, address))
    if departure.alive(others, known.members, address):
        _await_silence(session, others, name, address)
        return make_forget(session, name, host, given=address)
    gone = departure.without(others, address)
    refuse(departure.unforgettable(fleet, gone, address))
    left = departure.endpoints_at(gone, address)
    first = departure.forgetting(fleet, gone, name, address, known, session.serving, left)
    if there:
        return Plan(first), address
    of_store = departure.settings(fleet, gone, address)
    refuse(departure.too_much(of_store))
    return Plan((*first, *(of_store.stages or _boot_units(gone)))), address


def forget(session: Session, name: str, host: Host | None, before: Before, *, given: str = "") -> Change:
    """Take out a host that is gone for good, without it, and prove the others."""
    plan, address = make_forget(session, name, host, given=given)
    made, done = _until_gone(
        session, plan, lambda: make_forget(session, name, host, given=address)[0], before
    )
    return _proven(session, session.fleet.names, Change(made, done, address, None))


def make_replace(session: Session, name: str, *, given: str = "") -> tuple[Plan, Plan, str]:
    """What forgetting the old machine of a host would do, then what adding the new one would, and the address
    of the old one. Raises `Refused` with everything that forbids the one or the other."""
    gone, address = make_forget(session, name, session.fleet.host(name), given=given)
    return gone, make_add(session, (name,)), address


def swap(session: Session, name: str, before: Before, *, given: str = "") -> Change:
    """Forget a machine that is gone for good, and add the one that has its name now."""
    gone, added, address = make_replace(session, name, given=given)
    shown = Plan(gone.stages + added.stages)
    before(shown)
    host = session.fleet.host(name)
    made, done = _until_gone(
        session, gone, lambda: make_forget(session, name, host, given=address)[0], lambda plan: None
    )

    def again(plan: Plan) -> None:
        # The look before it was taken beside the old machine's traces.
        if plan and plan != added:
            before(plan)

    then = add(session, (name,), again)
    done.steps += then.done.steps
    return Change(Plan(made.stages + then.plan.stages), done, address, then.matrix)


def carries(facts: FleetFacts, name: str) -> bool:
    """Whether anything of a deployment is on a host."""
    its = facts.hosts[name]
    drop_in = isinstance(its.unit, Unit) and bool(its.unit.drop_in)
    return drop_in or its.before is not None or bool(its.boot.files) or bool(its.store_config)


def _look(session: Session) -> Live:
    live = checkup.look_at_all(session)
    refuse(refusals(under_way(session.fleet, live.fleet)))
    return live


def _listed(session: Session, live: Live, name: str) -> tuple[Stage, ...]:
    """What takes away the networks that a host has because an inventory lists them. Raises `Refused` where
    containers are on them that nobody of ours has connected."""
    if not carries_listed(live.fleet.hosts[name]):
        return ()
    seen = networks.look(session.hosts[name], devices=False)
    made = departing(session.fleet, live.fleet, seen, departure.WHY)
    refuse(made.refused)
    return made.plan.stages


def _known(session: Session) -> Known:
    in_etcd = session.fleet.store.in_etcd
    return Known(
        members=_agents(session),
        peers=() if in_etcd else store_facts.peers(session.store()),
        registered={key.removeprefix(NODES): value for key, value in session.keys().tree(NODES).items()},
    )


def _agents(session: Session) -> Sequence[Member]:
    """Of the store, which etcd has none of."""
    return () if session.fleet.store.in_etcd else store_facts.members(session.store())


def _others(fleet: Fleet, live: Live, names: Sequence[str]) -> tuple[Fleet, Live]:
    """The fleet and its facts without the host that goes, as a deployment of the others would see them."""
    its = departure.only(live, names)
    rest = settle(replace(fleet, hosts=tuple(h for h in fleet.hosts if h.name in names)), its.fleet.hosts)
    advertise, _ = addresses(rest, its.fleet)
    return rest, replace(its, chosen={name: a.address for name, a in advertise.items()})


def _boot_units(live: Live) -> tuple[Stage, ...]:
    return make_plan(Stage("boot units", tuple(departure.boot_units(live)))).stages


def _await_down(session: Session, live: Live, name: str, address: str) -> Live:
    """A host that has just lost its power is ready to the managers till they miss three heartbeats of it. One
    that is ready then does answer, and is refused by `departure_swarm`."""
    at = live.fleet.manager(session.fleet.names, besides=name)
    if not at:
        return live
    session.progress("", f"{name} is still ready to the swarm's managers: wait until they miss it")
    seen = [live.fleet.swarm]

    def missed() -> bool:
        with contextlib.suppress(EngineError):
            seen.append(swarm.look(session.hosts[at].engine))
        return not departure_swarm.answers(seen[-1], name, address)

    with contextlib.suppress(DeadlineExceeded):
        wait_until(missed, what="", seconds=MISSED_SECONDS, clock=session.clock)
    return replace(live, fleet=replace(live.fleet, swarm=seen[-1]))


def _refuse_own(live: Live, name: str, address: str) -> None:
    for other, its in live.fleet.hosts.items():
        if its.interfaces.holding(address):
            raise Refused(
                f"{address} is an address of {other}, which answers",
                host=name,
                hint="name the address that the host had which is gone: --address ADDRESS",
            )


def _await_silence(session: Session, live: Live, name: str, address: str) -> None:
    """Raises `Refused` where an engine or an agent at an address goes on to answer its peers."""
    session.progress("", f"{address} has just answered: wait until the others have given it up")
    at = {other: str(its.address) for other, its in live.fleet.views.items()}

    def silent() -> bool:
        views = each(at, lambda other: view(session.hosts[other], at[other]), cancel=session.cancel).all()
        seen = {other: its for other, its in views.items() if its is not None}
        now = replace(live, fleet=replace(live.fleet, views=seen))
        return not departure.alive(now, _agents(session), address)

    try:
        wait_until(silent, what="", seconds=SILENT_SECONDS, clock=session.clock)
    except DeadlineExceeded:
        raise Refused(
            f"it is not gone: {address} still answers the engines or the store's agents of the others",
            host=name,
            hint=f"`fab remove-host {name}` takes a host out that answers; else power it off",
        ) from None


def _until_gone(session: Session, plan: Plan, again: Callable[[], Plan], before: Before) -> tuple[Plan, Done]:
    """Carry a plan out, and what is still to be done then. Only the first is shown."""
    before(plan)
    done, made = Done(), Plan()
    for _ in range(ROUNDS):
        if not plan:
            return made, done
        apply(plan, pipeline.world(session), done)
        made = Plan(made.stages + plan.stages)
        plan = again()
    if plan:
        raise OverweaveError(
            "after the changes something of the host is still there:\n"
            + "\n".join(f"    {step.host}: {step} ({step.why})" for step in plan.steps),
            hint="run the same command again; `fab doctor` shows what else is wrong",
        )
    return made, done


def _proven(session: Session, names: Sequence[str], change: Change) -> Change:
    """With the proof of the hosts that stay, where the network is there and was not proven since."""
    rest = replace(
        session,
        fleet=replace(session.fleet, hosts=tuple(h for h in session.fleet.hosts if h.name in names)),
        hosts={name: session.hosts[name] for name in names},
    )
    facts = look(rest)
    if BACKENDS[rest.fleet.backend](rest.fleet, facts):
        session.progress("", "on the others `fab deploy-overlay` has something to do: see `fab plan-overlay`")
    engines = [its.engine for its in facts.hosts.values()]
    if not all(isinstance(e, Engine) and e.network(rest.fleet.network.name) for e in engines):
        return change
    if not change.plan and noted(rest, facts):
        return change
    return replace(change, matrix=pipeline.proven(rest, facts))
