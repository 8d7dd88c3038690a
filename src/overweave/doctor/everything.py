"""All checks of a network that is in use. A new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.preflight.finding import Severity

from . import endpoints, engines, gossip, leaks, room, rows
from .fault import Fault
from .places import Places, find

Check = Callable[[Fleet, Live, Places], list[Fault]]

CHECKS: tuple[Check, ...] = (
    engines.running,
    engines.store,
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
    engines.journals,
)


def faults(fleet: Fleet, live: Live) -> list[Fault]:
    """Everything that is wrong, the gravest first, and else in the order of the checks."""
    places = find(live)
    found = [fault for check in CHECKS for fault in check(fleet, live, places)]
    return sorted(found, key=lambda fault: list(Severity).index(fault.finding.severity))
