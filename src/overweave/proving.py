"""The proof of a fleet's network: what is proven, whether it has been, and why it is red."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from ipaddress import IPv4Interface

from . import anchor
from .command import change_script, query_script
from .errors import DeadlineExceeded, Refused, StoreError
from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.typed import text
from .facts.unit import Unit
from .fleet import each
from .gossip.islands import unseen
from .model import Fleet
from .overlay import addresses, container_mtu, underlay_mtu, vxlan_port
from .plan import refuse
from .printable import one_line
from .prove import proof, underlay, wire
from .prove.choice import ISOLATION, OVERLAY_ONLY, Choice
from .prove.matrix import UNDERLAY, Matrix
from .prove.proof import Place
from .prove.repeated import merged
from .prove.signs import Context
from .session import Session, has_cluster_flags, look, measure_paths
from .waiting import wait_until
from .wanted import ON_PARENT, WantedNetwork

SETTLE_SECONDS = 35.0
"""An engine that restarted may learn names, or where containers are, later than all else, by the gossip's
next full exchange at the latest (30 s, memberlist): each seen once, on a loaded machine, where the store's
host was a batch of its own."""
LATE = {"vxlan-swallowed"}
"""Rules of diagnosis that fit an engine's lateness, too: rows that are right in the end."""
OTHERS = 5
"""Networks, and containers of each, that the check of isolation tries to reach."""
PROVEN = "overweave/proven/"
"""Store keys under which a proof is noted, by network."""
NOTES = "/var/lib/overweave/proven"
"""Folder of a host in a swarm with the same, by network: there is no store."""
NOTE = """\
if [ "$3" ]; then mkdir -p "$1" && printf %s "$3" > "$1/$2"; else rm -f "$1/$2"; rmdir "$1" 2> /dev/null; fi
true
"""


def prove(
    session: Session, facts: FleetFacts, choice: Choice = OVERLAY_ONLY, *, noting: bool = True
) -> Matrix:
    """Prove the network between all hosts, and note a green proof in the store, unless ``noting`` is false.

    The underlay is measured too where the ``choice`` has it, and where something is red. Raises `Refused`
    where there is no network.
    """
    place = _place(session, facts, choice)
    runs = []
    for number in range(choice.repeat):
        if choice.repeat > 1:
            session.progress("", f"proof {number + 1} of {choice.repeat}")
        runs.append(
            proof.prove(
                session.hosts,
                place,
                choice,
                clock=session.clock,
                cancel=session.cancel,
                progress=session.progress,
            )
        )
    # What a run was red for is explained by what was seen then.
    telling = next((run for run in runs if not run.matrix.green), runs[-1])
    lost = {host: why for run in runs for host, why in run.lost.items()}
    seen = replace(telling, matrix=merged([run.matrix for run in runs]), lost=lost)
    red = not seen.matrix.green
    wanted = UNDERLAY if red else choice.underlay
    context = Context(place.vteps, unseen=unseen(facts.views), vxlan=vxlan_port(session.fleet, facts))
    verdicts = {}
    if wanted:
        session.progress("", "the underlay between the hosts")
        started = session.clock.monotonic()
        measured = measure_paths(session, facts, mtu=place.underlay_mtu)
        verdicts = underlay.verdicts(measured, wanted)
        context = replace(context, largest=underlay.largest(measured))
        spent = session.clock.monotonic() - started
        seen = replace(seen, matrix=replace(seen.matrix, seconds=seen.matrix.seconds + spent))
    if red:
        # What the gossip was before the proof may have mended meanwhile, or have broken.
        context = replace(context, unseen=unseen(look(session).views))
    matrix = proof.explained(seen, context, verdicts)
    with contextlib.suppress(StoreError):
        if not noting:
            return matrix
        if matrix.green and choice.whole:
            _note(session, fingerprint(session, facts).encode())
        elif not matrix.green and (facts.store is not None or session.fleet.in_swarm):
            _note(session, b"")
    return matrix


