"""Numbers of a proof as they are shown and written. Pure.

They come from hosts, so one may be no number at all, which neither JSON nor Prometheus has a word for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from overweave.prove.matrix import Cell, Matrix, Pair


def finite(value: float | None) -> float | None:
    """The value, or None where it is absent, not a number, infinite or below zero."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def milliseconds(value: float) -> str:
    """Two digits that count: ``0.31 ms``, ``1.7 ms``, ``40 ms``."""
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    return f"{value:.{digits}f} ms"


def percent(share: float) -> str:
    """Of 0 to 1; never "0%" for some."""
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


def trip(pair: Pair) -> float | None:
    """Round trip on the overlay in milliseconds."""
    return finite(pair.milliseconds)


def loss(pair: Pair) -> float | None:
    """Share of small packets that were lost on the overlay, from 0 to 1."""
    icmp = pair.checks.get("icmp")
    return finite(icmp.loss) if icmp else None


def cells(result: Matrix) -> Iterator[tuple[str, str, Cell]]:
    """Source, target and cell of every directed pair that there should be."""
    for source in result.hosts:
        for target in result.hosts:
            if source != target:
                yield source, target, result.cell(source, target)
