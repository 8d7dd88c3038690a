"""Who is where: the containers of all hosts, as their own engines tell, joined with the store's endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from overweave.facts.attachments import Attachment
from overweave.facts.libnetwork import Endpoint, Records
from overweave.facts.live import Live

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
"""What an engine takes as the name of a container: a record of the store may have any."""


@dataclass(frozen=True)
class Place:
    """A running container on an overlay. ``vtep`` is the address that its host advertises."""

    host: str
    vtep: str
    attachment: Attachment

    @property
    def key(self) -> tuple[str, str]:
        return self.attachment.network, self.attachment.address


@dataclass(frozen=True)
class Places:
    """``live`` by endpoint. ``stale`` are endpoints that no engine has any more; ``unseen`` are those of
    engines that could not be asked, by their address; ``starting`` those that an engine has and does not list
    yet. ``asked`` are the addresses of engines that told their containers, ``others`` those of engines that
    are known and did not."""

    live: Mapping[str, Place]
    stale: tuple[Endpoint, ...]
    unseen: Mapping[str, tuple[Endpoint, ...]]
    starting: tuple[Endpoint, ...] = ()
    others: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    def on(self, network: str) -> tuple[Place, ...]:
        return tuple(place for place in self.live.values() if place.attachment.network == network)


def find(live: Live) -> Places:
    """Only what an engine says itself places a container; without the store's records nothing is placed."""
    records = live.records
    if records is None:
        return Places({}, (), {})
    found = {
        its.endpoint: Place(host, live.vteps.get(host, ""), its)
        for host, seen in live.hosts.items()
        for its in seen.attachments or ()
        if its.running and its.endpoint and its.network in records.networks
    }
    asked = frozenset(
        live.vteps[host]
        for host, its in live.hosts.items()
        if its.attachments is not None and host in live.vteps
    )
    others = _known(live, records) - asked
    inspected = {id_ for its in live.hosts.values() for id_ in its.inspected}
    stale, starting, unseen = list[Endpoint](), list[Endpoint](), dict[str, list[Endpoint]]()
    for endpoint in records.endpoints:
        if endpoint.id in found:
            continue
        # Without a locator it may be any of those that were not asked.
        if endpoint.locator in others or (not endpoint.locator and others):
            unseen.setdefault(endpoint.locator, []).append(endpoint)
        else:
            (starting if endpoint.id in inspected else stale).append(endpoint)
    by_engine = {where: tuple(its) for where, its in unseen.items()}
    return Places(found, tuple(stale), by_engine, tuple(starting), others, asked)


def doubtful(live: Live) -> dict[str, frozenset[str]]:
    """The containers of each host that its engine should be asked for by name, before an endpoint of it
    counts as stale: an engine writes the endpoint first, and lists it when the container runs."""
    found: dict[str, frozenset[str]] = {}
    for endpoint in find(live).stale:
        for host, its in live.hosts.items():
            if its.attachments is None or live.vteps.get(host) != endpoint.locator:
                continue
            # The endpoint keeps the name that its container had.
            there = {a.container for a in its.attachments if a.network == endpoint.network and not a.endpoint}
            names = {name for name in (*there, endpoint.name) if NAME.fullmatch(name)}
            found[host] = found.get(host, frozenset()) | names
    return found


def _known(live: Live, records: Records) -> frozenset[str]:
    """The addresses of all engines that are not known to be gone.

    A host that is off has left the store when its registration lapses, and the gossip when its peers bury it:
    seconds later each. One of the inventory may have any of its own addresses while its engine does not tell.
    """
    registered = {node.rpartition(":")[0] for node in records.nodes}
    alive = {str(m.address) for view in live.fleet.views.values() for m in view.members if m.alive}
    silent = {
        address.partition("/")[0]
        for host, its in live.hosts.items()
        if host not in live.vteps
        for link in (its.host.links if its.host else ())
        for address in link.addresses
    }
    chosen = {address for host, address in live.chosen.items() if host not in live.vteps}
    return frozenset(registered | alive | silent | chosen | set(live.vteps.values()))
