"""What `fab prove-services` does: services on all nodes of a swarm, asked from everywhere, and gone again."""

from __future__ import annotations

from dataclasses import replace

from . import proving
from .command import query_script
from .errors import Refused
from .facts.engine import Engine
from .facts.fleet import FleetFacts
from .facts.swarm import ACTIVE, READY
from .fleet import each
from .overlay import addresses
from .plan import refuse
from .prove import services
from .prove.service_matrix import NEEDS_IPVS, ServiceProof
from .session import Session, look

IPVS = "[ -e /proc/net/ip_vs ] || modprobe -n -q ip_vs"
"""The engine loads the module when it makes the first virtual address."""


def prove(session: Session) -> ServiceProof:
    """Prove services of the swarm, from every host to a replica on every host.

    Raises `Refused` where there is no swarm, no overlay network, or no container that stands on it.
    """
    facts = look(session)
    fleet = session.fleet
    started = session.clock.monotonic()
    if not fleet.in_swarm:
        raise Refused(
            "services are a swarm's, and these hosts are in none",
            hint="`fab backends` shows what else these engines can do",
        )
    manager = _manager(session, facts)
    engines = {n: its for n in fleet.names if isinstance(its := facts.hosts[n].engine, Engine)}
    stands = proving.stands(fleet, facts)
    networks = {n.id for its in engines.values() if (n := its.network(fleet.network.name)) is not None}
    lacking = [name for name in fleet.names if name not in stands]
    if lacking or len(networks) != 1:
        where = ", ".join(lacking or fleet.names)
        raise Refused(
            f"no container of Overweave's is on the network {fleet.network.name} on {where}",
            hint="`fab deploy-overlay` makes the network, and one on every host",
        )
    chosen, refused = addresses(fleet, facts)
    refuse(refused)
    with services.running(
        session.hosts,
        manager,
        _nodes(session, facts),
        image=fleet.images.probe,
        network_id=networks.pop(),
        clock=session.clock,
        cancel=session.cancel,
        progress=session.progress,
    ) as running:
        session.progress("", f"services: asked from {len(fleet.hosts)} hosts")
        checks = services.ask(
            session.hosts,
            stands,
            {name: its.address for name, its in chosen.items()},
            running,
            cancel=session.cancel,
        )
    found = ServiceProof(fleet.network.name, fleet.names, checks)
    without = _without_ipvs(session) if any(kind in NEEDS_IPVS for _, kind in found.red) else ()
    spent = session.clock.monotonic() - started
    return replace(found, without_ipvs=without, seconds=spent)


def _manager(session: Session, facts: FleetFacts) -> str:
    """A host whose engine manages the swarm, and has a leader."""
    leads = facts.swarm is not None and facts.swarm.leader
    found = facts.manager(session.fleet.names) if leads else ""
    if not found:
        raise Refused(
            "no host here is a manager of the swarm that has a leader",
            hint="`fab status` shows the managers; name one with -H, too",
        )
    return found


def _nodes(session: Session, facts: FleetFacts) -> dict[str, str]:
    """Hosts by the id of their node. Raises `Refused` where the swarm gives one no replica."""
    nodes = facts.swarm.nodes if facts.swarm is not None else {}
    found = {}
    for name in session.fleet.names:
        engine = facts.hosts[name].engine
        node = nodes.get(engine.member.node) if isinstance(engine, Engine) else None
        if node is None or node.state != READY or node.availability != ACTIVE:
            how = f"{node.state}, {node.availability}" if node else "unknown"
            raise Refused(
                f"the swarm runs no replica on {name}: its node is {how}",
                hint="see `docker node ls` on a manager; `docker node update --availability active`",
            )
        found[node.id] = name
    return found


def _without_ipvs(session: Session) -> tuple[str, ...]:
    def lacks(name: str) -> bool:
        (answer,) = session.hosts[name].ask(query_script(IPVS))
        return not answer.ok

    lacking = each(session.fleet.names, lacks, cancel=session.cancel).values
    return tuple(name for name, its in lacking.items() if its)
