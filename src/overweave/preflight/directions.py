"""Directions between hosts, put together by what they have in common: one cause is told once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

Direction = tuple[str, str]
MANY = 12
"""Directions without a host in common that are told one by one; of more, the rest is told together."""
NAMED = 5
"""Hosts that one sentence names."""


@dataclass(frozen=True)
class Group:
    """Directions of one cause. ``host`` is the one that all have in common, and ``peer`` is set for a single
    direction. ``one_way``: a single direction whose way back is fine."""

    directions: tuple[Direction, ...]
    host: str = ""
    peer: str = ""
    one_way: bool = False

    @property
    def into(self) -> bool:
        """Whether ``host`` is where some of them end."""
        return any(to == self.host for _, to in self.directions)

    @property
    def out_of(self) -> bool:
        return any(from_ == self.host for from_, _ in self.directions)

    @property
    def peers(self) -> tuple[str, ...]:
        """The other hosts, in order."""
        return tuple(dict.fromkeys(n for d in self.directions for n in d if n != self.host))


def groups(bad: Collection[Direction], measured: Collection[Direction]) -> Iterator[Group]:
    """The fewest groups that hold all of ``bad``, which is a part of ``measured``: all directions there are;
    hosts all of whose directions are bad, both ways, inwards or outwards; then direction by direction."""
    order = list(dict.fromkeys(measured))
    left = [direction for direction in order if direction in set(bad)]
    hosts = list(dict.fromkeys(name for direction in order for name in direction))
    targets = {to for _, to in order}
    if len(left) == len(order) and len(hosts) > 2 and len(targets) > 1:
        yield Group(tuple(left))
        return
    whole = set(left)
    for inwards, outwards in ((True, True), (True, False), (False, True)):
        for host in hosts:
            its = [d for d in order if (inwards and d[1] == host) or (outwards and d[0] == host)]
            both_ways = inwards and outwards
            peers = {name for direction in its for name in direction} - {host}
            if len(peers) < 2 or not whole.issuperset(its) or not set(left).intersection(its):
                continue
            if both_ways and len(its) < 2 * len(peers):
                continue
            yield Group(tuple(its), host)
            left = [direction for direction in left if direction not in its]
    if len(left) > MANY:
        yield Group(tuple(left))
        return
    for a, b in left:
        yield Group(((a, b),), a, b, one_way=(b, a) in order and (b, a) not in whole)


def names(hosts: Collection[str]) -> str:
    """``host1, host2 and 3 more``."""
    listed = list(hosts)
    if len(listed) <= NAMED:
        return " and ".join(filter(None, (", ".join(listed[:-1]), *listed[-1:])))
    return f"{', '.join(listed[:NAMED])} and {len(listed) - NAMED} more"


def arrows(directions: Collection[Direction]) -> str:
    """``host1 -> host2, host2 -> host3 and 5 more``."""
    return names([f"{a} -> {b}" for a, b in directions])
