"""What a benchmark measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .schedule import Pair

UNDERLAY, OVERLAY = "underlay", "overlay"
PLANES = (UNDERLAY, OVERLAY)
ONE, MANY, REQUESTS, DATAGRAMS = "one", "many", "requests", "datagrams"
MEASURES = (ONE, MANY, REQUESTS, DATAGRAMS)
"""One TCP stream, several at once; small requests and replies on one TCP connection, and as datagrams."""


@dataclass(frozen=True)
class Busy:
    """How much of the time processors of a host did something, from 0 to 1: all ``cores`` together, and the
    one that did most. Whatever else the host does counts too."""

    all: float
    busiest: float
    cores: int


@dataclass(frozen=True)
class Flow:
    """As it came in. ``busy`` are the two hosts meanwhile."""

    bits_per_second: float
    busy: Mapping[str, Busy] = field(default_factory=dict)


@dataclass(frozen=True)
class Trips:
    """Round trips one after the other for ``seconds``: half of them, nine in ten, 99 in 100 and all took at
    most so many milliseconds. ``lost`` had no answer."""

    count: int
    lost: int
    seconds: float
    p50: float
    p90: float
    p99: float
    longest: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


@dataclass(frozen=True)
class Plane:
    """``missing`` says why there is no figure of a measure."""

    flows: Mapping[str, Flow] = field(default_factory=dict)
    trips: Mapping[str, Trips] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """Of a stream the bits per second, of `REQUESTS` their number per second, and round trips in
        milliseconds as in ``requests p99``."""
        measure, _, part = name.partition(" ")
        if measure in self.flows:
            return self.flows[measure].bits_per_second
        its = self.trips.get(measure)
        if its is None:
            return None
        return float(getattr(its, part)) if part else its.per_second


@dataclass(frozen=True)
class Measured:
    """A pair of hosts: ``source`` sends."""

    source: str
    target: str
    planes: Mapping[str, Plane]

    def ratio(self, name: str) -> float | None:
        """The overlay's figure in units of the underlay's; None where one is not measured."""
        over, under = (self.planes[plane].figure(name) for plane in (OVERLAY, UNDERLAY))
        return over / under if over is not None and under else None


@dataclass(frozen=True)
class Device:
    """What packets of a host leave through. ``inner_mtu`` is a container's. ``features`` are what ``ethtool
    -k`` says, None where it could not be asked."""

    interface: str
    mtu: int
    inner_mtu: int
    features: Mapping[str, bool] | None = None


@dataclass(frozen=True)
class Limit:
    """Something that keeps the overlay from being faster. ``kind`` is mtu, cpu, offload or unknown."""

    kind: str
    told: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """``seconds`` and ``streams`` are what was asked for of each measurement, ``took`` all of them together;
    ``left_out`` are pairs that were not measured on purpose."""

    network: str
    hosts: tuple[str, ...]
    pairs: tuple[Measured, ...]
    devices: Mapping[str, Device]
    seconds: float
    streams: int
    left_out: tuple[Pair, ...] = ()
    took: float = 0.0
    limits: tuple[Limit, ...] = ()

    @property
    def failed(self) -> tuple[Measured, ...]:
        """Pairs between which the overlay did not carry everything."""
        return tuple(pair for pair in self.pairs if pair.planes[OVERLAY].missing)

    def median(self, plane: str, name: str) -> float | None:
        return middle(pair.planes[plane].figure(name) for pair in self.pairs)

    def median_ratio(self, name: str) -> float | None:
        """Of the ratios, and not the ratio of the medians."""
        return middle(pair.ratio(name) for pair in self.pairs)


def middle(values: Iterable[float | None]) -> float | None:
    """The lower median of those that are not None."""
    there = sorted(v for v in values if v is not None)
    return there[(len(there) - 1) // 2] if there else None


def trips(micros: Mapping[int, int], *, lost: int, seconds: float) -> Trips:
    """``micros`` counts round trips by their microseconds. Raises `ValueError` where there are none."""
    count = sum(micros.values())
    if not count or seconds <= 0:
        raise ValueError("no round trips")
    ordered = sorted(micros.items())

    def percentile(share: float) -> float:
        """The smallest trip that at least this share of all are no longer than (nearest rank)."""
        rank, seen = math.ceil(share * count), 0
        for us, times in ordered:
            seen += times
            if seen >= rank:
                return us / 1000
        raise AssertionError("a share above 1")

    return Trips(
        count, lost, seconds, percentile(0.5), percentile(0.9), percentile(0.99), ordered[-1][0] / 1000
    )
