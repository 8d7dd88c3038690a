"""Cuts a subnet into a range for each host, so that no two hosts give out one address. Pure.

The addresses of macvlan and ipvlan networks are given out by each engine for itself, and none knows what the
others have given out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

SLOTS = (16, 64, 256, 1024)
"""How many parts there are where nobody says it: the least of these that has one for each host, so that the
parts stay as they are when hosts are added."""
SMALLEST = 4
"""Addresses of a part that leave some for containers."""


def slots_for(hosts: int) -> int:
    """Raises `ValueError` where there are more hosts than any number of slots."""
    for count in SLOTS:
        if hosts <= count:
            return count
    raise ValueError(f"{hosts} hosts are more than {SLOTS[-1]} ranges: give them yourself with `ranges`")


def cut(
    subnet: IPv4Network, hosts: Sequence[str], given: Mapping[str, IPv4Network], slots: int | None
) -> dict[str, IPv4Network]:
    """A range of ``subnet`` for each host: the one that is ``given`` for it, else the next of ``slots`` equal
    parts by its place among ``hosts``. So a host that is added behind the others changes nobody's range.

    Raises `ValueError` with a message that says what would be right.
    """
    found = dict(given)
    rest = [name for name in hosts if name not in given]
    if rest:
        count = slots or slots_for(len(hosts))
        if count & (count - 1):
            raise ValueError(f"{count} slots are no power of two, as in 4, 8 or 16")
        if count < len(hosts):
            raise ValueError(f"{count} slots are not enough for {len(hosts)} hosts")
        length = subnet.prefixlen + count.bit_length() - 1
        size = subnet.num_addresses // count
        if size < SMALLEST:
            raise ValueError(
                f"{subnet} has {subnet.num_addresses} addresses, too few for {count} ranges: give fewer "
                "`slots`, a larger subnet, or `ranges`"
            )
        first = int(subnet.network_address)
        for number, name in enumerate(hosts):
            if name not in given:
                found[name] = IPv4Network((first + number * size, length))
    for name, its in found.items():
        if not its.subnet_of(subnet):
            raise ValueError(f"{its} of {name} is not in {subnet}")
    order = sorted(found.items(), key=lambda item: (int(item[1].network_address), item[1].prefixlen))
    for (name, its), (other, next_) in pairwise(order):
        if its.overlaps(next_):
            raise ValueError(
                f"{its} of {name} and {next_} of {other} overlap: both would give out the same addresses"
            )
    return {name: found[name] for name in hosts if name in found}


def with_room(
    subnet: IPv4Network, parts: Mapping[str, IPv4Network], taken: Sequence[IPv4Address]
) -> dict[str, IPv4Network]:
    """The ranges in which an address can be kept for the host itself, with one left for a container."""
    unusable = {subnet.network_address, subnet.broadcast_address, *taken}
    return {
        host: its
        for host, its in parts.items()
        if its != subnet and its.num_addresses - sum(address in its for address in unusable) > 1
    }


def last_usable(subnet: IPv4Network, its: IPv4Network, taken: Sequence[IPv4Address]) -> IPv4Address:
    """The last address of a range that is neither the subnet's broadcast address, nor its own, nor taken.

    Raises `ValueError` where there is none.
    """
    unusable = {subnet.network_address, subnet.broadcast_address, *taken}
    for number in range(int(its.broadcast_address), int(its.network_address) - 1, -1):
        if (found := IPv4Address(number)) not in unusable:
            return found
    raise ValueError(f"{its} has no address left for the host itself")
