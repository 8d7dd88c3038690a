"""From the store to a swarm: one host after the other, those behind which the store is last. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from overweave import anchor, boot
from overweave.backends.swarm import PORT
from overweave.command import Secret
from overweave.facts.engine import Engine
from overweave.facts.moving import Overlay
from overweave.facts.record import MOVE
from overweave.facts.unit import DROP_IN
from overweave.model import SPEC_LABEL, container_name, spec_digest
from overweave.overlay import left_over_probes
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    InitSwarm,
    JoinSwarm,
    PassGate,
    RemoveContainer,
    RemoveFile,
    RestartEngine,
    RunContainer,
    Stage,
    Step,
    StopContainers,
    WriteSecret,
    make_plan,
)

from .turn import Site, Turn, anchored, seated, wired

HOLD = "overweave-hold"
WHY = "it moves to the swarm"
NOTE = "an engine forgets its networks with its store, and this is the way back"


def to_swarm(site: Site, *, pool: str = "") -> tuple[Turn, ...]:
    """What is left to do. ``pool``: where the swarm takes the subnet of its own network from, "" for where
    engines do."""
    turns = [Turn("", make_plan(Stage("notes", tuple(_notes(site)))))]
    moved: list[str] = []
    for name in site.order:
        steps = _turn(site, name, moved, pool)
        moved.append(name)
        stops = site.stops(name) if site.has_flags(name) or not site.runs(name) else ()
        proves = tuple(moved) if len(moved) > 1 else ()
        turns.append(Turn(name, make_plan(*steps), stops, proves))
    return tuple(turn for turn in turns if turn.plan)


def create(overlay: Overlay) -> dict[str, object]:
    """The body of ``POST /networks/create`` for a network of a swarm that has all that one of the store
    has, but for addresses that nobody is to get: Swarm knows none."""
    parts = [{"Subnet": its.subnet, "Gateway": its.gateway, "IPRange": its.range} for its in overlay.pools]
    return {
        "Name": overlay.name,
        "Driver": "overlay",
        "CheckDuplicate": True,
        "Attachable": True,
        "Internal": overlay.internal,
        "IPAM": {
            "Driver": "default",
            "Config": [{key: value for key, value in its.items() if value} for its in parts],
        },
        "Options": dict(overlay.options),
        "Labels": dict(overlay.labels),
    }


def holds(site: Site) -> list[str]:
    """Names of containers that hold addresses, on whatever host."""
    return [
        its.name
        for host in site.facts.hosts.values()
        if isinstance(host.engine, Engine)
        for its in host.engine.containers
        if its.name.startswith(f"{HOLD}-") and SPEC_LABEL in its.labels
    ]


def _notes(site: Site) -> Iterator[Step]:
    for name in site.fleet.names:
        if site.seen[name].note is None:
            yield WriteSecret(name, NOTE, MOVE, Secret(site.notes[name].text()))


def _turn(site: Site, name: str, moved: Collection[str], pool: str) -> list[Stage]:
    leaves = site.has_flags(name) or not site.runs(name)
    via = site.order[0]
    rewired = wired(site, name, to_store=False)
    begin = [] if site.joined(name) else [_join(site, name, moved, pool)]
    shared = list(_networks(site)) if name == via else []
    anchors = list(anchored(site, name, "", gone=leaves))
    units = boot.install(name, site.its(name).boot, site.advertise[name].address, {})
    whole = not (leaves or begin or shared or rewired or anchors)
    return [
        Stage("boot unit", tuple(units)),
        Stage("containers that stop", tuple(_stop(site, name)) if leaves else ()),
        Stage("its engine", tuple(_leave(site, name)) if leaves else ()),
        Stage("gate", (_gate(site, name),) if leaves else ()),
        Stage("the swarm", tuple(begin)),
        Stage("networks", tuple(shared)),
        Stage("addresses of the others", tuple(_hold(site, name, moved))),
        Stage("addresses of its own", tuple(_let_go(site, name))),
        *(() if whole else seated(site, name, rewired, stopped=leaves)),
        Stage("anchor", tuple(anchors)),
    ]


def _stop(site: Site, name: str) -> Iterator[Step]:
    # A host without an anchor is one whose turn is not over: it goes before anything stops.
    yield from left_over_probes(site.its(name))
    for its in anchor.there(site.fleet, site.its(name).engine):
        yield RemoveContainer(name, "its network goes with the store", its.name)
    if names := site.stops(name):
        yield StopContainers(name, "their networks go with the store, and the engine restarts", names)


def _leave(site: Site, name: str) -> Iterator[Step]:
    its = site.its(name)
    if site.has_flags(name):
        keep = its.before is None or its.before.drop_in_folder
        yield RemoveFile(name, "a cluster store forbids swarm mode", DROP_IN, with_folder=not keep)
    yield RestartEngine(name, "without the cluster flags")
    if name in site.with_store:
        yield AwaitLeader(name, "the others need it until they are moved")


def _gate(site: Site, name: str) -> PassGate:
    return PassGate("", "its engine restarts", (name,), {}, {}, {})


def _join(site: Site, name: str, moved: Collection[str], pool: str) -> Step:
    address = site.advertise[name].address
    swarm = site.fleet.swarm
    if name == site.order[0]:
        return InitSwarm(name, "it is the first of its managers", address, swarm.port, pool)
    managers = (site.order[0], *(n for n in moved if n in site.managers and n != site.order[0]))
    remotes = tuple(f"{site.advertise[n].address}:{PORT}" for n in managers)
    return JoinSwarm(name, WHY, address, site.order[0], remotes, name in site.managers)


def _networks(site: Site) -> Iterator[Step]:
    engine = site.its(site.order[0]).engine
    there = {n.name for n in engine.networks if n.scope == "swarm"} if isinstance(engine, Engine) else set()
    for name, overlay in sorted(site.networks.items()):
        if name not in there:
            yield CreateNetwork(site.order[0], "the store has it", name, create(overlay))


def _fixed(site: Site, name: str) -> dict[str, tuple[str, str]]:
    """Of running containers of a host that is not moved yet: what holds an address of theirs, and where."""
    if not site.has_flags(name):
        return {}
    return {
        container_name(HOLD, f"{network}-{seat.fixed.replace('.', '-')}"): (network, seat.fixed)
        for its in site.seen[name].containers.values()
        if its.running
        for network, seat in its.seats.items()
        if seat.fixed
    }


def _hold(site: Site, name: str, moved: Collection[str]) -> Iterator[Step]:
    """Addresses that containers on other hosts were given: the swarm must not give them to anybody else
    meanwhile."""
    if name != site.order[0]:
        return
    there = holds(site)
    wanted = {hold: at for n in site.order if n != name for hold, at in _fixed(site, n).items()}
    for hold, (network, address) in sorted(wanted.items()):
        if hold not in there:
            why = f"a container that is moved later has {address}"
            yield RunContainer(name, why, hold, _holder(site, network, address))


def _let_go(site: Site, name: str) -> Iterator[Step]:
    if name == site.order[0]:
        needed = {hold for n in site.order[1:] for hold in _fixed(site, n)}
        gone = [hold for hold in holds(site) if hold not in needed]
    else:
        gone = list(_fixed(site, name))
    for hold in sorted(gone):
        yield RemoveContainer(site.order[0], "who has its address comes now", hold)


def _holder(site: Site, network: str, address: str) -> dict[str, object]:
    body = anchor.spec(site.fleet)
    del body["Labels"]
    body["HostConfig"] = body["HostConfig"] | {"NetworkMode": network}
    body["NetworkingConfig"] = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}}
    return body | {"Labels": {SPEC_LABEL: spec_digest(body)}}