def prove_wire(
    session: Session, facts: FleetFacts, network: WantedNetwork, choice: Choice, *, mtu: int
) -> Matrix:
    """Prove a macvlan or ipvlan network between its hosts, by containers made for it, and what is outside:
    the other hosts' own addresses, and its own host's shim. ``mtu`` in bytes is the parents'."""
    fleet = session.fleet
    names = [name for name in network.hosts if name in fleet.names]
    ids = {name: _network_id(facts, name, network.name) for name in names}
    if missing := [name for name, id_ in ids.items() if not id_]:
        raise Refused(
            f"there is no network {network.name} on {', '.join(missing)}",
            hint="`fab apply-networks` makes it",
        )
    if len(names) < 2:
        raise Refused(
            f"network {network.name} is of one host here: there is nothing between hosts to prove",
            hint="name at least two of its hosts with -H",
        )
    advertise, refused = addresses(fleet, facts)
    refuse(refused)
    held = {
        name: {
            advertise[name].address: "",
            **{str(a.ip): i.name for i in facts.hosts[name].interfaces.all for a in i.addresses},
        }
        for name in names
    }
    tried = wire.targets(network, held)
    checks = tuple(c for c in choice.names if c in wire.CHECKS)
    if not checks:
        raise Refused(
            f"none of the chosen checks can be made on a {network.driver} network",
            hint=f"choose of {', '.join(wire.CHECKS)}",
        )
    place = Place(
        network=network.name,
        network_id=ids[names[0]],
        mtu=mtu,
        vteps={name: advertise[name].address for name in names},
        image=fleet.images.probe,
        avoid={its.told: its.address for its in tried},
    )
    chosen = replace(choice, names=(*checks, ISOLATION), fresh=True)
    runs = [
        wire.judged(
            proof.prove(
                {name: session.hosts[name] for name in names},
                place,
                chosen,
                clock=session.clock,
                cancel=session.cancel,
                progress=session.progress,
            ).matrix,
            network,
            tried,
        )
        for _ in range(choice.repeat)
    ]
    telling = next((run for run in runs if not run.green), runs[-1])
    return replace(merged(runs), causes=telling.causes)


def _network_id(facts: FleetFacts, host: str, name: str) -> str:
    engine = facts.hosts[host].engine
    its = engine.network(name) if isinstance(engine, Engine) else None
    return its.id if its is not None and its.driver in ON_PARENT else ""


def prove_after_restarts(session: Session, facts: FleetFacts) -> Matrix:
    """A proof that is repeated for `SETTLE_SECONDS` while only that is red which engines may be late with."""
    matrices: list[Matrix] = []

    def settled() -> bool:
        if matrices:
            late = "names are" if _only_names(matrices[-1]) else "where containers are is"
            session.progress("", f"{late} not known everywhere yet: prove again")
        matrices.append(prove(session, facts))
        its = matrices[-1]
        return its.green or not (_only_names(its) or {cause.rule for cause in its.causes} <= LATE)

    with contextlib.suppress(DeadlineExceeded):
        wait_until(settled, what="the overlay", seconds=SETTLE_SECONDS, clock=session.clock)
    return matrices[-1]


def _only_names(matrix: Matrix) -> bool:
    return all(pair.failed == ("dns",) for pair in matrix.red)


def refuse_without_network(session: Session, facts: FleetFacts) -> None:
    """Raises `Refused` where there is no network that could be proven."""
    _place(session, facts, OVERLAY_ONLY)


def _place(session: Session, facts: FleetFacts, choice: Choice) -> Place:
    fleet = session.fleet
    advertise, refused = addresses(fleet, facts)
    refuse(refused)
    networks = {name: _overlay(facts, name, fleet.network.name) for name in fleet.names}
    missing = [name for name, network in networks.items() if network is None]
    there = networks[fleet.store_host.name]
    silent = facts.store is None
    leaderless = facts.store is not None and not facts.store.leader
    if missing and (silent or leaderless) and any(has_cluster_flags(facts, name) for name in missing):
        raise Refused(
            f"the store {'does not answer' if silent else 'has no leader'}, and engines show no overlay "
            f"network without it: {', '.join(missing)}",
            hint="`fab status` shows the store; `fab deploy-overlay` starts it; running containers go on",
        )
    if missing or there is None:
        raise Refused(
            f"there is no overlay network {fleet.network.name} on {', '.join(missing)}",
            hint="`fab deploy-overlay` makes it; --network NAME proves another",
        )
    return Place(
        network=fleet.network.name,
        network_id=there.id,
        mtu=container_mtu(there),
        underlay_mtu=underlay_mtu(there),
        vteps={name: a.address for name, a in advertise.items()},
        image=fleet.images.probe,
        stands=stands(fleet, facts),
        avoid=_avoid(session, facts, there) if choice.isolation else {},
    )


