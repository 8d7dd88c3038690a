"""The result of a proof: a verdict for every check of every directed pair, in two planes. Pure.

The overlay plane is between containers, the underlay plane between their hosts. A directed pair's cell says
which of the two fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from overweave.printable import one_line

CHECKS = ("dns", "icmp", "udp", "connect", "tcp", "mtu", "vxlan")
"""Of the overlay, in the order they are shown. ``udp`` is seen by the receiver, so it is of one direction
alone; ``connect`` opens a TCP connection, ``tcp`` carries 1 MiB; ``mtu`` is a packet of the largest size
with DF; ``vxlan`` is the forwarding row that leads to the other host, and that packets went through it."""
HEAVY = ("tcp", "mtu")
"""Checks that a fleet of more than `RING_ABOVE` hosts makes with `RING` neighbours of each host only."""
RING_ABOVE, RING = 32, 10
UNDERLAY = ("icmp", "mtu", "udp-4789", "tcp-7946", "udp-7946")
"""Of the underlay. ``udp-4789`` is a real VXLAN frame of the largest size, seen by the receiver; a swarm's
own port has that name, too."""
SLOW_FACTOR, SLOW_MILLISECONDS, SLOW_LOSS = 5.0, 10.0, 0.05


class Cell(StrEnum):
    """What a directed pair is, in a word."""

    OK = "ok"
    SLOW = "slow"
    ONE_WAY = "one way"
    UNDERLAY = "underlay fails"
    OVERLAY = "overlay alone fails"
    FAILS = "fails"
    """The overlay does; the underlay was not measured."""
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    """``detail`` is what was measured when ok, else what was seen instead. ``milliseconds`` is a round trip,
    ``loss`` a share from 0 to 1, where the check measures them."""

    ok: bool
    detail: str
    milliseconds: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class Pair:
    """From the container on one host to the one on another.

    ``checks`` are the overlay's verdicts, ``underlay`` those between the hosts, empty if that plane was not
    measured; ``wanted`` are the overlay's checks that were asked for: one without a verdict has failed.
    """

    source: str
    target: str
    checks: Mapping[str, Verdict]
    underlay: Mapping[str, Verdict] = field(default_factory=dict)
    wanted: tuple[str, ...] = CHECKS

    @property
    def green(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(c for c in self.wanted if c not in self.checks or not self.checks[c].ok)

    @property
    def silent(self) -> bool:
        """Whether nothing was measured: the row of ``vxlan`` is read, not sent through."""
        asked = set(self.wanted) - {"vxlan"}
        return not (asked & self.checks.keys() if asked else self.checks)

    @property
    def underlay_failed(self) -> tuple[str, ...]:
        return tuple(c for c in UNDERLAY if c in self.underlay and not self.underlay[c].ok)

    @property
    def milliseconds(self) -> float | None:
        icmp = self.checks.get("icmp")
        return icmp.milliseconds if icmp else None


@dataclass(frozen=True)
class Evidence:
    """What the vxlan device of a host did while the checks ran. ``vtep`` is the host's own address."""

    vni: int
    vtep: str
    sent: int
    received: int


@dataclass(frozen=True)
class Cause:
    """Why pairs are red. ``rule`` names the rule of `diagnose`; ``where`` is a host, a pair or a group;
    ``issues`` are the public ones that tell of it."""

    rule: str
    where: str
    seen: str
    fix: str
    issues: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def told(self) -> str:
        """As one line."""
        known = f" ({', '.join(self.issues)})" if self.issues else ""
        return f"{self.where}: {self.seen}{known}: {self.fix}"


@dataclass(frozen=True)
class Isolation:
    """One try to reach what must not be reached from the network: ``target`` is a container of another
    network, or what is outside of an internal one. ``reached`` is what answered, "" for nothing."""

    source: str
    target: str
    reached: str


@dataclass(frozen=True)
class Outside:
    """One try to reach what is outside of a network on the hosts' own wire, as another host's own address.
    ``wanted``: it must be reached; else it is only told."""

    source: str
    target: str
    reached: bool
    wanted: bool


@dataclass(frozen=True)
class Matrix:
    """``between`` says what the pairs are between, in words; ``left_out`` counts the pairs of each check
    that a large fleet leaves out on purpose; ``without_perl`` are hosts for which all were checked with the
    probes' own tools, which can't do all that was asked for. ``outside``: what was tried beyond the
    network."""

    network: str
    hosts: tuple[str, ...]
    pairs: tuple[Pair, ...]
    evidence: Mapping[str, Evidence]
    seconds: float = 0.0
    causes: tuple[Cause, ...] = field(default=())
    checks: tuple[str, ...] = CHECKS
    between: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    isolation: tuple[Isolation, ...] = ()
    without_perl: tuple[str, ...] = ()
    outside: tuple[Outside, ...] = ()

    @property
    def green(self) -> bool:
        """Every directed pair was measured and passed every check that was asked for, nothing reached what it
        must not reach, and everything outside that it must."""
        wanted = {(a, b) for a in self.hosts for b in self.hosts if a != b}
        whole = wanted == {(p.source, p.target) for p in self.pairs if p.green}
        missed = any(tried.wanted and not tried.reached for tried in self.outside)
        return whole and not missed and not any(tried.reached for tried in self.isolation)

    @property
    def red(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if not pair.green)

    @property
    def impossible(self) -> tuple[str, ...]:
        """Checks that were asked for and can't be made without Perl; nor can those of the underlay."""
        if not self.without_perl:
            return ()
        made = {check for pair in self.pairs for check in pair.wanted}
        return (*(check for check in self.checks if check not in made), "isolation")

    def pair(self, source: str, target: str) -> Pair | None:
        return self._by_ends.get((source, target))

    @cached_property
    def _by_ends(self) -> Mapping[tuple[str, str], Pair]:
        return {(p.source, p.target): p for p in self.pairs}

    @cached_property
    def median(self) -> float | None:
        """Of all round trips on the overlay, in milliseconds."""
        trips = sorted(p.milliseconds for p in self.pairs if p.milliseconds is not None)
        return trips[len(trips) // 2] if trips else None

    def cell(self, source: str, target: str) -> Cell:
        pair = self.pair(source, target)
        if pair is None or pair.silent:
            return Cell.UNMEASURED
        if pair.green:
            return Cell.SLOW if self._slow(pair) else Cell.OK
        back = self.pair(target, source)
        udp, other = pair.checks.get("udp"), back.checks.get("udp") if back else None
        if udp and other and udp.ok != other.ok:
            return Cell.ONE_WAY
        if not pair.underlay:
            return Cell.FAILS
        both = (*pair.underlay_failed, *(back.underlay_failed if back else ()))
        return Cell.UNDERLAY if both else Cell.OVERLAY

    def _slow(self, pair: Pair) -> bool:
        icmp, median = pair.checks.get("icmp"), self.median
        if icmp is None:
            return False
        if icmp.loss is not None and icmp.loss >= SLOW_LOSS:
            return True
        limit = max(SLOW_MILLISECONDS, SLOW_FACTOR * (median or 0))
        return icmp.milliseconds is not None and icmp.milliseconds > limit


def neighbours(hosts: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Whom a host makes the `HEAVY` checks with: everybody, or the next `RING` hosts of a large fleet, always
    the same ones."""
    at = hosts.index(source)
    others = hosts[at + 1 :] + hosts[:at]
    return others if len(hosts) <= RING_ABOVE else others[:RING]


def seen(verdict: Verdict | None) -> str:
    """A verdict's detail, safe to show."""
    return one_line(verdict.detail, 100) if verdict else "not measured"
