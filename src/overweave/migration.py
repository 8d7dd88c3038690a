"""What `fab migrate` does: a fleet from a cluster store to a swarm in place, and back as long as the store is
there; host by host, and proven behind each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from . import pipeline, proving
from .apply.run import apply
from .errors import OverweaveError, Refused
from .facts import moving as facts_of_move
from .fleet import each
from .model import CONSUL, SWARM, Fleet
from .moving import refused
from .moving.back import to_store
from .moving.ended import ended
from .moving.forth import to_swarm
from .moving.turn import Site, Turn
from .plan import refuse
from .preflight.everything import findings
from .preflight.finding import Finding, refusals
from .prove.matrix import Matrix
from .session import Session, look, look_closer
from .steps import Plan

BETWEEN = ("pairs.", "kernel.", "firewall.", "resources.", "identity.", "travel.")
"""Checks of preflight that a swarm needs on hosts whose engines are in none yet."""
ROUNDS = 3


@dataclass(frozen=True)
class Migration:
    """``to``: `SWARM` or `CONSUL`. ``turns`` are empty where nothing is left to do."""

    to: str
    findings: tuple[Finding, ...]
    turns: tuple[Turn, ...]


def look_at(session: Session) -> Site:
    """As `look`, for a store, wherever its engines are by now."""
    session.fleet = replace(session.fleet, backend=CONSUL)
    facts = look(session)
    seen = each(
        session.fleet.names,
        lambda name: facts_of_move.look(session.hosts[name], facts.hosts[name]),
        cancel=session.cancel,
    ).all()
    return Site(session.fleet, facts, seen)


def make(session: Session, to: str) -> Migration:
    """Raises `Refused`, or `FleetError` of several, with everything that can't be moved."""
    site = look_at(session)
    if to == CONSUL:
        return Migration(to, (), _back(site))
    found = _found(session, site)
    refuse(refusals(found))
    return Migration(to, tuple(found), _forth(site))


def carry_out(session: Session, made: Migration, before: Callable[[Turn], None]) -> Matrix | None:
    """The last proof; None where there was nothing to do. ``before`` is told of each turn.

    Raises `OverweaveError` where a proof is red: hosts whose turn would have come are as they were.
    """
    matrix = None
    turns = made.turns
    for _ in range(ROUNDS):
        for turn in turns:
            before(turn)
            apply(turn.plan, pipeline.world(session))
            if turn.proves:
                matrix = _proven(session, made.to, turn)
        if not turns:
            break
        site = look_at(session)
        turns = _back(site) if made.to == CONSUL else _forth(site)
    if turns:
        raise pipeline.still_different(Plan(tuple(s for turn in turns for s in turn.plan.stages)))
    if made.to == CONSUL and made.turns:
        proving.forget(_among(session, SWARM, session.fleet.names))
    return matrix


def make_end(session: Session) -> Plan:
    """Raises `Refused` unless all hosts are moved."""
    site = look_at(session)
    if not any(its.note for its in site.seen.values()):
        return Plan()
    left = [turn.host for turn in _forth(site) if turn.host]
    if left:
        raise Refused(
            f"not moved yet: {', '.join(left)}",
            hint="`fab migrate --to swarm` goes on with them, `fab migrate --to consul` leads back",
        )
    return ended(site)


def end(session: Session, plan: Plan) -> Matrix:
    """The store goes, and the fleet is proven without it."""
    apply(plan, pipeline.world(session))
    return _prove(session, SWARM, session.fleet.names)


def _found(session: Session, site: Site) -> list[Finding]:
    found = refused.findings(site)
    if any(map(site.has_flags, site.fleet.names)) and not refusals(found):
        wanted = _swarm(site)
        facts = look_closer(replace(session, fleet=wanted), site.facts)
        found += [its for its in findings(wanted, facts) if its.check.startswith(BETWEEN)]
    return found


def _swarm(site: Site) -> Fleet:
    hosts = tuple(replace(host, manager=host.name in site.managers) for host in site.fleet.hosts)
    return replace(site.fleet, backend=SWARM, hosts=hosts)


def _forth(site: Site) -> tuple[Turn, ...]:
    return to_swarm(site, pool=refused.pool(site))


def _back(site: Site) -> tuple[Turn, ...]:
    return to_store(site)


def _proven(session: Session, to: str, turn: Turn) -> Matrix:
    matrix = _prove(session, to, turn.proves)
    if not matrix.green:
        pairs = ", ".join(f"{p.source} -> {p.target} ({' '.join(p.failed)})" for p in matrix.red[:10])
        causes = "".join(f"\n    {cause.told}" for cause in matrix.causes[:3])
        raise OverweaveError(
            f"behind the turn of {turn.host} the proof is red for {pairs}: the other hosts were not touched"
            f"{causes}",
            hint="mend that and run the same command again, or go back: `fab migrate --to consul`",
        )
    return matrix


def _prove(session: Session, to: str, names: Collection[str]) -> Matrix:
    part = _among(session, to, names)
    return pipeline.proven(part, look(part))


def _among(session: Session, backend: str, names: Collection[str]) -> Session:
    """A session with some of the hosts, which have one backend by now."""
    hosts = tuple(host for host in session.fleet.hosts if host.name in names)
    return replace(
        session,
        fleet=replace(session.fleet, backend=backend, hosts=hosts),
        hosts={host.name: session.hosts[host.name] for host in hosts},
    )
