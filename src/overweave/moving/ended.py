"""The end of a move: the store goes, and with it the way back. Pure."""

from __future__ import annotations

from overweave.facts.record import MOVE
from overweave.steps import Plan, RemoveContainer, RemoveFile, Stage, Step, make_plan
from overweave.teardown import images_away, without_store

from .forth import holds
from .turn import Site

WHY = "all hosts are in the swarm"


def ended(site: Site) -> Plan:
    """Of hosts that are all moved. A store that somebody else runs stays as it is."""
    of_store: list[Step] = []
    for name in site.fleet.names:
        its = site.its(name)
        of_store += without_store(its, WHY)
        if site.fleet.store.in_engine and not site.fleet.store.external:
            of_store += images_away(its, (site.fleet.store.image,))
    notes = [
        RemoveFile(n, "there is no way back from here on", MOVE)
        for n in site.fleet.names
        if site.seen[n].note
    ]
    return make_plan(
        Stage("addresses", tuple(RemoveContainer(site.order[0], WHY, hold) for hold in holds(site))),
        Stage("the store", tuple(of_store)),
        Stage("notes", tuple(notes)),
    )
