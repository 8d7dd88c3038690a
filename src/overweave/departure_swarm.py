"""How a host leaves a swarm: taken out in order, or off its list where it is gone for good. Pure."""

from __future__ import annotations

from . import boot, teardown
from .backends import swarm
from .departure import WHY, engine_down, users_on_overlays
from .errors import Refused
from .facts.engine import Engine
from .facts.live import Live
from .facts.swarm import READY, Node, SwarmFacts
from .model import ANCHOR_LABEL, PROBE_LABEL, Fleet
from .overlay import gateway_bridge
from .steps import (
    ChangeRole,
    LeaveNetwork,
    LeaveSwarm,
    Plan,
    RemoveContainer,
    RemoveNode,
    Stage,
    Step,
    make_plan,
    some,
)

TASK = "com.docker.swarm.task.id"
"""Label of the containers that the swarm itself runs."""
NO_LEADER = "the swarm has no leader: no host can be taken out of it"


def leaving(fleet: Fleet, live: Live, name: str, *, disconnect: bool) -> Plan:
    """What takes out a host that answers; empty where nothing of it is there. Raises `Refused`."""
    its = live.fleet.hosts[name]
    engine = its.engine
    if not isinstance(engine, Engine) or not engine.running:
        why = engine.reason if isinstance(engine, Engine) else engine.why
        raise engine_down(name, why)
    served = {c.name for c in engine.containers if TASK in c.labels}
    users = [a for a in users_on_overlays(live, name) if engine.member.there and a.container not in served]
    tasks = [c.name for c in engine.containers if c.name in served and c.running]
    if tasks:
        raise Refused(
            f"services run here: {some(tasks)}",
            host=name,
            hint=f"`docker node update --availability drain {its.identity.hostname}` on a manager moves them",
        )
    if users and not disconnect:
        raise Refused(
            f"containers are on the overlay here: {some(f'{a.container} ({a.network_name})' for a in users)}",
            host=name,
            hint="move or remove them, or add --disconnect to take them off it: they run on without it",
        )
    node = _node_of(live, engine.member.node, its.identity.hostname)
    at = live.fleet.manager(fleet.names, besides=name)
    if engine.member.there and not at:
        raise Refused(
            "no other manager of its swarm is among these hosts: without it the overlay is gone from all",
            host=name,
            hint="`fab destroy-overlay` takes it away from all; `swarm: managers: 3` makes more managers",
        )
    left: list[Step] = [LeaveSwarm(name, WHY)] if engine.member.there else []
    return make_plan(
        Stage(
            "containers off the overlay",
            tuple(LeaveNetwork(name, WHY, a.container, a.network, a.network_name) for a in users),
        ),
        Stage(
            "anchor, probes and boot unit",
            (
                *boot.remove(name, its.boot),
                *(
                    RemoveContainer(name, WHY, c.name)
                    for c in engine.containers
                    if {ANCHOR_LABEL, PROBE_LABEL} & c.labels.keys()
                ),
            ),
        ),
        Stage("fewer managers", tuple(_demoted(at, node, name))),
        Stage("the swarm", tuple(left)),
        Stage("its node", (RemoveNode(at, WHY, node.id, name),) if node and at else ()),
        Stage("what the engine made", tuple(gateway_bridge(its, swarm.MADE))),
        Stage("what was brought along", tuple(teardown.brought_along(fleet, its))),
    )


def forgetting(fleet: Fleet, live: Live, name: str, address: str) -> tuple[Plan, str]:
    """What takes a host that is gone off the list of nodes, and its address; ``fleet`` and ``live`` are of
    the others. An empty plan where nobody knows it. Raises `Refused`."""
    its = live.fleet.swarm
    if its is None or not its.leader:
        raise Refused(NO_LEADER, host=name, hint="`fab doctor` tells of the managers")
    node = _named(its, name, address)
    if node is None:
        return Plan(), address
    if node.state == "ready":
        raise Refused(
            f"it is not gone: its node at {node.address} answers the swarm's managers",
            host=name,
            hint=f"`fab remove-host {name}` takes a host out that answers; else power it off",
        )
    at = live.fleet.manager(fleet.names, besides=name)
    if not at:
        raise Refused(NO_LEADER, host=name, hint="name a host that is a manager, too")
    return (
        make_plan(
            Stage("fewer managers", tuple(_demoted(at, node, name))),
            Stage("its node", (RemoveNode(at, "it is gone for good", node.id, name),)),
        ),
        node.address,
    )


def answers(its: SwarmFacts | None, name: str, address: str) -> bool:
    """Whether the managers take a host that is said to be gone for one that is there."""
    node = _named(its, name, address) if its else None
    return node is not None and node.state == READY


def _node_of(live: Live, id_: str, hostname: str) -> Node | None:
    """A host's node; of one that has left already, the one of its name that is down."""
    nodes = live.fleet.swarm.nodes if live.fleet.swarm else {}
    left = (node for node in nodes.values() if not id_ and node.name == hostname and node.state == "down")
    return nodes.get(id_) or next(left, None)


def _demoted(at: str, node: Node | None, name: str) -> list[Step]:
    """A node that manages is a worker before it goes, or the others count on its vote."""
    return [ChangeRole(at, WHY, node.id, name, manager=False)] if at and node and node.manager else []


def _named(its: SwarmFacts, name: str, address: str) -> Node | None:
    """By its address, if that is known, else by its name; of several, one that does not answer."""
    nodes = its.nodes.values()
    found = [n for n in nodes if (n.address == address if address else name in (n.name, n.address))]
    # A machine that was made anew has the address, and the name, of the one that is gone.
    return min(found, key=lambda n: n.state == "ready", default=None)
