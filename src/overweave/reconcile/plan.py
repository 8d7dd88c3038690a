"""The only decider of what is done for the networks that an inventory lists. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_

from overweave.errors import Refused
from overweave.facts.containers import ContainerFact, Endpoint
from overweave.facts.engine import Engine, NetworkFact
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.networks import HostNetworks
from overweave.facts.wanted import CONNECTED, note
from overweave.model import Fleet
from overweave.overlay import left_over_probes
from overweave.steps import (
    ConnectContainer,
    CreateNetwork,
    LeaveNetwork,
    Plan,
    RemoveFile,
    RemoveNetwork,
    Stage,
    Step,
    WriteFile,
    make_plan,
    some,
)
from overweave.wanted import LABEL, Joining, WantedNetwork

from . import shim
from .spec import Difference, body, differences, scope_of

LISTED = "the inventory lists it"
UNLISTED = "the inventory does not list it any more"
NEVER_JOIN = ("host", "none")
"""Modes of containers that no engine connects to anything."""


@dataclass(frozen=True)
class Drift:
    """A network that is there and differs. ``ours``: it was made because an inventory lists it."""

    host: str
    network: str
    differences: tuple[Difference, ...]
    ours: bool

    def __str__(self) -> str:
        return f"network {self.network} differs: {'; '.join(map(str, self.differences))}"


@dataclass(frozen=True)
class Reconciliation:
    """``refused`` is what forbids the plan. ``waiting`` are containers that are to be connected and are not
    there yet; ``leave`` names those that lose a network, maybe for a moment."""

    plan: Plan
    drift: tuple[Drift, ...] = ()
    refused: tuple[Refused, ...] = ()
    waiting: tuple[Joining, ...] = ()


@dataclass
class _Work:
    """What is gathered on the way. ``gone`` are ids of networks that the plan removes, with the host that is
    told to; ``made`` (host, name) those that it makes. ``connected`` is each host's note as it is to be.
    ``why``: what is told of that which goes for good."""

    why: str = UNLISTED
    drift: list[Drift] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    waiting: list[Joining] = field(default_factory=list)
    gone: dict[str, RemoveNetwork] = field(default_factory=dict)
    made: dict[tuple[str, str], CreateNetwork] = field(default_factory=dict)
    leave: dict[tuple[str, str, str], LeaveNetwork] = field(default_factory=dict)
    join: list[ConnectContainer] = field(default_factory=list)
    connected: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)


def reconcile(
    fleet: Fleet, facts: FleetFacts, seen: Mapping[str, HostNetworks], *, replace: bool = False
) -> Reconciliation:
    """What makes the networks of an inventory come true, and nothing for what is as it should be."""
    if silent := [why for name in fleet.names if (why := _silent(facts, seen, name))]:
        return Reconciliation(Plan(), refused=tuple(silent))
    work = _begin(fleet, facts)
    wanted = {network.name: network for network in fleet.networks or ()}
    for network in wanted.values():
        _one(network, fleet, facts, seen, work, replace=replace)
    _prune(wanted, fleet, facts, seen, work)
    for name in fleet.names:
        _containers(name, wanted, fleet, facts, seen[name], work)
    return Reconciliation(
        _staged(wanted, fleet, facts, work),
        tuple(work.drift),
        tuple(work.refused),
        tuple(work.waiting),
    )


def removal(
    fleet: Fleet, facts: FleetFacts, seen: Mapping[str, HostNetworks], *, why: str = UNLISTED
) -> Reconciliation:
    """What takes away all that was ever made for an inventory's networks, whatever it lists now."""
    if silent := [its for name in fleet.names if (its := _silent(facts, seen, name))]:
        return Reconciliation(Plan(), refused=tuple(silent))
    work = _begin(fleet, facts)
    work.why = why
    _prune({}, fleet, facts, seen, work)
    for name in fleet.names:
        _containers(name, {}, fleet, facts, seen[name], work)
    return Reconciliation(_staged({}, fleet, facts, work), refused=tuple(work.refused))


def departing(fleet: Fleet, facts: FleetFacts, seen: HostNetworks, why: str) -> Reconciliation:
    """The same on a host that leaves the others. What is one network for all hosts stays, and so does who is
    on it there."""
    name = seen.host
    alone = replace_(fleet, hosts=(fleet.host(name),))
    local = tuple(its for its in seen.networks or () if its.fact.scope == "local")
    own = {key for its in local for key in (its.fact.id, its.fact.name)}
    containers = tuple(
        replace_(its, endpoints=tuple(e for e in its.endpoints if (e.network_id or e.network) in own))
        for its in seen.containers or ()
    )
    if seen.networks is not None and seen.containers is not None:
        seen = replace_(seen, networks=local, containers=containers)
    return removal(alone, replace_(facts, hosts={name: facts.hosts[name]}), {name: seen}, why=why)


