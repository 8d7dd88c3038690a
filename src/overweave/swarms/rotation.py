"""What the nodes of a swarm know each other by, made anew: certificates, join tokens. Pure."""

from __future__ import annotations

from overweave.errors import Refused
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.swarm import SwarmFacts
from overweave.model import Fleet
from overweave.preflight.engine import version
from overweave.steps import Plan, RenewAuthority, RenewJoinTokens, Stage, make_plan, some

ASKED = "it was asked for"
FIRST_WITH_ROTATION = (17, 6)


def certificates(fleet: Fleet, facts: FleetFacts) -> Plan:
    """A new authority, and a certificate of it for each node, those of other fleets too. No engine restarts.

    Raises `Refused` where it could not come to its end, or would take the swarm off somebody else's
    authority.
    """
    at, swarm = manager_of(fleet, facts)
    engines = {name: e for name in fleet.names if (e := _engine(facts, name))}
    if old := [name for name, e in engines.items() if version(e.version) < FIRST_WITH_ROTATION]:
        raise Refused(
            f"the engine of {some(old)} can't take certificates of another authority",
            hint="Docker 17.06 is the first that can",
        )
    if swarm.cluster.external:
        raise Refused(
            f"certificates of this swarm come from {swarm.cluster.external}, and not from its managers",
            hint="`docker swarm ca --rotate --external-ca … --ca-cert …` by who runs that",
        )
    if away := [node for node in swarm.nodes.values() if not node.ready]:
        raise Refused(
            f"these nodes don't answer, and could get no certificate: {some(node.name for node in away)}",
            hint="start them, or take those away that are gone for good: `fab remove-host HOST --dead`",
        )
    why = "a new authority is on its way already" if swarm.cluster.rotating else ASKED
    return make_plan(Stage("authority", (RenewAuthority(at, why, len(swarm.nodes)),)))


def join_tokens(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Tokens of before let nobody in any more; who is in stays. Raises `Refused` without a leader."""
    at, _ = manager_of(fleet, facts)
    return make_plan(Stage("tokens", (RenewJoinTokens(at, ASKED),)))


def manager_of(fleet: Fleet, facts: FleetFacts) -> tuple[str, SwarmFacts]:
    """A host that can change the swarm, and what it tells of that. Raises `Refused` where there is none."""
    swarm = facts.swarm
    if swarm is None or not swarm.leader:
        raise Refused("the swarm has no leader: it can't be changed", hint="`fab doctor` tells of managers")
    reached = (n for n in fleet.names if (e := _engine(facts, n)) and e.member.active and e.member.manager)
    return next(reached), swarm


def _engine(facts: FleetFacts, name: str) -> Engine | None:
    engine = facts.hosts[name].engine
    return engine if isinstance(engine, Engine) and engine.running else None
