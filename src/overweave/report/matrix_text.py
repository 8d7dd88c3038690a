"""The matrix on a terminal: the grid, what failed in which plane, why, and the evidence.

It is read at 80 columns and without colour. Cells are written out where they fit, else each is one mark; of a
fleet that is too large even for that, the hosts with the most trouble are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from overweave.printable import one_line
from overweave.prove.matrix import RING, RING_ABOVE, Cause, Cell, Matrix, Pair, Verdict, seen

from .hanging import hung
from .measured import cells, loss, milliseconds, percent, trip

WIDTH = 80
"""Columns where there is no terminal to ask."""
SHOWN = 20
"""Red pairs that are told, unless they saw what another did, and causes."""
NAMED = 3
"""Pairs that are named beside one that saw the same."""
NAME = 20
"""Characters of a host's name in the grid."""

CORNER = "from \\ to"
BAD, ODD, GOOD = "bold red", "yellow", "green"
MARKS: Mapping[Cell, tuple[str, str, str]] = {
    Cell.OK: (".", "ok", GOOD),
    Cell.SLOW: ("~", "SLOW", ODD),
    Cell.ONE_WAY: (">", "ONE WAY", BAD),
    Cell.UNDERLAY: ("U", "UNDERLAY", BAD),
    Cell.OVERLAY: ("O", "OVERLAY", BAD),
    Cell.FAILS: ("X", "RED", BAD),
    Cell.UNMEASURED: ("?", "not measured", ODD),
}
"""One character, a word, and a style."""


def matrix(result: Matrix, width: int = WIDTH) -> RenderableType:
    """Source hosts down, target hosts across, then everything that the grid can't say."""
    return hung(
        [
            *(_written_out(result, width) or _marks(result, width)),
            _headline(result),
            *_kinds(result),
            *_round_trips(result),
            *_red(result),
            *_passes_in_spite(result),
            *_causes(result.causes),
            *_left_out(result),
            *_without_perl(result),
            *_isolation(result),
            *_outside(result),
            *_evidence(result),
        ]
    )


def _written_out(result: Matrix, width: int) -> list[RenderableType]:
    """The grid with words in its cells; nothing where that is too wide."""
    if len(result.hosts) * 6 > width:
        return []
    names = [one_line(host, NAME) for host in result.hosts]
    columns = [[_word(result, source, target) for source in result.hosts] for target in result.hosts]
    taken = max([cell_len(CORNER), *map(cell_len, names)])
    for name, column in zip(names, columns, strict=True):
        taken += 2 + max([cell_len(name), *(text.cell_len for text in column)])
    if taken > width:
        return []
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(CORNER, style="bold", no_wrap=True)
    for name in names:
        table.add_column(Text(name), no_wrap=True)
    for name, row in zip(names, zip(*columns, strict=True), strict=True):
        table.add_row(Text(name), *row)
    return [table]


def _word(result: Matrix, source: str, target: str) -> Text:
    if source == target:
        return Text("-", style="dim")
    cell, pair = result.cell(source, target), result.pair(source, target)
    _, word, style = MARKS[cell]
    return Text(f"{word} {_measured(cell, pair)}".rstrip() if pair else word, style=style)


def _measured(cell: Cell, pair: Pair) -> str:
    if cell in (Cell.OVERLAY, Cell.FAILS):
        # All at once is what the word says already.
        return " ".join(pair.failed) if len(pair.failed) <= 4 else ""
    if cell not in (Cell.OK, Cell.SLOW):
        return ""
    lost, time = loss(pair), trip(pair)
    if cell is Cell.SLOW and lost:
        return f"{percent(lost)} lost"
    if time is not None:
        return milliseconds(time)
    return one_line(pair.checks["icmp"].detail, 12) if "icmp" in pair.checks else ""


