"""A quorum that is lost for good: one server that is left goes on alone, and the others begin anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from overweave import store_form, store_part
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.overlay import addresses
from overweave.preflight.finding import Finding, error, warning
from overweave.steps import (
    AwaitAgent,
    AwaitLeader,
    ForgetQuorum,
    Plan,
    RecoverQuorum,
    Stage,
    Step,
    WriteFile,
    make_plan,
    some,
)
from overweave.stores import consul

from .change import gate, marked, of_hosts, topology
from .standing import Server, Standing, counted, needed


def findings(fleet: Fleet, facts: FleetFacts, standing: Standing, host: str) -> list[Finding]:
    """Errors forbid it. ``standing`` is as the server of ``host`` has it written down."""
    if blocked := list(topology(facts)):
        return blocked
    return [*_quorum(fleet, standing), *_its_own(fleet, standing, host), *_lost(fleet, standing, host)]


def plan(fleet: Fleet, facts: FleetFacts, standing: Standing, host: str) -> Plan:
    """Other servers lose their copy before this one leads, so that they can't lead beside it; then they begin
    as new ones, and get everything from it."""
    its = standing.of(host)
    assert its is not None
    run_as = fleet.store.run_as
    servers = [server.host for server in standing.servers if server.host]
    again = [name for name in servers if name != host]
    steps = of_hosts(marked(fleet, servers), facts)
    advertise, _ = addresses(fleet, facts)
    forget: list[Step] = []
    comes: list[Step] = []
    for name in again:
        engine = facts.hosts[name].engine
        if not isinstance(engine, Engine) or not engine.running:
            continue
        if store_part.there(facts.hosts[name]) is not None:
            forget.append(ForgetQuorum(name, "it must not lead by what it knows of the old quorum", run_as))
        run: list[Step] = [step for step in steps[name] if not store_form.starts_again(step)]
        if not any(map(store_form.runs_store, run)):
            run.append(store_form.start(name, "it begins as a new server", fleet.store.run_as))
        wait = AwaitAgent(name, "a server that does not vote is of no use", (host,), votes=True)
        comes += [*run, wait]
    back = list(dict.fromkeys(step.host for step in comes))
    # One server alone has no list to give: the next one that comes brings it.
    rest = [name for name in fleet.names if name not in again and len(servers) > 1]
    lists = [step for name in rest for step in steps[name] if isinstance(step, WriteFile)]
    why = f"of {len(standing.voters)} servers too few are left to agree"
    return make_plan(
        Stage("old servers", tuple(forget)),
        Stage(
            "recovery",
            (
                RecoverQuorum(host, why, its.id, its.address, run_as),
                AwaitLeader(host, "it is to lead alone"),
            ),
        ),
        Stage("servers again", tuple(comes)),
        *((gate(back, advertise, "gate of servers"),) if back else ()),
        Stage("lists of servers", tuple(lists)),
    )


def _quorum(fleet: Fleet, standing: Standing) -> Iterator[Finding]:
    if standing.leader:
        yield error(
            "recover.leader",
            f"the store has a leader, {standing.leader}: no quorum is lost",
            fix="a server that is gone is replaced by `fab store-replace-server HOST --dead`",
        )
    elif standing.voters and len(_alive(standing)) >= needed(len(standing.voters)):
        yield error(
            "recover.alive",
            f"enough servers are alive to agree: {counted(standing.voters)}",
            matters="they elect a leader by themselves, within seconds",
            fix=f"`fab store-status`; `{fleet.store.logs}` on a server says what keeps them from it",
        )


def _alive(standing: Standing) -> list[Server]:
    return [server for server in standing.voters if server.alive]


def _its_own(fleet: Fleet, standing: Standing, host: str) -> Iterator[Finding]:
    its = standing.of(host)
    if its is None or not its.alive:
        left = some(s.host for s in standing.servers if s.host and s.alive)
        yield error(
            "recover.server",
            "no server of the store answers there",
            host=host,
            matters="what is to be saved is in its data",
            fix=f"name one that does: {left}"
            if left
            else f"start it: `{fleet.store.start}`; or `fab store-restore FILE`",
        )
        return
    for other in standing.servers:
        if its.raft and other.raft and other.raft.last_index > its.raft.last_index:
            yield error(
                "recover.newer",
                f"{other.host} has more: index {other.raft.last_index}, and {its.raft.last_index} here",
                host=host,
                matters="what only it has would be lost",
                fix=f"--from {other.host}",
            )


def _lost(fleet: Fleet, standing: Standing, host: str) -> Iterator[Finding]:
    for server in standing.servers:
        if server.host == host:
            continue
        if server.alive and not server.host:
            yield error(
                "recover.elsewhere",
                f"server {server.told} is alive, and none of the hosts given",
                matters="with another one that comes back it could lead beside this one",
                fix="name its host, too",
            )
        elif not server.host:
            yield warning(
                "recover.gone",
                f"server {server.told} is taken for gone for good",
                matters="two of an old quorum that come back would lead beside this one, and part the fleet",
                fix=f"never start it with its {_data(fleet)} again",
            )


def _data(fleet: Fleet) -> str:
    return f"volume {consul.VOLUME}" if fleet.store.in_engine else f"folder {consul.DATA}"
