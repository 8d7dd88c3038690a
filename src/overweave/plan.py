"""The difference between what is wanted and what is there, as data. The only decider. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .backends import cluster_store
from .errors import FleetError, Refused
from .facts.fleet import FleetFacts
from .model import ALL_AT_ONCE, Batch, Fleet
from .preflight.everything import findings
from .preflight.finding import refusals
from .steps import Plan


def plan(
    fleet: Fleet, facts: FleetFacts, *, replace_network: bool = False, batch: Batch = ALL_AT_ONCE
) -> Plan:
    """What a deployment would do; empty where everything is as wanted.

    Raises `Refused`, or `FleetError` of several, with everything that preflight found to forbid it.
    """
    refuse(refusals(findings(fleet, facts, replace_network=replace_network)))
    return cluster_store.deployment(fleet, facts, replace_network=replace_network, batch=batch)


def refuse(found: Sequence[Refused]) -> None:
    """Raise all refusals as one error; none is no error."""
    if len(found) == 1:
        raise found[0]
    if found:
        raise FleetError(found)
