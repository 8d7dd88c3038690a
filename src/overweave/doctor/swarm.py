"""The swarm: its managers, and whether each host is one of its nodes."""

from __future__ import annotations

from overweave.errors import Refused
from overweave.facts.engine import Engine
from overweave.facts.live import Live
from overweave.facts.swarm import LOCKED, REACHABLE
from overweave.model import Fleet
from overweave.preflight.finding import error, note, warning
from overweave.printable import one_line
from overweave.swarms import lock

from .fault import Fault
from .places import Places

LOCKED_MATTERS = "it takes no part in the swarm, and no container on the swarm's networks starts there"
MATTERS = "containers that start while it is split are dead to each other"
SECONDS = 10.0
"""That a node may be away: an engine that starts finds its managers by then."""


def locked(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Managers that wait for the swarm's unlock key. One that is not locked knows it."""
    found = []
    for host in lock.locked(fleet, live.fleet):
        seen = "its manager is locked: it waits for the swarm's unlock key since its engine started"
        try:
            steps = lock.unlocking(fleet, live.fleet).steps
        except Refused as e:
            fault = error("swarm.locked", seen, matters=LOCKED_MATTERS, fix=e.hint, host=host)
            found.append(Fault(fault))
            continue
        mine = tuple(step for step in steps if step.host == host)
        fix = "`fab repair` unlocks it with the key that another manager knows"
        found.append(Fault(error("swarm.locked", seen, matters=LOCKED_MATTERS, fix=fix, host=host), mine))
    return found


def managers(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    swarm = live.fleet.swarm
    waiting = lock.locked(fleet, live.fleet)
    if swarm is None or not swarm.leader:
        seen = "the swarm has no leader" if swarm else "no manager of the swarm answers"
        matters = "no container can join its networks or leave them; what runs goes on"
        engines = [e for its in live.fleet.hosts.values() if isinstance(e := its.engine, Engine)]
        begun = any(engine.swarm or not engine.running for engine in engines)
        fix = (
            "unlock its managers"
            if waiting
            else "start the managers that are down; if most of them are lost for good, `fab "
            "runbook.recover-lost-swarm --from HOST` goes on with one that is left"
            if begun
            else "`fab deploy-overlay` begins a swarm: no engine is in one"
        )
        return [Fault(error("swarm.leader", seen, matters=matters, fix=fix), moment=SECONDS)]
    found = []
    voting = [node for node in swarm.nodes.values() if node.manager]
    told = {live.fleet.hosts[host].identity.hostname for host in waiting}
    for node in voting:
        if node.manager != REACHABLE and node.name not in told:
            seen = f"manager {node.name} ({node.address}) is {one_line(node.manager, 40)}"
            fix = (
                "is its host up, and does TCP 2377 of it answer? `docker node demote` if it is gone for good"
            )
            found.append(Fault(error("swarm.manager", seen, fix=fix), moment=SECONDS))
    if len(voting) % 2 == 0:
        seen = f"the swarm has {len(voting)} managers"
        matters = f"no more of them may fail than of {len(voting) - 1}, and one more can"
        found.append(
            Fault(warning("swarm.managers", seen, matters=matters, fix="`swarm: managers:` says more"))
        )
    return found


def nodes(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    swarm = live.fleet.swarm
    if swarm is None:
        return []
    found, ours = [], set()
    for host, its in live.fleet.hosts.items():
        engine = its.engine
        if not isinstance(engine, Engine) or not engine.running:
            ours |= {node.id for node in swarm.nodes.values() if node.name == its.identity.hostname}
            continue
        if engine.member.state == LOCKED:
            ours |= {node.id for node in swarm.nodes.values() if node.name == its.identity.hostname}
            continue
        node = swarm.nodes.get(engine.member.node)
        if node is None:
            seen = "the engine is no node of the swarm"
            fix = "`fab deploy-overlay` sets that right"
            found.append(Fault(error("swarm.node", seen, fix=fix, host=host)))
            continue
        ours.add(node.id)
        if node.state != "ready":
            seen = f"its node is {one_line(node.state, 40)}, as the managers see it"
            matters = "its engine is not told of networks, nor of containers on other hosts"
            fix = "see `journalctl -u docker` on it: does TCP 2377 of a manager answer?"
            fault = error("swarm.node", seen, matters=matters, fix=fix, host=host)
            found.append(Fault(fault, moment=SECONDS))
        if node.availability != "active":
            seen = f"its node is set to {one_line(node.availability, 40)}: services don't run there"
            found.append(Fault(note("swarm.availability", seen, host=host)))
    for node in swarm.nodes.values():
        if node.id not in ours and node.state != "ready" and not node.manager:
            seen = f"node {node.name} ({node.address}), which is none of these hosts, is {node.state}"
            fix = f"`docker node rm {node.id[:12]}` if it is gone for good"
            found.append(Fault(note("swarm.others", seen, fix=fix)))
    return found


def certificates(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Nodes' certificates that have ended, or that their engines should have renewed by now."""
    found = []
    for host, its in live.fleet.hosts.items():
        engine, certificate = its.engine, its.node_certificate
        if certificate is None or not certificate.late:
            continue
        day = f"{certificate.ends:%Y-%m-%d}"
        if certificate.ended:
            seen = f"its certificate as a node of the swarm ended on {day}"
            matters = "its engine can't be in the swarm any more (moby#42660)"
            fix = (
                "`docker swarm leave --force` there, then `fab deploy-overlay` lets it join anew; where most "
                "managers are so, `fab destroy-overlay` first"
            )
            found.append(Fault(error("swarm.certificate", seen, matters=matters, fix=fix, host=host)))
            continue
        runs = isinstance(engine, Engine) and engine.running
        seen = f"its certificate as a node of the swarm ends on {day}, and its engine has not renewed it"
        fix = (
            "does TCP 2377 of the managers answer it, and has the swarm a leader? `fab rotate-certificates` "
            "makes all of them anew"
            if runs
            else "start it before that day: `systemctl start docker`"
        )
        matters = "from then on its engine can't be in the swarm (moby#42660)"
        found.append(Fault(warning("swarm.certificate", seen, matters=matters, fix=fix, host=host)))
    return found


def gossip(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """Each network of a swarm has a gossip of its own, of the engines that have containers on it."""
    found = []
    for network in live.records.networks.values() if live.records else ():
        on = {place.host: place.vtep for place in places.on(network.id) if place.vtep}
        for host in on:
            peers = live.hosts[host].peers.get(network.id)
            missing = [other for other, vtep in on.items() if peers is not None and vtep not in peers]
            if missing:
                seen = f"the engine does not see {', '.join(missing)} in the gossip of {network.name}"
                fix = "does 7946 (TCP and UDP) of them answer? Else restart the engine, which joins anew"
                fault = error("swarm.gossip", seen, matters=MATTERS, fix=fix, host=host)
                found.append(Fault(fault, moment=SECONDS))
    return found
