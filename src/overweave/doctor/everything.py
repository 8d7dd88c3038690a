"""All checks of a network that is in use. A new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.preflight.finding import Severity

from . import backups, certificates, endpoints, engines, gossip, leaks, room, rows, swarm
from .fault import Fault
from .places import Places, find

Check = Callable[[Fleet, Live, Places], list[Fault]]

CHECKS: tuple[Check, ...] = (
    engines.running,
    engines.store,
    engines.parts,
    engines.registered,
    engines.advertised,
    engines.threads,
    gossip.whole,
    gossip.silent,
    engines.forgotten,
    rows.devices,
    rows.rows,
    endpoints.stale,
    endpoints.unrecorded,
    endpoints.duplicates,
    endpoints.macs,
    endpoints.gateways,
    endpoints.unheld,
    endpoints.names,
    leaks.devices,
    leaks.namespaces,
    room.addresses,
    room.values,
    room.unreadable,
    endpoints.unseen,
    engines.booting,
    backups.scheduled,
    certificates.ending,
    engines.journals,
)


OF_A_STORE = frozenset(
    {
        engines.store,
        engines.parts,
        engines.registered,
        engines.advertised,
        engines.forgotten,
        gossip.whole,
        gossip.silent,
        endpoints.stale,
        endpoints.unrecorded,
        endpoints.unheld,
        endpoints.unseen,
        room.addresses,
        room.values,
        room.unreadable,
        backups.scheduled,
        certificates.ending,
    }
)
"""Checks that say nothing of a swarm: it keeps these things itself, and tells nobody."""
OF_A_SWARM: tuple[Check, ...] = (
    swarm.locked,
    swarm.managers,
    swarm.nodes,
    swarm.certificates,
    swarm.gossip,
)


def faults(fleet: Fleet, live: Live) -> list[Fault]:
    """Everything that is wrong, the gravest first, and else in the order of the checks."""
    places = find(live)
    checks = (*OF_A_SWARM, *(c for c in CHECKS if c not in OF_A_STORE)) if fleet.in_swarm else CHECKS
    found = [fault for check in checks for fault in check(fleet, live, places)]
    return sorted(found, key=lambda fault: list(Severity).index(fault.finding.severity))
