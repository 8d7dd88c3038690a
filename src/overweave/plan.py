"""The difference between what is wanted and what is there, as data. The only decider. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .backends import cluster_store
from .errors import FleetError, Refused
from .facts.fleet import FleetFacts
from .model import ALL_AT_ONCE, Batch, Fleet
from .preflight.everything import findings
from .preflight.finding import Finding, refusals
from .steps import Plan


def plan(
    fleet: Fleet,
    facts: FleetFacts,
    *,
    replace_network: bool = False,
    batch: Batch = ALL_AT_ONCE,
    found: Sequence[Finding] | None = None,
) -> Plan:
    """What a deployment would do; empty where everything is as wanted. ``found`` is what preflight has found
    in these very facts, if that was looked for already.

    Raises `Refused`, or `FleetError` of several, with everything that preflight found to forbid it.
    """
    if found is None:
        found = findings(fleet, facts, replace_network=replace_network)
    refuse(refusals(found))
    return cluster_store.deployment(fleet, facts, replace_network=replace_network, batch=batch)


def refuse(found: Sequence[Refused]) -> None:
    """Raise all refusals as one error; none is no error."""
    if len(found) == 1:
        raise found[0]
    if found:
        raise FleetError(found)
