"""One server of the store more, one less, or on another host: the plan, and what forbids it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from overweave import backup_unit
from overweave.advertise import Advertise
from overweave.backends import cluster_store
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.unit import Unit
from overweave.model import Fleet
from overweave.overlay import addresses
from overweave.preflight import store as of_store
from overweave.preflight.finding import Finding, error, refusals, warning
from overweave.steps import (
    AwaitAgent,
    AwaitLeader,
    GrantAccess,
    PassGate,
    Plan,
    RemoveFile,
    RemovePeer,
    RetireServer,
    Stage,
    Step,
    WriteFile,
    WriteSecret,
    make_plan,
    some,
)
from overweave.store_host import spread
from overweave.stores import consul

from .standing import Server, Standing, counted, needed

FILES = (WriteFile, WriteSecret, RemoveFile)
RECOVER = "`fab store-recover-quorum --from HOST`"
OF_ETCD = "see docs/etcd.md"
FEWEST = 2
"""Servers of a store with an agent on every host; one server alone is run in another way."""


@dataclass(frozen=True)
class Change:
    """Hosts of the fleet that are to carry a server, and those that carry one and shall not. ``gone``: a
    server whose host is none of the fleet's any more."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    gone: Server | None = None


def marked(fleet: Fleet, servers: Sequence[str]) -> Fleet:
    """The fleet with these servers, whatever its inventory says."""
    return replace(fleet, hosts=tuple(replace(host, store=host.name in servers) for host in fleet.hosts))


def servers_after(fleet: Fleet, standing: Standing, change: Change) -> tuple[str, ...]:
    now = {server.host for server in standing.servers}
    return tuple(n for n in fleet.names if n in (now | {*change.add}) - {*change.remove})


def findings(fleet: Fleet, facts: FleetFacts, standing: Standing, change: Change) -> list[Finding]:
    """Errors forbid it."""
    in_etcd = fleet.store.in_etcd
    if blocked := [*([] if in_etcd else topology(facts)), *led(standing, OF_ETCD if in_etcd else RECOVER)]:
        return blocked
    if strange := [*_strangers(standing, change), *_hosts(facts, change)]:
        return strange
    numbers = [*_numbers(fleet, standing, change)]
    if refusals(numbers):
        return numbers
    names = _names(fleet, facts, standing, change)
    return [*numbers, *names, *_drift(fleet, facts, standing, change)]


def plan(fleet: Fleet, facts: FleetFacts, standing: Standing, change: Change) -> Plan:
    """A server that is dead goes before another one comes, and one that lives goes after that: at no time
    is one less alive than there would be anyway. Other hosts are told by their file alone."""
    wanted = servers_after(fleet, standing, change)
    fleet = marked(fleet, wanted)
    advertise, _ = addresses(fleet, facts)
    steps = of_hosts(fleet, facts)
    going_on = tuple(n for n in wanted if (its := standing.of(n)) is not None and its.alive)
    at = next((n for n in going_on if n == standing.leading), next(iter(going_on), ""))
    first: list[Stage] = []
    if its := change.gone:
        why = "its host is gone"
        first.append(Stage("dead server", (RemovePeer(at, why, its.id, its.name, its.address),)))
    last: list[Stage] = []
    for name in change.remove:
        stages = _leaves(name, fleet.store.run_as, steps[name], going_on, advertise, standing)
        server = standing.of(name)
        (last if server is not None and server.alive else first).extend(stages)
    comes = [
        stage for name in change.add for stage in _comes(name, steps[name], going_on, advertise, standing)
    ]
    lists = [
        step for name in fleet.names if name not in (*change.add, *change.remove) for step in steps[name]
    ]
    backups = [
        step for name in fleet.names for step in backup_unit.wanted(fleet, name, facts.hosts[name].backup)
    ]
    return make_plan(
        *first, *comes, Stage("lists of servers", tuple(lists)), *last, Stage("backups", tuple(backups))
    )


