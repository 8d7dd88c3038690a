"""The engines: running, registered in the store, and what their journals say."""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.live import Live
from overweave.facts.unit import Unit
from overweave.journal import causes
from overweave.model import Fleet
from overweave.overlay import users_containers
from overweave.preflight.finding import error, note, warning
from overweave.steps import RestartEngine

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
        elif host not in live.carrying:
            seen = "the running engine has no cluster store"
            found.append(Fault(error("engines.store", seen, fix=DEPLOY, host=host)))
    return found


def threads(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """See `anchor`: whatever the engine dials from such a thread fails."""
    found = []
    for host, its in live.fleet.hosts.items():
        if isinstance(its.unit, Unit) and isinstance(its.engine, Engine) and its.unit.stray_threads:
            seen = f"threads of the engine are stuck in a dead network namespace: {its.unit.stray_threads}"
            step = RestartEngine(host, seen, users_containers(its.engine))
            matters = "it reaches store and gossip at one try and not at the other (moby#39036)"
            fix = "`fab repair` restarts the engine, if you let it"
            found.append(Fault(error("engines.threads", seen, matters=matters, fix=fix, host=host), (step,)))
    return found


def store(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    its = live.fleet.store
    if its is not None and its.leader:
        return []
    seen = "the store has no leader" if its else "no store runs on any of these hosts"
    matters = "no container can join the overlay or leave it, and endpoints were not checked"
    return [Fault(error("store.leader", seen, matters=matters, fix=DEPLOY))]


def registered(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Engines of the fleet that the store does not know, and others that it knows."""
    if live.records is None:
        return []
    found = []
    known = {node.rpartition(":")[0] for node in live.records.nodes}
    for host, its in live.fleet.hosts.items():
        vtep = live.vteps.get(host, "")
        if host in live.carrying and isinstance(its.engine, Engine) and vtep and vtep not in known:
            seen = f"{vtep} is not registered in the store"
            matters = "engines that start don't find it; a reload of the engine stops its registration"
            fix = "`fab repair` restarts the engine, if you let it"
            step = RestartEngine(host, seen, users_containers(its.engine))
            found.append(Fault(error("nodes.missing", seen, matters=matters, fix=fix, host=host), (step,)))
    for stranger in sorted(known - {*live.vteps.values(), *live.chosen.values()}):
        seen = f"an engine at {stranger} is registered in the store and not in the inventory"
        found.append(
            Fault(warning("nodes.strangers", seen, fix="name it in the inventory, or see what it is"))
        )
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