def carries_listed(its: HostFacts) -> bool:
    """Whether anything on a host was made because an inventory lists a network."""
    engine = its.engine if isinstance(its.engine, Engine) else None
    networks = engine.networks if engine else ()
    return bool(its.notes.text or its.notes.shims) or any(LABEL in n.labels for n in networks)


def without_listed(facts: FleetFacts) -> FleetFacts:
    """As if the networks of inventories were gone."""

    def bare(its: HostFacts) -> HostFacts:
        if not isinstance(its.engine, Engine):
            return its
        others = tuple(n for n in its.engine.networks if LABEL not in n.labels)
        return replace_(its, engine=replace_(its.engine, networks=others))

    return replace_(facts, hosts={name: bare(its) for name, its in facts.hosts.items()})


def _begin(fleet: Fleet, facts: FleetFacts) -> _Work:
    work = _Work()
    for name in fleet.names:
        work.connected[name] = {n: dict(its) for n, its in facts.hosts[name].notes.connected.items()}
    return work


def _silent(facts: FleetFacts, seen: Mapping[str, HostNetworks], name: str) -> Refused | None:
    engine = facts.hosts[name].engine
    if not isinstance(engine, Engine):
        return Refused(engine.why, host=name, hint="install Docker there")
    if not engine.running:
        return Refused(
            f"its engine is down: {engine.reason}", host=name, hint="`systemctl start docker` there"
        )
    if seen[name].networks is None or seen[name].containers is None:
        return Refused("; ".join(seen[name].problems), host=name, hint="`fab status` shows the engines")
    return None


def _networks(seen: Mapping[str, HostNetworks], host: str) -> tuple[NetworkFact, ...]:
    return tuple(its.fact for its in seen[host].networks or ())


def makers(fleet: Fleet, facts: FleetFacts) -> list[str]:
    """Hosts whose engines can make an overlay: those of the cluster store, or the swarm's managers."""
    found = []
    for name in fleet.names:
        its = facts.hosts[name]
        if not isinstance(its.engine, Engine):
            continue
        member = its.engine.member
        if member.active and member.manager if fleet.in_swarm else bool(its.advertised):
            found.append(name)
    return found


def _one(
    network: WantedNetwork,
    fleet: Fleet,
    facts: FleetFacts,
    seen: Mapping[str, HostNetworks],
    work: _Work,
    *,
    replace: bool,
) -> None:
    scope = scope_of(network, fleet)
    there = {
        host: fact for host in fleet.names for fact in _networks(seen, host) if fact.name == network.name
    }
    if network.everywhere:
        work.refused += _twins(network, fleet)
        able = makers(fleet, facts)
        # A worker of a swarm knows a network only while a container of its own is on it.
        at = next((h for h in able if h in there and there[h].scope == scope), able[0] if able else "")
        if not at:
            work.refused.append(
                Refused(
                    f"no engine here can make the overlay {network.name}",
                    hint="`fab deploy-overlay` gives them a cluster store or a swarm first",
                )
            )
            return
        places = [at, *(h for h in network.hosts if h in there and there[h].scope != scope)]
    else:
        places = [host for host in network.hosts if host in fleet.names]
    for host in places:
        wanted = body(network, host, fleet, facts)
        fact = there.get(host)
        if fact is None:
            work.made[host, network.name] = CreateNetwork(host, LISTED, network.name, wanted)
            continue
        found = differences(wanted, scope, fact, shim=network.shim)
        if not found:
            continue
        ours = LABEL in fact.labels
        drift = Drift(host, network.name, found, ours)
        work.drift.append(drift)
        if not ours:
            work.refused.append(
                Refused(
                    f"{drift}; and it was not made by apply-networks",
                    host=host,
                    hint=f"list it as it is or by another name, or `docker network rm {network.name}` there",
                )
            )
        elif not replace:
            work.refused.append(
                Refused(
                    str(drift),
                    host=host,
                    hint="list it as it is, or --replace, which takes its containers off it for a moment",
                )
            )
        else:
            why = "; ".join(map(str, found))
            if _remove(fact, host, why, network, seen, work):
                create = CreateNetwork(host, why, network.name, wanted)
                if not network.everywhere or host == places[0]:
                    work.made[host, network.name] = create