def of_hosts(fleet: Fleet, facts: FleetFacts) -> dict[str, list[Step]]:
    """What a deployment would do with the store, by host, without its waiting."""
    found: dict[str, list[Step]] = {name: [] for name in fleet.names}
    for step in cluster_store.store(fleet, facts).steps:
        if not isinstance(step, AwaitLeader | GrantAccess):
            found[step.host].append(step)
    return found


def gate(hosts: Sequence[str], advertise: Mapping[str, Advertise], title: str) -> Stage:
    """Their engines are registered again; else what was done with these hosts is taken back."""
    nodes = {name: advertise[name].node for name in hosts}
    why = "its engine needs its agent" if len(hosts) == 1 else "their engines need their agents"
    return Stage(title, (PassGate("", why, tuple(hosts), nodes, {}, {}),))


def _comes(
    name: str,
    steps: Sequence[Step],
    going_on: Sequence[str],
    advertise: Mapping[str, Advertise],
    standing: Standing,
) -> list[Stage]:
    its = standing.of(name)
    if not steps and its is not None and its.voter and its.alive:
        return []
    others = tuple(n for n in going_on if n != name)
    wait = AwaitAgent(name, "a server that does not vote is of no use", others, votes=True)
    return [
        Stage(f"server {name}", (*steps, wait), guarded=True),
        gate((name,), advertise, f"gate of {name}"),
    ]


def _leaves(
    name: str,
    run_as: str,
    steps: Sequence[Step],
    going_on: Sequence[str],
    advertise: Mapping[str, Advertise],
    standing: Standing,
) -> list[Stage]:
    its = standing.of(name)
    if its is None and not steps:
        return []
    agent = standing.agents.get(name)
    its_name = its.name if its else agent.name if agent else ""
    others = tuple(n for n in going_on if n != name)
    # Its file first: whoever starts it now must not make a server of it again.
    files = [step for step in steps if isinstance(step, FILES)]
    retire = RetireServer(name, "it is to be no server", its.id if its else "", its_name, others, run_as)
    wait = AwaitAgent(name, "its engine needs an agent", others)
    rest = [step for step in steps if not isinstance(step, FILES)]
    return [
        Stage(f"server {name}", (*files, retire, *rest, wait), guarded=True),
        gate((name,), advertise, f"gate of {name}"),
    ]


def topology(facts: FleetFacts) -> Iterator[Finding]:
    if any(consul.servers_of(its.store_config) for its in facts.hosts.values()):
        return
    yield error(
        "servers.topology",
        "these hosts have no store with several servers",
        matters="with one server, engines use its address, and restart to use another",
        fix="set `store: servers: 3` in the inventory, and `fab deploy-overlay`",
    )


def led(standing: Standing, gone: str = RECOVER) -> Iterator[Finding]:
    """``gone``: what to do where the servers are gone for good."""
    if standing.leader:
        return
    its = f": {counted(standing.voters)}" if standing.voters else ""
    yield error(
        "servers.leader",
        f"the store has no leader{its}",
        matters="without one nobody can change who votes",
        fix=f"bring the servers back; if they are gone for good: {gone}",
    )


def _strangers(standing: Standing, change: Change) -> Iterator[Finding]:
    for server in standing.servers:
        if not server.host and server != change.gone:
            state = "alive" if server.alive else "not alive"
            yield error(
                "servers.elsewhere",
                f"server {server.told} is none of the hosts given, and {state}",
                matters="the others would not be told of it any more",
                fix="name its host, too"
                if server.alive
                else "name its host, too; if that is gone: `fab store-remove-server HOST --dead`",
            )


def _hosts(facts: FleetFacts, change: Change) -> Iterator[Finding]:
    for name in (*change.add, *change.remove):
        its = facts.hosts[name]
        if not isinstance(its.engine, Engine) or not its.engine.running:
            yield error(
                "servers.engine",
                "its engine does not run",
                host=name,
                fix="start it: `systemctl start docker`; if the host is gone, add --dead",
            )
        elif not isinstance(its.unit, Unit) or not its.advertised:
            yield error(
                "servers.engine",
                "it is no part of the overlay yet",
                host=name,
                fix="`fab deploy-overlay` first",
            )


