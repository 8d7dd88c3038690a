"""How a host leaves an overlay: taken back in order, or forgotten where it is off for good. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from . import boot, narrow, store_part, teardown
from .backends import cluster_store
from .doctor.endpoints import stale
from .doctor.places import find
from .doctor.remedy import repair
from .doctor.rows import NOBODYS
from .errors import Refused
from .facts.attachments import Attachment
from .facts.engine import Engine
from .facts.libnetwork import NODES, Endpoint
from .facts.live import Live
from .facts.namespaces import belongs
from .facts.store import Member, Peer
from .facts.typed import ipv4
from .gossip.events import Left
from .model import ANCHOR_LABEL, PROBE_LABEL, SPEC_LABEL, Fleet
from .overlay import users_containers
from .preflight import store
from .preflight.finding import refusals as as_errors
from .steps import (
    CreateNetwork,
    ForgetAgent,
    KeyWrite,
    LeaveNetwork,
    MendRows,
    PassGate,
    Plan,
    PutKeys,
    RemoveContainer,
    RemoveNetwork,
    RestartEngine,
    Stage,
    Step,
    TellLeft,
    make_plan,
    some,
)
from .store_host import settle, told_store
from .stores import consul, etcd

WHY = "the host leaves"
ID = re.compile("[0-9a-f]{64}")
MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Known:
    """What is asked of the store about a host that leaves: its agents, who votes, and the values of the keys
    by which engines are registered, by ``address:port``."""

    members: Sequence[Member] = ()
    peers: Sequence[Peer] = ()
    registered: Mapping[str, bytes] = field(default_factory=dict)


def only(live: Live, names: Collection[str]) -> Live:
    """Without the facts of hosts that are not among these."""
    its = live.fleet
    facts = replace(
        its,
        hosts={name: host for name, host in its.hosts.items() if name in names},
        views={name: view for name, view in its.views.items() if name in names},
    )
    return replace(
        live,
        fleet=facts,
        hosts={name: host for name, host in live.hosts.items() if name in names},
        chosen={name: address for name, address in live.chosen.items() if name in names},
    )


def without(live: Live, address: str, held: Collection[str] = ()) -> Live:
    """As it will be when nobody knows the engine at an address any more. ``held`` are endpoints that it gives
    back itself."""
    views = {
        name: replace(view, members=tuple(m for m in view.members if str(m.address) != address))
        for name, view in live.fleet.views.items()
    }
    records = live.records
    if records is not None:
        nodes = frozenset(node for node in records.nodes if node.rpartition(":")[0] != address)
        endpoints = tuple(e for e in records.endpoints if e.id not in held)
        records = replace(records, nodes=nodes, endpoints=endpoints)
    return replace(live, fleet=replace(live.fleet, views=views), records=records)


def alive(live: Live, members: Sequence[Member], address: str) -> bool:
    """Whether an engine or an agent of the store at an address still answers its peers."""
    return any(
        m.alive and str(m.address) == address for view in live.fleet.views.values() for m in view.members
    ) or any(m.alive and m.address == address for m in members)


def users_on_overlays(live: Live, name: str) -> tuple[Attachment, ...]:
    """Containers on a host's overlays that are not ours, stopped ones too."""
    networks = live.records.networks if live.records else {}
    names = {network.name for network in networks.values()}
    engine = live.fleet.hosts[name].engine
    ours = {
        c.name
        for c in (engine.containers if isinstance(engine, Engine) else ())
        if {PROBE_LABEL, SPEC_LABEL} & c.labels.keys()
    }
    return tuple(
        a
        for a in live.hosts[name].attachments or ()
        # One that was never started has no id of its network yet.
        if (a.network in networks or (not a.network and a.network_name in names)) and a.container not in ours
    )


def carries_server(fleet: Fleet, live: Live, name: str) -> bool:
    its = live.fleet.hosts[name]
    ours = bool(its.store_config) or store_part.ours(its) is not None
    config = its.store_config
    serves = not config or consul.is_server(config) or etcd.is_config(config)
    return name in fleet.servers and ours and serves


def refused(fleet: Fleet, live: Live, name: str, address: str, *, disconnect: bool) -> list[Refused]:
    """What forbids to take a host out that answers. ``fleet`` and ``live`` have it, too; ``address`` is the
    one that it is known by."""
    found = as_errors(f for f in store.strangers(fleet, live.fleet) if f.host == name)
    if found:
        return found
    if live.records is None:
        return [no_store(name)]
    if others := unnamed(live, name, address):
        return others
    if carries_server(fleet, live, name):
        return [of_server(fleet, name)]
    engine = live.fleet.hosts[name].engine
    if not isinstance(engine, Engine):
        return []
    if not engine.running:
        return [engine_down(name, engine.reason)]
    users = users_on_overlays(live, name)
    if users and not disconnect:
        who = some(f"{a.container} ({a.network_name}{'' if a.running else ', stopped'})" for a in users)
        return [
            Refused(
                f"containers are on the overlay here: {who}",
                host=name,
                hint="move or remove them, or add --disconnect to take them off it: they run on without it",
            )
        ]
    return []


