"""From faults to a plan: the least intrusive first, and engines last, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import TypeVar

from overweave.advertise import ENGINE_PORT
from overweave.facts.engine import Engine
from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.overlay import users_containers
from overweave.steps import (
    AwaitLeader,
    DisconnectEndpoint,
    HoldAddresses,
    JoinGossip,
    MendRows,
    PassGate,
    Plan,
    RejoinNetwork,
    RemoveVxlan,
    RestartEngine,
    Stage,
    Step,
    UnlockSwarm,
    make_plan,
)

from .endpoints import holding
from .fault import Fault
from .places import find

S = TypeVar("S")


def asking(faults: Sequence[Fault]) -> dict[str, tuple[DisconnectEndpoint, ...]]:
    """The steps that are only right if a host does not come back, by that host's address."""
    found: dict[str, tuple[DisconnectEndpoint, ...]] = {}
    for fault in faults:
        for step in fault.remedies:
            if isinstance(step, DisconnectEndpoint) and step.asks:
                found[step.gone] = (*found.get(step.gone, ()), step)
    return found


def repair(
    fleet: Fleet,
    live: Live,
    faults: Sequence[Fault],
    gone: Collection[str] = (),
    done: Iterable[Step] = (),
) -> Plan:
    """The remedies of all faults, each once. ``gone``: addresses of hosts that won't come back. What was
    ``done`` and stopped something is not done again: it has not helped."""
    stopped = {key for step in done if (key := _stops(step))}
    steps = [
        step
        for fault in faults
        for step in fault.remedies
        if not (isinstance(step, DisconnectEndpoint) and step.asks and step.gone not in gone)
        and _stops(step) not in stopped
    ]
    gossip = _of(steps, JoinGossip, lambda s: "all")
    holds = _of(steps, HoldAddresses, lambda s: s.key)
    rows = _of(steps, MendRows, lambda s: s)
    disconnects = _of(steps, DisconnectEndpoint, lambda s: s.endpoint)
    devices = _of(steps, RemoveVxlan, lambda s: (s.host, s.namespace, s.device))
    rejoins = _of(steps, RejoinNetwork, lambda s: (s.host, s.container, s.network))
    restarts = _of(steps, RestartEngine, lambda s: s.host)
    return make_plan(
        Stage("locked managers", _of(steps, UnlockSwarm, lambda s: s.host)),
        Stage("gossip", gossip),
        Stage("addresses", holds),
        Stage("rows", _by_namespace(rows)),
        Stage("stale endpoints", disconnects),
        Stage("addresses that stay", _staying(fleet, live, disconnects)),
        Stage("left devices", devices),
        Stage("new addresses", rejoins),
        *_restarts(fleet, live, restarts),
    )


def _stops(step: Step) -> tuple[str, ...]:
    """What a step stops for a moment; empty where that is nothing."""
    if isinstance(step, RestartEngine):
        return (step.host,)
    return (step.host, step.container, step.network) if isinstance(step, RejoinNetwork) else ()


def apart(plan: Plan) -> tuple[Plan, Plan]:
    """What nobody notices, and what stops something for a moment, which is asked for."""

    def stops(stage: Stage) -> bool:
        return any(isinstance(step, RejoinNetwork | RestartEngine | PassGate) for step in stage.steps)

    return (
        make_plan(*(stage for stage in plan.stages if not stops(stage))),
        make_plan(*(stage for stage in plan.stages if stops(stage))),
    )


def _of(steps: Iterable[Step], kind: type[S], same: Callable[[S], Hashable]) -> tuple[S, ...]:
    """Steps of one kind; of those that are the same, the first."""
    found: dict[Hashable, S] = {}
    for step in steps:
        if isinstance(step, kind):
            found.setdefault(same(step), step)
    return tuple(found.values())


def _by_namespace(steps: Iterable[MendRows]) -> tuple[MendRows, ...]:
    """One step for each namespace and device: a round trip or two mend all of its rows."""
    groups: dict[tuple[str, str, str], list[MendRows]] = {}
    for step in steps:
        groups.setdefault((step.host, step.namespace, step.device), []).append(step)
    return tuple(
        MendRows(
            host=its[0].host,
            why=its[0].why if len(its) == 1 else f"{len(its)} faults in the rows, as {its[0].why}",
            network=its[0].network,
            namespace=namespace,
            device=device,
            write=tuple(dict.fromkeys(row for step in its for row in step.write)),
            drop_neighbours=tuple(dict.fromkeys(a for step in its for a in step.drop_neighbours)),
            drop_forwarding=tuple(dict.fromkeys(f for step in its for f in step.drop_forwarding)),
        )
        for (_, namespace, device), its in groups.items()
    )


def _staying(
    fleet: Fleet, live: Live, disconnects: Iterable[DisconnectEndpoint]
) -> tuple[HoldAddresses, ...]:
    """An engine that lets go of an address notes it as free, also where another has the same: a container,
    one of an engine that was not asked, or the gateway."""
    going = {step.endpoint for step in disconnects}
    freed = {
        (e.network, e.address) for e in (live.records.endpoints if live.records else ()) if e.id in going
    }
    places = find(live)
    used = {place.key for place in places.live.values()}
    used |= {(e.network, e.address) for its in places.unseen.values() for e in its}
    for network in live.records.networks.values() if live.records else ():
        used |= {(network.id, subnet.gateway) for subnet in network.subnets}
    why = "another endpoint had the same address, and gave it back"
    kept = sorted(key for key in freed & used if key[1])
    steps = (holding(fleet, live, network, (address,), why) for network, address in kept)
    return tuple(step for step in steps if step)


def _restarts(fleet: Fleet, live: Live, steps: Sequence[RestartEngine]) -> list[Stage]:
    """Each behind the gate of the one before, the store's hosts last: Consul restarts with its engine."""
    # Those that are still to be restarted may be missing from the gossip.
    gossiping = [name for name in live.carrying if name in live.vteps and name in live.fleet.views]
    stages = []
    for step in sorted(steps, key=lambda s: s.host in fleet.servers):
        engine = live.fleet.hosts[step.host].engine
        of_store = step.host in fleet.servers
        leader = (AwaitLeader(step.host, "Consul restarts with its engine"),) if of_store else ()
        vtep = "" if fleet.in_swarm else live.vteps.get(step.host, "")
        if vtep:
            gossiping = list(dict.fromkeys([*gossiping, step.host]))
        gate = PassGate(
            "",
            "an engine restarts",
            (step.host,),
            {step.host: f"{vtep}:{ENGINE_PORT}"} if vtep else {},
            {name: live.vteps[name] for name in gossiping},
            {step.host: users_containers(engine) if isinstance(engine, Engine) else ()},
            started=True,
        )
        stages += [
            Stage(f"engine of {step.host}", (step, *leader), guarded=True),
            Stage(f"gate of {step.host}", (gate,)),
        ]
    return stages