def stands(fleet: Fleet, facts: FleetFacts) -> dict[str, str]:
    """Running containers of ours that are on the network for good: their names by host."""
    return {
        name: its[0].name
        for name in fleet.names
        if (its := [c for c in anchor.there(fleet, facts.hosts[name].engine) if c.running])
    }


def _avoid(session: Session, facts: FleetFacts, network: NetworkFact) -> dict[str, str]:
    """Addresses that must not answer from the network: some containers of each other overlay network, and
    the hosts' own where it is internal."""
    others = {
        (name, its.name)
        for name in session.fleet.names
        if isinstance(engine := facts.hosts[name].engine, Engine)
        for its in [n for n in engine.networks if n.driver == "overlay" and n.id != network.id][:OTHERS]
    }

    def of_host(name: str) -> dict[str, str]:
        found = {}
        for on, other in sorted(others):
            if on == name:
                there = session.hosts[name].engine.network(other).get("Containers") or {}
                for its in list(there.values())[:OTHERS]:
                    with contextlib.suppress(ValueError, AttributeError):
                        address = str(IPv4Interface(text(its.get("IPv4Address"))).ip)
                        found[f"{one_line(its.get('Name'), 60)} on {other}"] = address
        return found

    found: dict[str, str] = {}
    for its in each(session.fleet.names, of_host, cancel=session.cancel).all().values():
        found |= {name: address for name, address in its.items() if address not in found.values()}
    if network.internal:
        advertise, _ = addresses(session.fleet, facts)
        found |= {f"the host {name}": a.address for name, a in advertise.items()}
    return found


def _overlay(facts: FleetFacts, host: str, name: str) -> NetworkFact | None:
    engine = facts.hosts[host].engine
    network = engine.network(name) if isinstance(engine, Engine) else None
    return network if network is not None and network.driver == "overlay" else None


def fingerprint(session: Session, facts: FleetFacts) -> str:
    """What a proof is about: the network, the hosts, and each engine since its last start."""
    network = session.fleet.network.name
    about = []
    for name in session.fleet.names:
        its = facts.hosts[name]
        engine, unit = its.engine, its.unit
        there = engine.network(network) if isinstance(engine, Engine) else None
        started = unit.started if isinstance(unit, Unit) else 0
        about.append((its.identity.machine_id, started, there.id if there else ""))
    return hashlib.sha256(json.dumps(sorted(about)).encode()).hexdigest()


def _note(session: Session, value: bytes) -> None:
    if session.fleet.in_swarm:
        change = change_script(NOTE, NOTES, session.fleet.network.name, value.decode())
        each(session.fleet.names, lambda name: session.hosts[name].do(change), cancel=session.cancel).all()
    # A store that somebody else runs holds what engines write there, and nothing of ours.
    elif not session.fleet.store.external:
        session.keys().put(PROVEN + session.fleet.network.name, value)


def forget(session: Session) -> None:
    """That it was proven."""
    _note(session, b"")


def noted(session: Session, facts: FleetFacts) -> bool:
    """Whether a green proof of exactly this state is noted: in the store, or by all hosts of a swarm."""
    network = session.fleet.network.name
    if session.fleet.in_swarm:
        asked = query_script('head -c 100 "$1/$2" 2> /dev/null', NOTES, network)
        told = each(session.fleet.names, lambda name: session.hosts[name].ask(asked), cancel=session.cancel)
        notes = {result.stdout for (result,) in told.values.values()}
        return not told.errors and notes == {fingerprint(session, facts)}
    if facts.store is None or not facts.store.leader:
        return False
    return session.keys().get(PROVEN + network) == fingerprint(session, facts).encode()