def engine_down(name: str, reason: str) -> Refused:
    return Refused(
        f"its engine is down, and can't let go of the overlay: {reason}",
        host=name,
        hint="`systemctl start docker` there; if it is gone for good, power it off and add --dead",
    )


def unnamed(live: Live, name: str, address: str) -> list[Refused]:
    """Engines that are registered in the store and were not named. ``address`` is that of the host."""
    own = {*live.vteps.values(), *live.chosen.values(), address}
    nodes = live.records.nodes if live.records else frozenset[str]()
    found = sorted(node for node in nodes if node.rpartition(":")[0] not in {*own, ""})
    if not found:
        return []
    return [
        Refused(
            f"other engines use this store: {some(found)}",
            host=name,
            hint="name all hosts of the overlay: what leads to this host would stay on theirs",
        )
    ]


def of_moved_server(live: Live, name: str, address: str) -> list[Refused]:
    """Where a machine is gone that carried a server, and the new one has another address: its peers know the
    server by its address. ``live`` is of the others."""
    if not any(address in consul.servers_of(its.store_config) for its in live.fleet.hosts.values()):
        return []
    others = ",".join(live.fleet.hosts)
    return [
        Refused(
            f"the machine at {address} carried a server of the store, and the new one has another address",
            host=name,
            hint=f"`fab remove-host {address} --dead -H {others}` lets another host take its place; then "
            f"`fab add-host {name}`",
        )
    ]


def no_store(name: str) -> Refused:
    return Refused(
        "the store has no leader: what it knows of this host can't be taken out",
        host=name,
        hint="`fab store-status` shows what is wrong with it",
    )


def of_server(fleet: Fleet, name: str) -> Refused:
    count = len(fleet.servers)
    if count == 1:
        more = "; `store: {servers: 3}` and `fab deploy-overlay` give it more servers"
        return Refused(
            "it carries the store, whose only server it is: without it the overlay is gone from all hosts",
            host=name,
            hint="`fab destroy-overlay` takes it away from all" + more * (not fleet.store.in_etcd),
        )
    return Refused(
        f"it carries one of {count} servers of the store: {count - 1} would be left",
        host=name,
        hint=f"`fab store-replace-server {name}` lets another host carry it first"
        if fleet.store.in_etcd
        else f"`fab store-remove-server {name}` or `fab store-replace-server {name}` makes it an agent first",
    )


def of_dead_server(fleet: Fleet, live: Live, name: str, address: str) -> list[Refused]:
    """Where a machine is gone that carried a server of etcd: engines and servers know it by its address.
    ``live`` is of the others."""
    told = {at for its in live.fleet.hosts.values() for at in told_store(its)}
    if not fleet.store.in_etcd or address not in told:
        return []
    return [
        Refused(
            f"the machine at {address} carried one of {len(told)} servers of etcd, which the others go on to "
            "ask for",
            host=name,
            hint=f"`fab store-replace-server {address} --dead -H {','.join(live.fleet.hosts)}` lets another "
            "host carry it first",
        )
    ]


def leaving(fleet: Fleet, live: Live, name: str) -> tuple[Stage, ...]:
    """What is done on a host that leaves and answers, till it is as it was; empty where it is."""
    its = live.fleet.hosts[name]
    engine = its.engine
    containers = engine.containers if isinstance(engine, Engine) else ()
    users = users_on_overlays(live, name)
    drained = {a.container for a in users}
    steps = teardown.take_back(its)
    # Nothing of it is to be taken back, and what runs without a policy is to run again.
    back = [replace(s, same=True) if isinstance(s, RestartEngine) else s for s in steps]
    restarts = any(isinstance(s, RestartEngine) for s in back)
    stay = [c for c in users_containers(engine) if c not in drained] if isinstance(engine, Engine) else []
    gate = PassGate("", "its engine restarts", (name,), {}, {}, {name: tuple(stay)}, started=True)
    return make_plan(
        Stage(
            "containers off the overlay",
            tuple(
                LeaveNetwork(name, WHY, a.container, a.network or a.network_name, a.network_name)
                for a in users
            ),
        ),
        Stage(
            "anchor and probes",
            tuple(
                RemoveContainer(name, WHY, c.name)
                for c in containers
                if {ANCHOR_LABEL, PROBE_LABEL} & c.labels.keys()
            ),
        ),
        Stage("store and configuration", tuple(back)),
        Stage("gate", (gate,) if restarts else ()),
        Stage("what was brought along", tuple(teardown.brought_along(fleet, its))),
    ).stages