def _twins(network: WantedNetwork, fleet: Fleet) -> Iterator[Refused]:
    """With a cluster store, endpoints have their containers' names, and each is there once."""
    seen: dict[str, str] = {}
    for joining in network.containers if not fleet.in_swarm else ():
        if joining.container in seen:
            yield Refused(
                f"{joining.container} of {seen[joining.container]} and {joining.container} of {joining.host} "
                f"can't both be on the overlay {network.name}: with a cluster store each name is there once",
                hint="give one of the containers another name: `docker rename`",
            )
        seen.setdefault(joining.container, joining.host)


def _remove(
    fact: NetworkFact,
    host: str,
    why: str,
    network: WantedNetwork | None,
    seen: Mapping[str, HostNetworks],
    work: _Work,
) -> bool:
    """Take a network away with those of its containers that are known; False where others are on it."""
    hosts = [host] if fact.scope == "local" else list(seen)
    listed = {(j.host, j.container) for j in network.containers} if network else set()
    strangers = []
    for name in hosts:
        noted = work.connected.get(name, {}).get(fact.name, {})
        for container, _ in _on(seen[name], fact):
            if (name, container.name) in listed or noted.get(container.name) == container.id:
                key = (name, fact.name, container.name)
                work.leave[key] = LeaveNetwork(name, why, container.name, fact.id, fact.name)
            else:
                strangers.append(f"{container.name} on {name}{'' if container.running else ' (stopped)'}")
    if strangers:
        work.refused.append(
            Refused(
                f"network {fact.name} can't be removed: on it are {some(strangers)}, which apply-networks "
                "did not connect",
                host=host,
                hint=f"list them under `containers:`, or `docker network disconnect {fact.name} CONTAINER`",
            )
        )
        return False
    work.gone[fact.id] = RemoveNetwork(host, why, fact.name)
    return True


def _on(its: HostNetworks, fact: NetworkFact) -> Iterator[tuple[ContainerFact, Endpoint]]:
    """Containers on a network, stopped ones too, and not those in the sandbox of another one."""
    for container in its.containers or ():
        if container.shares:
            continue
        for endpoint in container.endpoints:
            here = endpoint.network_id == fact.id
            if (here or (not endpoint.network_id and endpoint.network == fact.name)) and _plugged(
                container, endpoint
            ):
                yield container, endpoint


def _plugged(container: ContainerFact, endpoint: Endpoint) -> bool:
    """Whether it is there, or will be when the container starts: a connection that has failed leaves one that
    runs with its network's name alone."""
    return bool(endpoint.id) or not container.running


def _plug(container: ContainerFact, network: str) -> Endpoint | None:
    its = (e for e in container.endpoints if e.network == network and _plugged(container, e))
    return next(its, None)


def _prune(
    wanted: Mapping[str, WantedNetwork],
    fleet: Fleet,
    facts: FleetFacts,
    seen: Mapping[str, HostNetworks],
    work: _Work,
) -> None:
    able = makers(fleet, facts)
    for name in fleet.names:
        for fact in _networks(seen, name):
            network = wanted.get(fact.name)
            here = network is not None and (network.everywhere or name in network.hosts)
            if LABEL not in fact.labels or here or fact.id in work.gone:
                continue
            if fact.scope == "swarm" and name not in able:
                continue
            _remove(fact, name, work.why, None, seen, work)


def _containers(
    name: str,
    wanted: Mapping[str, WantedNetwork],
    fleet: Fleet,
    facts: FleetFacts,
    seen: HostNetworks,
    work: _Work,
) -> None:
    """What is to be connected and disconnected on one host, and its note of that."""
    by_name = {c.name: c for c in seen.containers or ()}
    old = facts.hosts[name].notes.connected
    new: dict[str, dict[str, str]] = {}
    for network in wanted.values():
        for joining in network.containers:
            if joining.host != name:
                continue
            container = by_name.get(joining.container)
            if container is None:
                work.waiting.append(joining)
                continue
            if container.mode in NEVER_JOIN or container.shares:
                its = f"--network {container.mode}"
                work.refused.append(
                    Refused(
                        f"{container.name} can't join {network.name}: it was made with {its}",
                        host=name,
                        hint=f"take it out of `networks.{network.name}.containers`, or make it without that",
                    )
                )
                continue
            noted = old.get(network.name, {}).get(container.name) == container.id
            if _join(network, joining, container, name, noted, work) or noted:
                new.setdefault(network.name, {})[container.name] = container.id
    for network_name, those in old.items():
        now = wanted[network_name].containers if network_name in wanted else ()
        listed = {joining.container for joining in now if joining.host == name}
        for container_name, id_ in those.items():
            container = by_name.get(container_name)
            if container_name in listed or container is None or container.id != id_:
                continue
            endpoint = _plug(container, network_name)
            key = (name, network_name, container_name)
            if endpoint is not None and key not in work.leave:
                where = endpoint.network_id or network_name
                work.leave[key] = LeaveNetwork(name, work.why, container_name, where, network_name)
    work.connected[name] = new


