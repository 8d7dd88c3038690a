"""The same of a store in etcd: its list of servers, and the engines, which are told all of them. Pure.

An engine reads the list at its start: all of them restart, one after the other, while every server that they
were told of still answers, or is told no more. One that starts while a server of its list does not answer is
held up by it (46 s, measured).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from overweave import store_form, store_part
from overweave.advertise import Advertise
from overweave.backends import cluster_host, cluster_store
from overweave.facts import etcd as etcd_facts
from overweave.facts.etcd import Told
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.model import Fleet
from overweave.overlay import addresses
from overweave.preflight.finding import Finding, error
from overweave.steps import (
    AddMember,
    AwaitLeader,
    Plan,
    RemoveFile,
    RemoveMember,
    RestartEngine,
    Stage,
    Step,
    WriteFile,
    make_plan,
)
from overweave.stores import etcd

from .change import Change, marked, of_hosts, servers_after
from .standing import Server, Standing

GOES = "it is to carry no server"
PAIR = 2
"""Servers of which each must run: while the engine of one restarts, the other has no quorum."""


def stand(
    facts: FleetFacts, leader: str, servers: Sequence[tuple[etcd_facts.Member, Told | str]]
) -> Standing:
    """As `standing.stand`, from what the servers say of themselves. ``leader``: an address with its port."""

    def server(its: etcd_facts.Member, told: Told | str) -> Server:
        address = its.address.rpartition(":")[0]
        host = next((name for name, h in facts.hosts.items() if h.interfaces.holding(address)), "")
        alive = isinstance(told, Told) and told.healthy
        return Server(host, its.id, its.name, its.address, its.address == leader, True, alive)

    return Standing(leader, tuple(server(its, told) for its, told in servers))


def findings(fleet: Fleet, standing: Standing, change: Change) -> Iterator[Finding]:
    """What forbids it beside `change.findings`."""
    stay = [s for s in standing.servers if s != change.gone and s.host not in change.remove]
    for server in stay:
        if change.add and not server.alive and server.host not in change.add:
            yield error(
                "servers.dead",
                f"server {server.told} is not alive",
                matters="etcd takes no other one in meanwhile",
                fix=f"`fab store-replace-server {server.host or server.ip}`",
            )
    if len(servers_after(fleet, standing, change)) == PAIR:
        yield error(
            "servers.pair",
            f"{PAIR} servers would be left",
            matters="while the engine of one restarts the other has no quorum, and engines wait for that",
            fix="add two at once: `fab store-add-server HOST1,HOST2`"
            if change.add
            else "`fab store-replace-server`, or `fab store-add-server` first",
        )


def at(standing: Standing, change: Change) -> str:
    """The host whose server is asked: the leader's, if that stays."""
    stay = [s.host for s in standing.servers if s.host and s.alive and s.host not in change.remove]
    return standing.leading if standing.leading in stay else next(iter(stay), "")


def plan(fleet: Fleet, facts: FleetFacts, standing: Standing, change: Change) -> Plan:
    """One that is dead goes before another one comes, and one that lives when no engine is told of it."""
    fleet = marked(fleet, servers_after(fleet, standing, change))
    advertise, _ = addresses(fleet, facts)
    steps = of_hosts(fleet, facts)
    via = at(standing, change)
    first: list[Stage] = []
    last: list[Stage] = []
    if its := change.gone:
        first.append(_off(via, "its host is gone", its))
    for name in change.remove:
        server = standing.of(name)
        stages = _leaves(fleet, facts, facts.hosts[name], server, via)
        (last if server is not None and server.alive else first).extend(stages)
    comes: list[Stage] = []
    lists = {name: [s for s in steps[name] if isinstance(s, WriteFile)] for name in fleet.servers}
    dead = {change.gone, *(s for s in standing.servers if s.host in change.remove and not s.alive)}
    known = {s.name or s.host: s.ip for s in standing.servers if s not in dead}
    for name in change.add:
        server = standing.of(name)
        if server is None or not server.alive:
            if server is not None and server.name and not store_part.volumes(facts.hosts[name]):
                why = "its data are lost, and it can't go on without"
                first.append(_off(via, why, server))
            known[name] = advertise[name].address
            begins = etcd.config(fleet.store, name=name, servers=known, joins=True)
            comes += _comes(fleet, facts, advertise, name, steps[name], via, begins)
            settled = cluster_host.store_config(fleet, facts, advertise, name)
            lists[name] = [WriteFile(name, "it is one of them by now", etcd.CONFIG, settled, begins)]
    return make_plan(
        *first,
        *comes,
        *_engines(fleet, facts, advertise, standing),
        *last,
        Stage("lists of servers", tuple(step for its in lists.values() for step in its)),
    )


