"""What the runbook does that brings a swarm back which has lost most of its managers for good."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import pipeline
from .apply.run import apply
from .backends.swarm import PORT
from .errors import ConnectionProblem, UsageError
from .facts import swarm
from .facts.engine import Engine
from .fleet import each
from .model import Fleet
from .plan import refuse
from .preflight.finding import Finding, refusals
from .prove.matrix import Matrix
from .session import Session, look, look_for_swarm
from .steps import Plan, make_plan
from .store_host import sized
from .swarms import recover


@dataclass(frozen=True)
class Planned:
    """``plan`` is empty where the swarm has a leader already, as behind a run that was broken off; ``gone``
    are addresses of managers that are taken for gone for good."""

    findings: Sequence[Finding]
    plan: Plan
    gone: tuple[str, ...] = ()


def wanted(fleet: Fleet) -> Fleet:
    """A fleet, as its inventory has it, with as many managers as a new one of its size would have."""
    marks = sum(host.manager for host in fleet.hosts)
    managers = fleet.swarm.managers or marks or sized(len(fleet.hosts))
    return replace(fleet, swarm=replace(fleet.swarm, managers=managers))


def make_recovery(session: Session, host: str) -> Planned:
    """Raises `Refused`, or `FleetError` of several, with everything that forbids it."""
    if host not in session.fleet.names:
        raise UsageError(
            f"{host} is none of the hosts given", hint=f"they are {', '.join(session.fleet.names)}"
        )
    facts = look_for_swarm(session)
    if recover.alone(session.fleet, facts, host):
        return Planned((), Plan())
    others = recover.elsewhere(session.fleet, facts)

    def answers(address: str) -> bool:
        with contextlib.suppress(ConnectionProblem):
            session.hosts[host].stream(address, PORT).close()
            return True
        return False

    tried = each(others, answers, cancel=session.cancel).all()
    answering = [address for address in others if tried[address]]
    engine = facts.hosts[host].engine
    locks = isinstance(engine, Engine) and swarm.locks(session.hosts[host], engine.root)
    found = recover.findings(session.fleet, facts, host, answering, locks=locks)
    refuse(refusals(found))
    return Planned(found, recover.plan(session.fleet, facts, host), tuple(others))


def forget(session: Session, gone: Sequence[str]) -> None:
    """Take the nodes of managers off the list that are gone."""
    apply(recover.forgetting(session.fleet, look(session), gone), pipeline.world(session))


def proven(session: Session, host: str, *, again: bool) -> Matrix:
    """Prove the overlay. If it is red, and ``again``: restart the engine of ``host`` and prove once more, as
    a run that was broken off may have left that."""
    facts = look(session)
    matrix = pipeline.proven(session, facts)
    if matrix.green or not again:
        return matrix
    session.progress(host, "not green: its engine may not have told the others of its containers yet")
    apply(make_plan(*recover.restart(facts, host)), pipeline.world(session))
    return pipeline.proven(session, look(session))
