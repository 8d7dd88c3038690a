"""A swarm that has lost most of its managers for good: one that is left goes on alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from overweave.backends.swarm import PORT, without
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.swarm import Member
from overweave.model import Fleet
from overweave.preflight.finding import Finding, error, warning
from overweave.steps import LeaveSwarm, Plan, Stage, Step, TakeOverSwarm, make_plan

ALONE = "its managers are too few to agree"


def survivors(fleet: Fleet, facts: FleetFacts) -> dict[str, str]:
    """Hosts whose engines run and are managers, with their addresses. One that was restarted while there is
    no leader does not call itself a manager, but knows itself as one."""
    found = {}
    for name in fleet.names:
        its = _member(facts, name)
        if its.there and (its.manager or f"{its.address}:{PORT}" in its.remotes):
            found[name] = its.address
    return found


def elsewhere(fleet: Fleet, facts: FleetFacts) -> list[str]:
    """Addresses of the swarm's other managers, as those that are left know them."""
    left = survivors(fleet, facts)
    known = {remote.rpartition(":")[0] for name in left for remote in _member(facts, name).remotes}
    return sorted(known - {*left.values()})


def findings(fleet: Fleet, facts: FleetFacts, host: str, answering: Collection[str]) -> list[Finding]:
    """Errors forbid it. ``answering``: those of `elsewhere` at which a manager's port is open."""
    if facts.swarm is not None and facts.swarm.leader:
        return [
            error(
                "recover.leader",
                f"the swarm has a leader, {facts.swarm.leader}: no quorum is lost",
                fix="a manager that is gone is taken off by `fab remove-host HOST --dead`",
            )
        ]
    left = survivors(fleet, facts)
    if host not in left:
        return [
            error(
                "recover.manager",
                "no manager of a swarm runs there",
                host=host,
                matters="what is to be saved is in its state",
                fix=f"name one: --from {' or '.join(left)}" if left else "`systemctl start docker` on one",
            )
        ]
    return [*_down(fleet, facts), *_others(fleet, facts, left, answering)]


def _down(fleet: Fleet, facts: FleetFacts) -> Iterator[Finding]:
    """An engine that is down can't be asked, and may be what the others wait for."""
    for name in fleet.names:
        engine = facts.hosts[name].engine
        if not isinstance(engine, Engine) or not engine.running:
            yield error(
                "recover.down",
                "its engine is down",
                host=name,
                matters="it may be a manager that the others wait for",
                fix="start it: `systemctl start docker`; or leave the host out if it is gone for good",
            )


def _others(
    fleet: Fleet, facts: FleetFacts, left: dict[str, str], answering: Collection[str]
) -> Iterator[Finding]:
    others = elsewhere(fleet, facts)
    alive, total = len(left) + len(answering), len(left) + len(others)
    if alive > total // 2:
        yield error(
            "recover.alive",
            f"enough managers are alive to agree: {alive} of {total}",
            matters="they elect a leader by themselves, within seconds",
            fix="`fab doctor`; `journalctl -u docker` on a manager says what keeps them from it",
        )
        return
    for address in others:
        if address in answering:
            yield error(
                "recover.elsewhere",
                f"a manager at {address} answers, and is none of the hosts given",
                matters="it would keep to the swarm of before, beside this one",
                fix="name its host, too",
            )
        else:
            yield warning(
                "recover.gone",
                f"the manager at {address} is taken for gone for good",
                matters="if it comes back, it belongs to the swarm of before, and its containers to nobody",
                fix="`docker swarm leave --force` on it, then `fab add-host`",
            )


def plan(fleet: Fleet, facts: FleetFacts, host: str) -> Plan:
    """Other managers that are left leave first: they would keep to the swarm of before (swarmkit#2539)."""
    left = survivors(fleet, facts)
    others = [name for name in left if name != host]
    why = f"{host} goes on alone, and it joins that"
    return make_plan(
        Stage("other managers", tuple(LeaveSwarm(name, why) for name in others)),
        Stage("recovery", (TakeOverSwarm(host, ALONE, left[host]),)),
    )


def forgetting(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Behind that: nodes of managers that are gone are taken off the list, as they count in what a majority
    is. Those of hosts that come again are taken off by a deployment."""
    swarm = facts.swarm
    assert swarm is not None
    at = next(name for name in fleet.names if _member(facts, name).manager)
    ours = {_member(facts, name).node for name in fleet.names}
    gone = [n for n in swarm.nodes.values() if n.role == "manager" and not n.ready and n.id not in ours]
    steps: list[Step] = [step for node in gone for step in without(node, at, "it is gone for good")]
    return make_plan(Stage("managers that are gone", tuple(steps)))


def _member(facts: FleetFacts, name: str) -> Member:
    engine = facts.hosts[name].engine
    return engine.member if isinstance(engine, Engine) and engine.running else Member()