def forgetting(
    fleet: Fleet, live: Live, name: str, address: str, known: Known, via: str, left: Sequence[Endpoint]
) -> tuple[Stage, ...]:
    """What the store and the other hosts know of a host, taken out. ``fleet`` and ``live`` are of the others;
    ``via`` is one of them that runs the store; ``left`` are the endpoints that were on it."""
    places = find(live)
    its = replace(places, stale=tuple(e for e in places.stale if e.locator == address))
    endpoints = repair(fleet, live, stale(fleet, live, its), gone=(address,))
    return make_plan(
        Stage("the store's agent", tuple(_agents(address, known, via))),
        Stage("registration", tuple(_registration(address, known, via))),
        Stage("news", tuple(_news(live, address, left))),
        *endpoints.stages,
        Stage("rows", tuple(rows_to(live, address, f"they lead to {name}, which leaves"))),
    ).stages


def unforgettable(fleet: Fleet, live: Live, address: str) -> list[Refused]:
    """A refusal for each endpoint of a host that is gone which nobody can disconnect."""
    places = find(live)
    its = replace(places, stale=tuple(e for e in places.stale if e.locator == address))
    return [fault.finding.refusal() for fault in stale(fleet, live, its) if not fault.remedies]


def _agents(address: str, known: Known, via: str) -> list[Step]:
    servers = {peer.id for peer in known.peers if peer.address.rpartition(":")[0] == address}
    ids = {m.id for m in known.members}
    found: list[Step] = [
        ForgetAgent(via, WHY, m.name, m.id if m.id in servers else "")
        for m in known.members
        if m.address == address and (not m.gone or m.id in servers)
    ]
    # One that the gossip has forgotten already may vote still.
    return [*found, *(ForgetAgent(via, WHY, address, id_) for id_ in sorted(servers - ids))]


def _registration(address: str, known: Known, via: str) -> list[Step]:
    return [
        PutKeys(
            via,
            WHY,
            f"remove the registration of the engine at {node}",
            (KeyWrite(NODES + node, value, None),),
        )
        for node, value in sorted(known.registered.items())
        if node.rpartition(":")[0] == address
    ]


def endpoints_at(live: Live, address: str) -> tuple[Endpoint, ...]:
    return tuple(e for e in (live.records.endpoints if live.records else ()) if e.locator == address)


def _news(live: Live, address: str, left: Sequence[Endpoint]) -> list[Step]:
    """An engine that leaves says so of containers that it had, but not of what others have asked for."""
    networks = live.records.networks if live.records else {}
    gone = tuple(
        Left(address, e.network, e.id, e.address, str(subnet.subnet.netmask), e.mac)
        for e in left
        if ID.fullmatch(e.id) and ID.fullmatch(e.network) and MAC.fullmatch(e.mac) and ipv4(e.address)
        for subnet in networks[e.network].subnets
        if IPv4Address(e.address) in subnet.subnet
    )
    if not gone:
        return []
    return [
        TellLeft(host, "nobody else tells it", str(view.address), gone)
        for host, view in live.fleet.views.items()
    ]


def rows_to(live: Live, address: str, why: str) -> list[MendRows]:
    """The rows of all hosts that lead to a VTEP, to be deleted."""
    steps = []
    networks = live.records.networks.values() if live.records else ()
    for host, seen in live.hosts.items():
        for name, space in seen.docker.items():
            network = next((n.name for n in networks if belongs(name, n.id)), name)
            for device in space.vxlans():
                rows = [
                    f for f in space.forwarding if f.device == device.name and f.vtep and f.mac != NOBODYS
                ]
                leads = tuple((f.mac, f.vtep) for f in rows if f.vtep == address)
                only_there = {mac for mac, _ in leads} - {f.mac for f in rows if f.vtep != address}
                neighbours = tuple(
                    n.address for n in space.neighbours if n.device == device.name and n.mac in only_there
                )
                if leads:
                    steps.append(MendRows(host, why, network, name, device.name, (), neighbours, leads))
    return steps


def boot_units(live: Live) -> list[Step]:
    """The list of peers in each host's boot unit, as it should be without who is not among these hosts."""
    return [
        step
        for name, its in live.fleet.hosts.items()
        if its.boot.files and name in live.chosen
        for step in boot.install(name, its.boot, live.chosen[name], dict(live.chosen))
    ]


def settings(fleet: Fleet, live: Live, address: str) -> Plan:
    """What makes the store of the others run without a server that is gone; empty where none of them was told
    of it. Another host takes its place where there is one. See `too_much`."""
    told = [consul.servers_of(its.store_config) for its in live.fleet.hosts.values()]
    count = max((len(servers) for servers in told if address in servers), default=0)
    if not count:
        return Plan()
    wanted = replace(fleet.store, servers=fleet.store.servers or min(count, len(fleet.hosts)))
    return cluster_store.deployment(settle(replace(fleet, store=wanted), live.fleet.hosts), live.fleet)


def too_much(plan: Plan) -> list[Refused]:
    """A refusal for each step that would do more to others than to change their store's settings."""
    return [
        Refused(f"another host would be changed: {s} ({s.why})", host=s.host, hint=narrow.HINT)
        for s in plan.steps
        if isinstance(s, RestartEngine | CreateNetwork | RemoveNetwork)
    ]
