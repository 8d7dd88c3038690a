"""The engines: running, registered in the store, and what their journals say."""

from __future__ import annotations

from urllib.parse import urlsplit

from overweave import store_part
from overweave.facts.boot import UNIT
from overweave.facts.engine import Engine
from overweave.facts.live import Live
from overweave.facts.namespaces import belongs
from overweave.facts.unit import STORE_FLAG, Unit
from overweave.journal import causes
from overweave.model import Fleet
from overweave.overlay import users_containers
from overweave.preflight.finding import error, note, warning
from overweave.steps import RestartEngine, Step

from .fault import Fault
from .places import Places

DEPLOY = "`fab deploy-overlay` sets that right"


def running(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    found = []
    for host, its in live.fleet.hosts.items():
        engine = its.engine
        if not isinstance(engine, Engine):
            found.append(Fault(error("engines.running", engine.why, fix=DEPLOY, host=host)))
        elif not engine.running:
            seen = f"the engine is down: {engine.reason}"
            found.append(Fault(error("engines.running", seen, fix=DEPLOY, host=host)))
        elif host not in live.carrying and live.fleet.swarm is None and not engine.swarm:
            seen = "the running engine " + ("is in no swarm" if fleet.in_swarm else "has no cluster store")
            found.append(Fault(error("engines.store", seen, fix=DEPLOY, host=host)))
    return found


def forgotten(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Overlays that containers are on, and the store has no record of: its data were lost."""
    if live.records is None:
        return []
    on: dict[tuple[str, str], list[str]] = {}
    for host, its in live.hosts.items():
        engine = live.fleet.hosts[host].engine
        if isinstance(engine, Engine) and engine.swarm:
            continue
        overlays = {name for name, space in its.docker.items() if space.vxlans()}
        for attached in its.attachments or ():
            id_ = attached.network
            if not attached.running or id_ in live.records.networks:
                continue
            if any(belongs(name, id_) for name in overlays):
                on.setdefault((attached.network_name, id_), []).append(f"{attached.container} on {host}")
    found = []
    for (name, id_), containers in on.items():
        who = ", ".join(containers[:3]) + (f" and {len(containers) - 3} more" if len(containers) > 3 else "")
        seen = f"the store has no record of network {name} (id {id_[:12]}), which {who} {_uses(containers)}"
        matters = (
            "nobody else can join it, and its VNI is given to the next network: the store's data were lost"
        )
        fix = "`fab store-rebuild` writes what the hosts know, or `fab store-restore FILE` puts a backup back"
        found.append(Fault(error("store.forgotten", seen, matters=matters, fix=fix)))
    return found


def _uses(containers: list[str]) -> str:
    return "uses" if len(containers) == 1 else "use"


def restart(live: Live, host: str, why: str, engine: Engine) -> tuple[str, tuple[Step, ...]]:
    """How a restart is told of, and the step. While the store is away there is none: containers are put on
    their overlay once then, which fails, and never again (engine-facts)."""
    if live.records is None:
        first = "the swarm's managers" if engine.swarm else "the store"
        return (
            f"{first} first: without {'a leader' if engine.swarm else 'it'} `fab repair` restarts no engine",
            (),
        )
    step = RestartEngine(host, why, users_containers(engine), same=True)
    return "`fab repair` restarts the engine, if you let it", (step,)


def threads(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """See `anchor`: whatever the engine dials from such a thread fails."""
    found = []
    for host, its in live.fleet.hosts.items():
        if isinstance(its.unit, Unit) and isinstance(its.engine, Engine) and its.unit.stray_threads:
            seen = f"threads of the engine are stuck in a dead network namespace: {its.unit.stray_threads}"
            matters = "it reaches store and gossip at one try and not at the other (moby#39036)"
            fix, steps = restart(live, host, seen, its.engine)
            found.append(Fault(error("engines.threads", seen, matters=matters, fix=fix, host=host), steps))
    return found


def store(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    its = live.fleet.store
    if its is not None and its.leader:
        return []
    seen, fix = "the store has no leader" if its else "no store runs on any of these hosts", DEPLOY
    if fleet.store.external:
        seen = f"the Consul at {fleet.store.place} does not answer, or has no leader"
        fix = "who runs it has to see to it: Overweave does not change it"
    away = _elsewhere(live)
    if its is None and away:
        fix = f"their engines use {away}: name its host, too, or deploy if it is gone"
    matters = "no container can join the overlay or leave it, and endpoints were not checked"
    return [Fault(error("store.leader", seen, matters=matters, fix=fix))]


def parts(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Servers and agents of the store that don't run. Where nothing of a store is seen, `store` tells."""
    if fleet.store.in_etcd:
        what, matters = "server of etcd", "the store survives the loss of one server less"
    else:
        what, matters = "part of Consul", "its engine is off the store's list soon, and joins nothing more"
    return [
        Fault(error("store.servers", f"its {what} does not run", matters=matters, fix=DEPLOY, host=host))
        for host in _without_part(fleet, live)
    ]


def _without_part(fleet: Fleet, live: Live) -> list[str]:
    """The hosts that should run a server or an agent of the store, and don't."""
    if not fleet.store.in_etcd and live.fleet.store is None:
        return []
    return [
        host
        for host in fleet.agents
        if store_part.tells(fleet, live.fleet.hosts[host]) and not store_part.runs(live.fleet.hosts[host])
    ]


def _elsewhere(live: Live) -> str:
    """The store that the running engines use, where its address is of none of these hosts."""
    own = {str(a.ip) for its in live.fleet.hosts.values() for i in its.interfaces.all for a in i.addresses}
    for its in live.fleet.hosts.values():
        for argument in its.unit.arguments if isinstance(its.unit, Unit) else ():
            if argument.startswith(STORE_FLAG):
                address = urlsplit(argument.removeprefix(STORE_FLAG)).hostname or ""
                return argument.removeprefix(STORE_FLAG) if address and address not in own else ""
    return ""


def registered(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Engines of the fleet that the store does not know, and others that it knows. Without an agent of the
    store next to it none can be known: see `parts`."""
    if live.records is None:
        return []
    found = []
    alone = () if fleet.store.in_etcd else _without_part(fleet, live)
    known = {node.rpartition(":")[0] for node in live.records.nodes}
    for host, its in live.fleet.hosts.items():
        vtep = live.vteps.get(host, "")
        if host in alone:
            continue
        if host in live.carrying and isinstance(its.engine, Engine) and vtep and vtep not in known:
            seen = f"{vtep} is not registered in the store"
            matters = "engines that start don't find it; a reload of the engine stops its registration"
            fix, steps = restart(live, host, seen, its.engine)
            found.append(Fault(error("nodes.missing", seen, matters=matters, fix=fix, host=host), steps))
    for stranger in sorted(known - {*live.vteps.values(), *live.chosen.values()}):
        seen = f"an engine at {stranger} is registered in the store and not in the inventory"
        fix = "name it in the inventory; one that was removed while it was off, and is back, leaves by "
        fix += f"`fab remove-host {stranger}`"
        found.append(Fault(warning("nodes.strangers", seen, fix=fix)))
    return found


def advertised(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """What the engines advertise is where their containers are, whatever a deployment would choose now."""
    found = []
    for host, vtep in live.vteps.items():
        wanted = live.chosen.get(host, "")
        if wanted and wanted != vtep:
            seen = f"the engine advertises {vtep}, and a deployment would choose {wanted} now"
            fix = "name the inventory with the host's `advertise:`; if it is right, `fab deploy-overlay`"
            found.append(Fault(warning("engines.advertise", seen, fix=fix, host=host)))
    return found


def booting(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """The unit that finishes a boot: without it an engine may come back alone, or without its containers."""
    found = []
    for host, its in live.fleet.hosts.items():
        ours = its.before if fleet.in_swarm else isinstance(its.unit, Unit) and its.unit.drop_in
        if host not in live.carrying or not ours:
            continue
        if its.boot.failed:
            seen, fix = f"{UNIT} gave up", f"`journalctl -u {UNIT}` tells what did not come back"
        elif not its.boot.enabled:
            seen, fix = f"{UNIT} is not enabled", DEPLOY
        else:
            continue
        matters = "what Docker gives up when it starts stays away"
        found.append(Fault(warning("boot.unit", seen, matters=matters, fix=fix, host=host)))
    return found


def journals(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """What known lines of the journals mean. A note: what was said may have passed."""
    return [
        Fault(
            note("journal", f"the engine has said since its start: {cause.text}", fix=cause.remedy, host=host)
        )
        for host, its in live.hosts.items()
        for cause in causes(its.journal)
        if not cause.passing
    ]