def _join(
    network: WantedNetwork,
    joining: Joining,
    container: ContainerFact,
    host: str,
    noted: bool,
    work: _Work,
) -> bool:
    """Whether it is to be connected, or connected anew."""
    connect = ConnectContainer(host, LISTED, container.name, network.name, joining.aliases, joining.address)
    endpoint = _plug(container, network.name)
    key = (host, network.name, container.name)
    if endpoint is None or key in work.leave:
        work.join.append(connect)
        return True
    # The short id is the engine's own addition, and the name that of newer ones.
    aliases = {a for a in endpoint.aliases if not container.id.startswith(a) and a != container.name}
    wrong = []
    missing = [a for a in joining.aliases if a not in aliases and a != container.name]
    extra = sorted(aliases - {*joining.aliases}) if noted else []
    if missing or extra:
        told = ", ".join(sorted(aliases)) or "none"
        wrong.append(f"aliases {told}, wanted {', '.join(joining.aliases) or 'none'}")
    # A swarm notes the address that it has given as one that was asked for.
    if joining.address and endpoint.fixed != joining.address:
        wrong.append(f"address {endpoint.fixed or 'any'}, wanted {joining.address}")
    if not wrong:
        return False
    why = "; ".join(wrong)
    where = endpoint.network_id or network.name
    work.leave[key] = LeaveNetwork(host, why, container.name, where, network.name)
    work.join.append(connect)
    return True


def _staged(wanted: Mapping[str, WantedNetwork], fleet: Fleet, facts: FleetFacts, work: _Work) -> Plan:
    """First what goes, then what comes. What comes is taken back if not all of it does; the note of who was
    connected has everybody in between, so that a run that is broken off forgets nobody."""
    before: list[Step] = []
    after: list[Step] = []
    shims: list[Step] = []
    old_shims: list[Step] = []
    removed = {(step.host, step.name) for step in work.gone.values()}
    for name in fleet.names:
        its = facts.hosts[name]
        old, new = its.notes.connected, work.connected.get(name, {})
        both = {n: {**old.get(n, {}), **new.get(n, {})} for n in {*old, *new}}
        before += _noted(name, its.notes.text, note(both))
        after += _noted(name, note(both), note(new))
        for network in wanted.values():
            if network.shim and name in network.hosts:
                anew = (name, network.name) in work.made
                shims += shim.install(network, its, anew=anew)
        for network_name in its.notes.shims:
            network_ = wanted.get(network_name)
            kept = network_ is not None and network_.shim and name in network_.hosts
            if not kept or (name, network_name) in removed:
                why = "its network is made anew" if kept else work.why
                old_shims.append(shim.remove(network_name, name, why))
    probes = [step for its in facts.hosts.values() for step in left_over_probes(its)]
    something = work.gone or work.made or work.leave or work.join
    return make_plan(
        Stage("left over", tuple(probes if something else ())),
        Stage("note", tuple(before), guarded=True),
        Stage("containers off networks", tuple(work.leave.values())),
        Stage("old shims", tuple(old_shims)),
        Stage("old networks", tuple(work.gone.values())),
        Stage("networks", tuple(work.made.values()), guarded=True),
        Stage("shims", tuple(shims), guarded=True),
        Stage("containers on networks", tuple(work.join), guarded=True),
        Stage("note of it", tuple(after)),
    )


def _noted(host: str, there: str, wanted: str) -> list[Step]:
    why = "who was connected is known when it is to be disconnected"
    if there == wanted:
        return []
    if not wanted:
        return [RemoveFile(host, "nobody is connected any more", CONNECTED, with_folder=True)]
    return [WriteFile(host, why, CONNECTED, wanted, there)]
