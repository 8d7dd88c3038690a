"""The paths between hosts as values: what both ends of a measurement told, put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .pair_report import BYE, DONE, HOST, VXLAN, Port, Report, Seen, Taken
from .way import VXLAN_PORT


@dataclass(frozen=True)
class Listen:
    """A port that a host needs, at ``address``, "" for the one that it advertises. ``reached``: by its peers,
    which can only be at that one.

    ``owners`` are names of processes that are meant to have it. ``ping``: an owner may be sent a memberlist
    ping, which is an error in its log where its gossip is encrypted.
    """

    port: Port
    owners: frozenset[str] = frozenset()
    address: str = ""
    ping: bool = True
    reached: bool = True


@dataclass(frozen=True)
class Travel:
    """Echo requests in one direction. ``sent`` and ``arrived`` count the small ones, ``largest`` is the
    largest that arrived, in bytes with its IP header, 0 for none. ``milliseconds`` is the shortest round
    trip, which the measurement itself delays least, None without answers; ``error`` the errno of requests
    that could not be sent."""

    sent: int
    arrived: int
    largest: int
    milliseconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Path:
    """One direction. ``ports``: ok, silent (no answer), mute (a connection that carried nothing) or the
    errno; ports that were not probed are missing. None is what was not measured."""

    ports: Mapping[Port, str] = field(default_factory=dict)
    underlay: Travel | None = None
    vxlan: Travel | None = None


@dataclass(frozen=True)
class HostEnd:
    """``lost`` says why nothing was measured on a host; ``no_vxlan`` and ``no_echoes`` why that was not."""

    address: str
    taken: tuple[Taken, ...] = ()
    lost: str = ""
    no_vxlan: str = ""
    no_echoes: str = ""


@dataclass(frozen=True)
class PairFacts:
    """What was measured between hosts. ``mtu`` is what the underlay has to carry, in bytes; ``vxlan`` the
    port that its frames went to (UDP)."""

    mtu: int
    ends: Mapping[str, HostEnd] = field(default_factory=dict)
    paths: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    vxlan: int = VXLAN_PORT


def assemble(
    mtu: int,
    addresses: Mapping[str, str],
    reports: Mapping[str, Report],
    lost: Mapping[str, str],
    vxlan: int = VXLAN_PORT,
) -> PairFacts:
    """Put together what the hosts told; they are numbered as in ``addresses``. A direction is measured only
    if both of its ends went through to their end."""
    numbers = {name: number for number, name in enumerate(addresses)}
    ends = {}
    for name, address in addresses.items():
        report = reports.get(name)
        ends[name] = HostEnd(
            address,
            tuple(sorted(report.taken.values(), key=lambda t: (t.port, t.address))) if report else (),
            lost.get(name, ""),
            report.failed.get(VXLAN, "") if report else "",
            report.failed.get(HOST, "") if report else "",
        )
    through = [name for name in addresses if name not in lost]
    paths = {
        (a, b): _path(reports[a], reports[b], numbers[a], numbers[b])
        for a in through
        for b in through
        if a != b
    }
    return PairFacts(mtu, ends, paths, vxlan)


def _path(sender: Report, receiver: Report, from_: int, to: int) -> Path:
    ports = {
        # What came has arrived, even if its answer got lost: that is the other direction's affair.
        port: "ok" if (port, from_) in receiver.came else result
        for (port, number), result in sender.results.items()
        if number == to
    }
    return Path(
        ports,
        _travel(HOST, sender, receiver, from_, to),
        _travel(VXLAN, sender, receiver, from_, to),
    )


def _travel(role: str, sender: Report, receiver: Report, from_: int, to: int) -> Travel | None:
    went = sender.echoes.get((role, to))
    if went is None or role in receiver.failed or not {(role, DONE), (role, BYE)} <= receiver.said:
        return None
    came = receiver.seen.get((role, from_), Seen(0, 0))
    return Travel(went.sent, came.count, came.largest, went.milliseconds, went.error)
