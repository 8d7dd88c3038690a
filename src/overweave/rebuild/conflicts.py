"""What keeps an overlay from being written to the store again: what the store has by now."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from overweave.errors import Refused
from overweave.facts import libnetwork_keys as keys
from overweave.facts.libnetwork import Network
from overweave.facts.libnetwork_keys import Overlay

from .overlays import AGAIN, Lost

BACKUP = "`fab store-restore FILE` puts a backup of the store back"


def strangers(its: Lost) -> list[Refused]:
    """Engines that take part and were not asked: what their containers have would be missing."""
    own = {host.advertised for host in its.facts.hosts.values()}
    alive = {
        str(member.address) for view in its.facts.views.values() for member in view.members if member.alive
    }
    if not (others := sorted(alive - own)):
        return []
    return [
        Refused(
            f"engines that were not asked take part in the overlay: {', '.join(others)}",
            hint="name all of its hosts: addresses of their containers would be given to others",
        )
    ]


def conflicts(its: Lost, overlay: Overlay) -> Iterator[Refused]:
    """Records of this network that say something else, and other networks that have what is its own."""
    for network in its.records.networks.values():
        yield from _of_itself(overlay, network) if network.id == overlay.id else _of_other(overlay, network)
    own = {segment.subnet for segment in overlay.segments}
    for pool in sorted(_pools(its.tree.get(keys.CONFIG))):
        clash = next((subnet for subnet in sorted(own) if pool not in own and pool.overlaps(subnet)), None)
        if clash:
            yield Refused(
                f"{clash} of network {overlay.name} overlaps with {pool}, which the store has given away",
                hint=f"`docker network inspect` shows which has it; remove it if nothing is on it, {AGAIN}",
            )


def _pools(value: bytes | None) -> set[IPv4Network]:
    try:
        return keys.pools_there(value) if value else set()
    except ValueError as e:
        raise ValueError(f"{keys.CONFIG}: {e}") from e


def _of_itself(overlay: Overlay, network: Network) -> Iterator[Refused]:
    record = f"the store's record of network {overlay.name} (id {overlay.id[:12]})"
    vnis = {subnet.subnet: subnet.vni for subnet in network.subnets}
    for segment in overlay.segments:
        if vnis and segment.subnet not in vnis:
            yield Refused(f"{record} has no {segment.subnet}, which its containers use", hint=BACKUP)
        # 0: no container has joined yet.
        elif (there := vnis.get(segment.subnet, 0)) not in (0, segment.vni):
            yield Refused(
                f"{record} says VNI {there} for {segment.subnet}, and its containers use VNI {segment.vni}",
                hint=BACKUP,
            )


def _of_other(overlay: Overlay, network: Network) -> Iterator[Refused]:
    remove = f"`docker network rm {network.id[:12]}` on one host if nothing is on it, {AGAIN}"
    if network.name == overlay.name:
        yield Refused(
            f"the store has another network {network.name} by now (id {network.id[:12]}), and containers are "
            f"on the one with id {overlay.id[:12]}",
            hint=remove,
        )
    vnis = {segment.vni for segment in overlay.segments}
    for subnet in network.subnets:
        if subnet.vni in vnis:
            yield Refused(
                f"VNI {subnet.vni} of network {overlay.name} is given to network {network.name} by now: the "
                "packets of both would mix",
                hint=remove,
            )
