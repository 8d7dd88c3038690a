"""A swarm that has lost most of its managers for good: one that is left goes on alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from overweave.backends.swarm import PORT, without
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.swarm import REACHABLE, READY, Member, SwarmFacts
from overweave.model import Fleet
from overweave.overlay import users_containers
from overweave.preflight.finding import Finding, error, warning
from overweave.steps import PassGate, Plan, RestartEngine, Stage, Step, TakeOverSwarm, make_plan

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


def alone(fleet: Fleet, facts: FleetFacts, host: str) -> bool:
    """Whether a host's engine is the swarm's only manager, and leads it: so it is behind a recovery."""
    swarm = facts.swarm
    managers = [node for node in swarm.nodes.values() if node.manager] if swarm else []
    return [(n.id, n.leader) for n in managers] == [(_member(facts, host).node, True)]


def findings(
    fleet: Fleet, facts: FleetFacts, host: str, answering: Collection[str], *, locks: bool
) -> list[Finding]:
    """Errors forbid it. ``answering``: those of `elsewhere` at which a manager's port is open; ``locks``: the
    managers lock themselves."""
    if facts.swarm is not None and facts.swarm.leader and _agree(facts.swarm):
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
    return [
        *([_locks(host)] if locks else []),
        *_down(fleet, facts),
        *_others(fleet, facts, left, answering),
    ]


def _locks(host: str) -> Finding:
    return error(
        "recover.autolock",
        "managers of this swarm lock themselves: no engine can make one the only one then",
        host=host,
        matters="it starts without the key, and has left its swarm with that (measured on 20.10.5)",
        fix="bring managers back that were lost; else leave the swarm on all hosts, and `fab deploy-overlay`",
    )


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
    """Other managers that are left become its workers by themselves, with all that runs on them (measured).

    Its own engine begins its gossip anew with that, under another name, and does not tell the others of
    containers that ran before: names and rows of these are gone everywhere else till it is restarted
    (measured on 20.10.5; moby#36860). One that came up without a leader has none that run.
    """
    engine = facts.hosts[host].engine
    assert isinstance(engine, Engine)
    again: tuple[Stage, ...] = ()
    if engine.member.active:
        again = restart(facts, host)
    address = survivors(fleet, facts)[host]
    return make_plan(Stage("recovery", (TakeOverSwarm(host, ALONE, address),)), *again)


def restart(facts: FleetFacts, host: str) -> tuple[Stage, ...]:
    """What makes an engine tell the others of its containers."""
    engine = facts.hosts[host].engine
    stops = users_containers(engine) if isinstance(engine, Engine) else ()
    gate = PassGate("", "its engine restarts", (host,), {}, {}, {host: stops}, started=True)
    step = RestartEngine(host, "it tells the others of no container that ran before", stops, same=True)
    return Stage("engine", (step,), guarded=True), Stage("gate", (gate,))


def forgetting(fleet: Fleet, facts: FleetFacts, gone: Collection[str]) -> Plan:
    """Behind that: the nodes at addresses that are ``gone`` are taken off the list."""
    swarm = facts.swarm
    assert swarm is not None
    at = next(name for name in fleet.names if _member(facts, name).manager)
    ours = {_member(facts, name).node for name in fleet.names}
    nodes = [n for n in swarm.nodes.values() if n.address in gone and n.state != READY and n.id not in ours]
    steps: list[Step] = [step for node in nodes for step in without(node, at, "it is gone for good")]
    return make_plan(Stage("nodes that are gone", tuple(steps)))


def _agree(swarm: SwarmFacts) -> bool:
    """Whether a majority of the managers is there. One that leads takes a while to see that it can't."""
    managers = [node.manager for node in swarm.nodes.values() if node.manager]
    return managers.count(REACHABLE) > len(managers) // 2


def _member(facts: FleetFacts, name: str) -> Member:
    engine = facts.hosts[name].engine
    return engine.member if isinstance(engine, Engine) and engine.running else Member()