def _off(via: str, why: str, server: Server) -> Stage:
    step = RemoveMember(via, why, server.id, server.name, server.address)
    return Stage(f"list without {server.host or server.name}", (step,))


def _comes(
    fleet: Fleet,
    facts: FleetFacts,
    advertise: Mapping[str, Advertise],
    name: str,
    steps: Sequence[Step],
    via: str,
    begins: str,
) -> list[Stage]:
    """All that it needs is there before it is on the list: from then on it is missed until it runs."""
    runs = [step for step in steps if store_form.runs_store(step)]
    others = [s for s in steps if not store_form.runs_store(s) and not isinstance(s, WriteFile)]
    write = cluster_host.write_store_config(facts.hosts[name], begins)
    wait = AwaitLeader(name, "the next change needs a server that has all")
    add = AddMember(via, "the others have to know it before it starts", name, advertise[name].address)
    return [
        Stage(f"files of server {name}", (*write, *others), guarded=True),
        Stage(f"list with {name}", (add,)),
        Stage(f"server {name}", (*runs, wait), guarded=True),
        *(
            Stage(f"gate of server {name}", gate)
            for gate in cluster_store.gates_of(fleet, facts, advertise, [[name]], registered=False)
        ),
    ]


def _engines(
    fleet: Fleet, facts: FleetFacts, advertise: Mapping[str, Advertise], standing: Standing
) -> list[Stage]:
    """The leader's is the last: elections are fewest then."""
    servers = [advertise[name].address for name in fleet.servers]
    running = {*fleet.servers, *(s.host for s in standing.servers if s.alive)}
    order = sorted(fleet.names, key=lambda name: (name in running, name == standing.leading))
    parts: dict[str, list[Step]] = {}
    for name in order:
        its = facts.hosts[name]
        certificate = cluster_host.certificate(fleet, facts, its, advertise[name].address)
        wanted = cluster_host.flags(fleet, servers, advertise[name])
        files, restart = cluster_host.configure(
            fleet, its, wanted, facts, advertise[name], certificate, store_is_new=False
        )
        if files or restart:
            wait = [AwaitLeader(name, f"{fleet.store.title} restarts with its engine")]
            parts[name] = [*files, *restart, *(wait if restart and name in running else [])]
    gates = cluster_store.gates_of(fleet, facts, advertise, [[name] for name in parts], prove=True)
    stages: list[Stage] = []
    for (name, steps), gate in zip(parts.items(), gates, strict=True):
        stages.append(Stage(f"engine of {name}", tuple(steps), guarded=True))
        if any(isinstance(step, RestartEngine) for step in steps):
            stages.append(Stage(f"gate of {name}", gate))
    return stages


def _leaves(fleet: Fleet, facts: FleetFacts, its: HostFacts, server: Server | None, via: str) -> list[Stage]:
    """Off the list, and then away with its data: one that is off the list ends by itself, over and over."""
    off = [_off(via, GOES, server)] if server else []
    away = store_form.remove(its, GOES)
    secrets = [
        s for s in cluster_host.write_credentials(fleet, facts, its, None) if isinstance(s, RemoveFile)
    ]
    config = [RemoveFile(its.name, GOES, etcd.CONFIG)] if its.store_config else []
    return [
        *off,
        Stage(f"server {its.name}", (*away, *secrets, *config)),
    ]
