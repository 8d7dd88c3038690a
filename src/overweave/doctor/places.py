"""Who is where: the containers of all hosts, as their own engines tell, joined with the store's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overweave.facts.attachments import Attachment
from overweave.facts.libnetwork import Endpoint, Records
from overweave.facts.live import Live
from overweave.facts.namespaces import Namespace


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
    engines that could not be asked, by their address."""

    live: Mapping[str, Place]
    stale: tuple[Endpoint, ...]
    unseen: Mapping[str, tuple[Endpoint, ...]]

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
    stale, unseen = [], dict[str, list[Endpoint]]()
    for endpoint in records.endpoints:
        if endpoint.id in found:
            continue
        if _may_live_elsewhere(endpoint.locator, live, records):
            unseen.setdefault(endpoint.locator, []).append(endpoint)
        else:
            stale.append(endpoint)
    return Places(found, tuple(stale), {where: tuple(its) for where, its in unseen.items()})


def _may_live_elsewhere(locator: str, live: Live, records: Records) -> bool:
    """Whether an endpoint's engine is one that was not asked, and that is not known to be gone.

    A host that is off for good has left the store when its registration lapses, and the gossip when its
    peers bury it: seconds later each.
    """
    asked = {live.vteps.get(host, "") for host, its in live.hosts.items() if its.attachments is not None}
    if locator in asked:
        return False
    if locator in live.vteps.values():
        return True
    registered = {node.rpartition(":")[0] for node in records.nodes}
    alive = {str(m.address) for view in live.fleet.views.values() for m in view.members if m.alive}
    known = registered | alive | set(live.vteps.values())
    # Without a locator it may be any of those that were not asked.
    return locator in known if locator else bool(known - asked)


def namespaces_of(network: str, live: Live, host: str) -> list[Namespace]:
    """A host's namespaces of an overlay, the one that was made last first."""
    named = [its for name, its in live.hosts[host].docker.items() if belongs(name, network)]
    return sorted(named, key=lambda its: -_epoch(its.name))


def belongs(name: str, network: str) -> bool:
    return name.partition("-")[2] == network[:10]


def _epoch(name: str) -> int:
    epoch = name.partition("-")[0]
    return int(epoch) if epoch.isascii() and epoch.isdigit() else 0
