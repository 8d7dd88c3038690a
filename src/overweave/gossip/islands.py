"""Who sees whom, and what to tell whom so that everybody does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from .wire import ALIVE, Member


@dataclass(frozen=True)
class View:
    """What one engine knows: its own gossip address and the members it told."""

    address: IPv4Address
    members: tuple[Member, ...]

    def sees(self, address: IPv4Address) -> bool:
        return any(m.address == address and m.alive for m in self.members)

    def of(self, address: IPv4Address) -> Member | None:
        return next((m for m in self.members if m.address == address), None)


def unseen(views: Mapping[str, View]) -> dict[str, tuple[str, ...]]:
    """For every host that misses somebody, the hosts that it does not see alive. Empty: whole."""
    missing = {
        name: tuple(other for other, its in views.items() if other != name and not view.sees(its.address))
        for name, view in views.items()
    }
    return {name: others for name, others in missing.items() if others}


def islands(views: Mapping[str, View]) -> list[tuple[str, ...]]:
    """The hosts, grouped so that those of one group are linked by seeing each other; largest first.

    One group is not enough to be whole: see `unseen`.
    """
    group = {name: {name} for name in views}
    for a, view in views.items():
        for b, other in views.items():
            if a < b and view.sees(other.address) and other.sees(view.address) and group[a] is not group[b]:
                merged = group[a] | group[b]
                for name in merged:
                    group[name] = merged
    found = {tuple(n for n in views if n in members) for members in group.values()}
    return sorted(found, key=lambda names: (-len(names), names))


def remedies(views: Mapping[str, View]) -> dict[str, tuple[Member, ...]]:
    """What to push to which host so that all see all: for each host, the members that it misses.

    A host speaks for itself: its own statement is pushed. Where the receiver has already buried a
    member, only a higher incarnation brings it back; the member hears of it and outbids it itself
    (memberlist, aliveNode: "if we are the node, refute").
    """
    told = {}
    for name, others in unseen(views).items():
        push = []
        for other in others:
            address = views[other].address
            own = views[other].of(address)
            if own is None:
                continue
            buried = views[name].of(address)
            incarnation = max(own.incarnation, buried.incarnation + 1 if buried else 0)
            push.append(replace(own, state=ALIVE, incarnation=incarnation))
        if push:
            told[name] = tuple(push)
    return told
