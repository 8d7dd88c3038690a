"""A benchmark on a terminal, at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overweave.bench.figures import (
    DATAGRAMS,
    MANY,
    MEASURES,
    ONE,
    OVERLAY,
    PLANES,
    REQUESTS,
    UNDERLAY,
    Benchmark,
    Limit,
    Measured,
    Trips,
)

MOST = 12
"""Pairs of which every figure is written out; of more, the medians and the `WORST`."""
WORST = 5
NAMES = 5
RATES = (ONE, MANY, REQUESTS)
FASTER, FAIR = 0.9, 0.5


def benchmark(result: Benchmark) -> RenderableType:
    """Figures of the overlay over those of the underlay, then round trips, then what limits."""
    pairs = result.pairs if len(result.pairs) <= MOST else _worst(result)
    parts: list[RenderableType] = [
        Text("data and requests: overlay / underlay, and the ratio", style="bold"),
        _rates(result, pairs),
        Text(),
        Text("round trips in milliseconds", style="bold"),
        _trips(pairs),
        Text(),
    ]
    if len(pairs) < len(result.pairs):
        parts.append(Text(f"the {len(pairs)} slowest of {len(result.pairs)} pairs; all are in --json"))
    parts += _missing(result)
    parts += [_limit(limit, result.hosts) for limit in result.limits]
    count = len(result.pairs) + len(result.left_out)
    left = f"; {len(result.left_out)} pairs not measured: --all-pairs does" if result.left_out else ""
    parts.append(
        Text(
            f"{len(result.pairs)} of {count} pairs of {result.network} in {result.took:.1f} s, "
            f"{result.seconds:g} s each{left}"
        )
    )
    return Group(*parts)


def _worst(result: Benchmark) -> tuple[Measured, ...]:
    def ratio(pair: Measured) -> float:
        return min((r for name in RATES if (r := pair.ratio(name)) is not None), default=0.0)

    return tuple(sorted(result.pairs, key=ratio)[:WORST])


def _rates(result: Benchmark, pairs: tuple[Measured, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("from -> to", style="bold")
    streams = f"{result.streams} stream{'s' * (result.streams > 1)}"
    for head in ("1 stream, Gbit/s", f"{streams}, Gbit/s", "requests/s"):
        table.add_column(head)
    for pair in pairs:
        cells = (
            _ratio(name, [pair.planes[p].figure(name) for p in (OVERLAY, UNDERLAY)], pair.ratio(name))
            for name in RATES
        )
        table.add_row(f"{pair.source} -> {pair.target}", *cells)
    if len(result.pairs) > 1:
        cells = (
            _ratio(name, [result.median(p, name) for p in (OVERLAY, UNDERLAY)], result.median_ratio(name))
            for name in RATES
        )
        table.add_row("median", *cells)
    return table


def _ratio(name: str, values: Iterable[float | None], ratio: float | None) -> Text:
    style = "" if ratio is None else "green" if ratio >= FASTER else "yellow" if ratio >= FAIR else "red"
    told = " / ".join(_number(name, value) for value in values)
    return Text.assemble(f"{told}  ", ("" if ratio is None else f"{ratio:.2f}", style))


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == REQUESTS:
        return f"{value:.0f}"
    gigabits = value / 1e9
    return f"{gigabits:.1f}" if gigabits >= 1 else f"{gigabits:.3f}"


def _trips(pairs: tuple[Measured, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("from -> to", style="bold")
    table.add_column("")
    for head in ("TCP p50", "p90", "p99", "max", "UDP p50", "p99", "lost"):
        table.add_column(head, justify="right")
    for pair in pairs:
        for plane in PLANES:
            tcp, udp = (pair.planes[plane].trips.get(name) for name in (REQUESTS, DATAGRAMS))
            table.add_row(
                f"{pair.source} -> {pair.target}" if plane == PLANES[0] else "",
                plane,
                *(_part(tcp, part) for part in ("p50", "p90", "p99", "longest")),
                *(_part(udp, part) for part in ("p50", "p99")),
                "-" if udp is None else str(udp.lost),
            )
    return table


def _part(trips: Trips | None, part: str) -> str:
    if trips is None:
        return "-"
    value = float(getattr(trips, part))
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _missing(result: Benchmark) -> list[Text]:
    """Each reason once, with the first pair that has it."""
    found: dict[tuple[str, str], list[str]] = {}
    for pair in result.pairs:
        for plane in PLANES:
            missing = pair.planes[plane].missing
            for why in dict.fromkeys(missing[name] for name in MEASURES if name in missing):
                found.setdefault((plane, why), []).append(f"{pair.source} -> {pair.target}")
    lines = []
    for (plane, why), pairs in list(found.items())[:MOST]:
        more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        style = "bold red" if plane == OVERLAY else "yellow"
        lines.append(Text.assemble(("not measured: ", style), f"{plane}, {pairs[0]}{more}: {why}"))
    if any(plane == UNDERLAY for plane, _ in found):
        lines.append(Text("  --port NAMES a port that the hosts' firewalls let through", style="dim"))
    return lines


def _limit(limit: Limit, everybody: tuple[str, ...]) -> Text:
    names = ", ".join(limit.hosts[:NAMES])
    more = f" and {len(limit.hosts) - NAMES} more" if len(limit.hosts) > NAMES else ""
    where = "all hosts" if set(limit.hosts) == set(everybody) else names + more
    return Text.assemble(
        (f"{TITLES[limit.kind]}: ", "bold"), f"{where}: {limit.told}" if where else limit.told
    )


TITLES = {"mtu": "MTU limit", "cpu": "CPU limit", "offload": "offload limit", "unknown": "limit"}
