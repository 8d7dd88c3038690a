"""Does the store know of all that runs? Where its data were lost, a deployment would build beside it."""

from __future__ import annotations

from collections.abc import Mapping

from overweave.facts.attachments import Attachment
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet
from overweave.overlay import recorded, unrecorded_on, users_containers
from overweave.steps import some

from .finding import Finding, error

REBUILD = "`fab store-rebuild` writes what the hosts know"
RESTORE = "`fab store-restore FILE` puts a backup back"


def records(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Users' containers on overlays that the store has no record of, or has no endpoint of.

    Overweave's own are made anew where nobody else is there.
    """
    known, _ = recorded(fleet, facts)
    found = []
    for id_, on in _by_network(facts, unrecorded_on(fleet, facts)).items():
        users = [f"{a.container} on {host}" for host, a in on if a.container in _users(facts, host)]
        if not users:
            continue
        name = on[0][1].network_name
        of = f"network {name} (id {id_[:12]}{_vnis(facts, id_)})"
        if id_ in (known or ()):
            seen = f"the store is older than what runs: it has no endpoint of {some(users)} on {of}"
            matters = "other hosts don't know their names, and their addresses may be given away (moby#18841)"
            fix = f"{REBUILD}; or, if you have a newer one, {RESTORE}"
            found.append(error("store.older", seen, matters=matters, fix=fix))
        else:
            seen = f"the store has lost its data: it has no record of {of}, which {some(users)} "
            seen += "uses" if len(users) == 1 else "use"
            matters = "a network made anew would have another id, and these containers stay on the old one"
            found.append(error("store.lost", seen, matters=matters, fix=f"{RESTORE}, or {REBUILD}"))
    return found


def _by_network(
    facts: FleetFacts, suspects: Mapping[str, tuple[Attachment, ...]]
) -> dict[str, list[tuple[str, Attachment]]]:
    """Those that were there at a second look, too, where there was one: a container that ends has no record
    a moment before it is listed so."""
    found: dict[str, list[tuple[str, Attachment]]] = {}
    for host, on in suspects.items():
        again = facts.remembered.get(host)
        still = None if again is None else {joined.endpoint for joined in again.joined}
        for attachment in on:
            if still is None or attachment.endpoint in still:
                found.setdefault(attachment.network, []).append((host, attachment))
    return found


def _users(facts: FleetFacts, host: str) -> tuple[str, ...]:
    engine = facts.hosts[host].engine
    return users_containers(engine) if isinstance(engine, Engine) else ()


def _vnis(facts: FleetFacts, network: str) -> str:
    segments = [s for its in facts.remembered.values() for s in its.segments.get(network, ())]
    vnis = sorted({segment.vni for segment in segments})
    return f", VNI {some(map(str, vnis))}" if vnis else ""
