"""What fills up: the addresses of a subnet, and the values of the store."""

from __future__ import annotations

from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.preflight.finding import warning

from .fault import Fault
from .places import Places

FULL = 0.8
"""Share of a subnet's addresses that is worth a warning."""
VALUE_LIMIT = 512 * 1024
"""Bytes that Consul takes as one value (``Value exceeds 524288 byte limit``)."""


def addresses(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    found = []
    for pool in live.records.pools if live.records else ():
        if pool.used > FULL * pool.mask.bits:
            seen = f"{pool.used} of {pool.mask.bits} addresses of {pool.subnet} are given out"
            matters = "a container that finds none does not start (moby#43052)"
            fix = "remove containers that nobody needs, or make the network anew with a larger subnet"
            found.append(Fault(warning("addresses.use", seen, matters=matters, fix=fix)))
    return found


def values(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    found = []
    for key, size in live.records.sizes.items() if live.records else ():
        if size > VALUE_LIMIT // 2:
            seen = f"the value of {key} has {size} bytes, of {VALUE_LIMIT} that the store takes"
            matters = "beyond that no container joins or leaves (classicswarm#1941)"
            found.append(Fault(warning("store.values", seen, matters=matters, fix="remove unused networks")))
    return found


def unreadable(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    keys = live.records.unreadable if live.records else ()
    return [
        Fault(warning("store.values", f"the store's value of {key} makes no sense, and was not checked"))
        for key in keys[:10]
    ]