def _numbers(fleet: Fleet, standing: Standing, change: Change) -> Iterator[Finding]:
    after = servers_after(fleet, standing, change)
    alive = sum((its := standing.of(n)) is None or its.alive for n in after)
    if len(after) < (1 if fleet.store.in_etcd else FEWEST):
        yield error(
            "servers.fewest",
            f"{len(after)} server{'s' * (len(after) != 1)} would be left",
            matters="the store would be gone with all its networks"
            if fleet.store.in_etcd
            else "a store with an agent on every host keeps two at least",
            fix="name another host to carry one: `fab store-replace-server HOST --by OTHER`",
        )
        return
    if alive < needed(len(after)):
        yield error(
            "servers.quorum",
            f"{len(after)} servers would be left, {alive} alive, {needed(len(after))} needed",
            matters="the store would have no leader",
            fix="bring the dead ones back, or replace them first: `fab store-replace-server HOST`",
        )
        return
    for server in standing.dead:
        if server.host in after:
            yield warning(
                "servers.dead",
                f"server {server.told} is not alive",
                matters=counted(standing.voters),
                fix=f"`fab store-replace-server {server.host}`",
            )
    yield from of_store.quorum(len(after))


def _names(fleet: Fleet, facts: FleetFacts, standing: Standing, change: Change) -> list[Finding]:
    """Containers in the way of the store's."""
    wanted = marked(fleet, servers_after(fleet, standing, change))
    return [found for found in of_store.place(wanted, facts) if found.check == "store.name"]


def _drift(fleet: Fleet, facts: FleetFacts, standing: Standing, change: Change) -> Iterator[Finding]:
    """What a deployment would change beside it is left to that."""
    steps = of_hosts(marked(fleet, servers_after(fleet, standing, change)), facts)
    for name, its in steps.items():
        others = [step for step in its if not isinstance(step, FILES)]
        if others and name not in (*change.add, *change.remove):
            yield error(
                "servers.differs",
                f"its part of the store is not as the inventory has it: {some(map(str, others))}",
                host=name,
                fix="`fab deploy-overlay` first",
            )


def left(standing: Standing, remove: str, gone: Server | None) -> int:
    """How many servers are left of those there are, without these."""
    return sum(server != gone and (not remove or server.host != remove) for server in standing.servers)


def by_whom(fleet: Fleet, facts: FleetFacts, standing: Standing, without: str) -> str:
    """The host that is best to carry a server next, "" where there is none: as a deployment would choose."""
    stay = [server.host for server in standing.servers if server.host and server.host != without]
    able = [
        host
        for host in fleet.hosts
        if host.name in stay
        or (
            host.name != without
            and isinstance(engine := facts.hosts[host.name].engine, Engine)
            and engine.running
            and facts.hosts[host.name].advertised
        )
    ]
    return next(iter(spread(able, stay, 1)), "")


def inventory_needs(fleet: Fleet, servers: Sequence[str]) -> str:
    """What to write into the inventory, so that a deployment keeps these servers; "" where it does already.

    ``fleet`` is as the inventory has it.
    """
    marks = [host.name for host in fleet.hosts if host.store]
    count = fleet.store.servers or 0
    keep = marks or [name for name in fleet.names if name in servers]
    would = {*keep, *spread(fleet.hosts, keep, count - len(keep))}
    if would == {*servers}:
        return ""
    parts = []
    if marks:
        parts.append(f"`store: true` at {', '.join(servers)}, and at no other host")
    if count and count != len(servers):
        parts.append(f"no `servers: {count}` under `store:`")
    return "write into the inventory, or the next deployment differs: " + "; ".join(parts)
