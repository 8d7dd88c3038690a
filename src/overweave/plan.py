"""The difference between what is wanted and what is there, as data. The only decider. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from . import narrow
from .backends import cluster_store, swarm
from .errors import FleetError, Refused
from .facts.fleet import FleetFacts
from .model import ALL_AT_ONCE, AUTO, IMAGES, SWARM, Batch, Fleet
from .preflight.everything import findings
from .preflight.finding import Finding, refusals
from .steps import Plan

BACKENDS = dict.fromkeys((AUTO, *IMAGES), cluster_store.deployment) | {SWARM: swarm.deployment}


def plan(
    fleet: Fleet,
    facts: FleetFacts,
    *,
    replace_network: bool = False,
    batch: Batch = ALL_AT_ONCE,
    found: Sequence[Finding] | None = None,
    about: Collection[str] = (),
) -> Plan:
    """What a deployment would do; empty where everything is as wanted. ``found`` is what preflight has found
    in these very facts, if that was looked for already. ``about``: the hosts that may be changed, and whose
    findings forbid it, where those are not all.

    Raises `Refused`, or `FleetError` of several, with everything that preflight found to forbid it.
    """
    if found is None:
        found = findings(fleet, facts, replace_network=replace_network)
    refuse(refusals(narrow.findings(found, about) if about else found))
    made = BACKENDS[fleet.backend](fleet, facts, replace_network=replace_network, batch=batch)
    refuse(narrow.refusals(made, about) if about else ())
    return made


def refuse(found: Sequence[Refused]) -> None:
    """Raise all refusals as one error; none is no error."""
    if len(found) == 1:
        raise found[0]
    if found:
        raise FleetError(found)