def _marks(result: Matrix, width: int) -> Iterator[RenderableType]:
    """The grid with one character a cell; its columns have the numbers of its rows."""
    numbers = {host: number for number, host in enumerate(result.hosts, 1)}
    digits = len(str(len(numbers)))
    label = digits + 1 + max([len(CORNER) - digits, *(cell_len(one_line(h, NAME)) for h in numbers)]) + 1
    hosts = _most_trouble(result, max(1, (width - label) // 2))
    if not hosts:
        yield Text(f"all cells of {len(numbers)} hosts are ok: too many for a grid")
        return
    for digit in range(digits):
        heads = (f"{numbers[host]:>{digits}}"[digit] for host in hosts)
        yield Text(f"{CORNER if digit == digits - 1 else '':<{label}}{' '.join(heads)}", style="bold")
    met = set()
    for source in hosts:
        line = Text(f"{numbers[source]:>{digits}} ", style="bold")
        line.append(one_line(source, NAME))
        line.append(" " * (label - line.cell_len))
        for target in hosts:
            cell = result.cell(source, target)
            mark, _, style = ("-", "", "dim") if source == target else MARKS[cell]
            if source != target:
                met.add(cell)
            line.append(mark, style=style)
            line.append(" ")
        line.rstrip()
        yield line
    yield Text("   ".join(f"{MARKS[cell][0]} {cell}" for cell in Cell if cell in met), style="dim")
    if len(hosts) < len(numbers):
        yield Text(
            f"the {len(hosts)} of {len(numbers)} hosts with the most trouble; all are in --json and --html"
        )


def _most_trouble(result: Matrix, room: int) -> Sequence[str]:
    """All hosts where they fit, else as many as fit of those with cells that are not ok."""
    if len(result.hosts) <= room:
        return result.hosts
    trouble: Counter[str] = Counter()
    for source, target, cell in cells(result):
        if cell is not Cell.OK:
            trouble.update((source, target))
    worst = {host for host, _ in trouble.most_common(room)}
    return [host for host in result.hosts if host in worst]


def _headline(result: Matrix) -> Text:
    green = sum(pair.green for pair in result.pairs)
    seconds = f" in {result.seconds:.1f} s" if result.seconds else ""
    between = f", between {one_line(result.between, 100)}" if result.between else ""
    return Text.assemble(
        (
            f"{green} of {len(result.pairs)} directed pairs green",
            "bold green" if result.green else BAD,
        ),
        f" on {one_line(result.network, 100)}{seconds} ({', '.join(result.checks)}){between}",
    )


def _kinds(result: Matrix) -> Iterator[Text]:
    count = Counter(cell for _, _, cell in cells(result))
    if set(count) - {Cell.OK}:
        yield Text("cells: " + ", ".join(f"{count[cell]} {cell}" for cell in Cell if count[cell]))


def _round_trips(result: Matrix) -> Iterator[Text]:
    times = [(time, pair) for pair in result.pairs if (time := trip(pair)) is not None]
    if times and result.median is not None:
        worst, pair = max(times, key=lambda it: it[0])
        yield Text(
            f"round trip: median {milliseconds(result.median)}, worst {milliseconds(worst)} ({_ends(pair)})"
        )
    lossy = sorted(
        ((share, pair) for pair in result.pairs if (share := loss(pair))), key=lambda it: it[0], reverse=True
    )
    if lossy:
        told = ", ".join(f"{percent(share)} {_ends(pair)}" for share, pair in lossy[:3])
        left = len(lossy) - 3
        more = f", and on {left} pair{'s' * (left > 1)} more" if left > 0 else ""
        yield Text(f"loss: {told}{more}", style=ODD)


def _red(result: Matrix) -> Iterator[Text]:
    """Pairs that saw the same in both planes are told together."""
    alike: dict[tuple[str, str], list[Pair]] = {}
    for pair in result.red:
        alike.setdefault((_why(pair.failed, pair.checks), _under(pair)), []).append(pair)
    for (why, under), (pair, *others) in list(alike.items())[:SHOWN]:
        yield Text.assemble(("  RED ", BAD), f"{_ends(pair)}  {why}")
        if under:
            yield Text(f"      underlay: {under}")
        if others:
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            yield Text(f"      the same: {', '.join(map(_ends, others[:NAMED]))}{more}")
    left = sum(len(pairs) for pairs in list(alike.values())[SHOWN:])
    if left:
        yield Text(f"  … and {left} more; all are in --json and --html")


def _under(pair: Pair) -> str:
    if not pair.underlay:
        return ""
    return _why(pair.underlay_failed, pair.underlay) or one_line(f"passes ({', '.join(pair.underlay)})")


def _why(failed: Sequence[str], verdicts: Mapping[str, Verdict]) -> str:
    """What was seen, checks that saw the same together."""
    alike: dict[str, list[str]] = {}
    for check in failed:
        alike.setdefault(seen(verdicts.get(check)), []).append(check)
    return "; ".join(f"{', '.join(checks)}: {what}" for what, checks in alike.items())


def _passes_in_spite(result: Matrix) -> Iterator[Text]:
    odd = [pair for pair in result.pairs if pair.green and pair.underlay_failed]
    if odd:
        checks = sorted({check for pair in odd for check in pair.underlay_failed})
        yield Text(
            f"the underlay fails and the overlay passes on {_pairs(len(odd))} ({', '.join(checks)}), "
            f"as on {_ends(odd[0])}",
            style=ODD,
        )


def _causes(causes: Sequence[Cause]) -> Iterator[Text]:
    """Causes that differ in nothing but where they are are told once."""
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for cause in causes:
        alike.setdefault((cause.seen, cause.fix, cause.issues), []).append(cause.where)
    for (what, fix, issues), where in list(alike.items())[:SHOWN]:
        known = f" ({one_line(', '.join(issues))})" if issues else ""
        yield Text.assemble(("cause: ", "bold"), f"{one_line(', '.join(where))}: {one_line(what)}{known}")
        yield Text.assemble(("  fix: ", "bold"), one_line(fix))
    if len(alike) > SHOWN:
        yield Text(f"… and {len(alike) - SHOWN} more causes; all are in --json and --html")


def _left_out(result: Matrix) -> Iterator[Text]:
    counts = ", ".join(
        f"{one_line(check)} on {_pairs(count)}" for check, count in result.left_out.items() if count
    )
    if counts:
        yield Text(
            f"left out: {counts}: above {RING_ABOVE} hosts each host makes them with {RING} neighbours only"
        )


def _without_perl(result: Matrix) -> Iterator[Text]:
    if result.impossible:
        yield Text(
            f"not checked: {', '.join(map(one_line, result.impossible))}, and the underlay of these hosts: "
            f"there is no perl on {', '.join(map(one_line, result.without_perl))}",
            style="yellow",
        )


def _isolation(result: Matrix) -> Iterator[Text]:
    broken = [tried for tried in result.isolation if tried.reached]
    for tried in broken[:SHOWN]:
        yield Text.assemble(
            ("NOT ISOLATED ", BAD),
            f"{one_line(tried.source)} reaches {one_line(tried.target)}: {one_line(tried.reached)}",
        )
    if len(broken) > SHOWN:
        yield Text(f"… and {len(broken) - SHOWN} more; all are in --json and --html")
    if result.isolation and not broken:
        count = len(result.isolation)
        yield Text(f"isolation: {count} {'try' if count == 1 else 'tries'}, and nothing was reached")


def _evidence(result: Matrix) -> Iterator[Text]:
    if result.evidence:
        vnis = sorted({str(e.vni) for e in result.evidence.values()})
        sent = sum(e.sent for e in result.evidence.values())
        received = sum(e.received for e in result.evidence.values())
        yield Text(
            f"through VXLAN: VNI {', '.join(vnis)}, {len(result.evidence)} VTEPs, "
            f"{sent} packets out and {received} in while it was checked"
        )


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"


def _ends(pair: Pair) -> str:
    return f"{one_line(pair.source, 100)} -> {one_line(pair.target, 100)}"


def _outside(result: Matrix) -> Iterator[Text]:
    for tried in result.outside:
        if tried.wanted and not tried.reached:
            yield Text(f"NOT REACHED: from {tried.source} to {tried.target}", style="bold red")
    must = [tried for tried in result.outside if tried.wanted]
    if must and all(tried.reached for tried in must):
        yield Text(f"outside: all of {len(must)} tries reached the hosts' own addresses")
    others = [tried for tried in result.outside if not tried.wanted]
    for word, reached in (("reached", True), ("not reached", False)):
        told = [f"{t.source} to {t.target}" for t in others if t.reached is reached]
        if told:
            more = f" and {len(told) - 3} more" if len(told) > 3 else ""
            yield Text(f"outside, {word}, as may be: {', '.join(told[:3])}{more}", style="dim")
