"""The networks of a fleet on a terminal: one table of all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from overweave.networks.model import Overview, Presence, Row

from .networks_tree import host
from .nodeset import nodeset

H = TypeVar("H", bound=Hashable)

MOST = 10
"""Things that are told below the table; all are in --json, and in --tree at their places."""
UNTOLD = "?"
"""For what no engine told."""


class Report:
    """The table or the trees, then what is wrong, and who did not tell all. In ASCII where the terminal knows
    no more."""

    def __init__(self, result: Overview, *, tree: bool) -> None:
        self._result, self._tree = result, tree

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        def safe(words: str) -> str:
            # A container may have any name.
            return words.encode("ascii", "replace").decode() if options.ascii_only else words

        result = self._result
        if self._tree:
            yield from (host(its, result.names, safe) for its in result.trees or ())
        elif result.rows:
            yield _table(result, safe)
        else:
            yield Text("no network was told of")
        for name, problems in result.problems.items():
            yield Text.assemble((f"{name}: ", "bold"), (safe("; ".join(problems)), "red"))
        for note in result.notes:
            yield Text(safe(f"note: {note}"), style="yellow")
        if result.wrong:
            # The trees have each at its place.
            for name, words in () if self._tree else result.wrong[:MOST]:
                yield Text(safe(f"BROKEN: {name}: {words}"), style="bold red")
            count = len(result.wrong)
            told = "1 thing is not as it" if count == 1 else f"{count} things are not as they"
            yield Text(f"{told} should be: `fab doctor` looks for the cause", style="bold red")


def networks(result: Overview, *, tree: bool) -> RenderableType:
    """What people read of the networks of a fleet; with ``tree`` how they are built, host by host."""
    return Report(result, tree=tree)


def _table(result: Overview, safe: Callable[[str], str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("network", "driver", "scope"):
        table.add_column(column, overflow="fold")
    table.add_column("subnets", overflow="fold")
    table.add_column("VNI", overflow="fold")
    table.add_column("flags", overflow="fold")
    table.add_column("endpoints", overflow="fold")
    for row in result.rows:
        table.add_row(
            Text(safe(row.name), style="bold"),
            safe(row.driver) or UNTOLD,
            safe(row.scope) or UNTOLD,
            safe(_by_hosts(row, lambda its: ", ".join(its.subnets))) or "-",
            safe(_by_hosts(row, lambda its: ", ".join(map(str, its.vnis)))) or "-",
            ", ".join(row.flags) or "-",
            _Pieces([safe(piece) for piece in endpoints(row)]),
        )
    return table


def _by_hosts(row: Row, value: Callable[[Presence], str]) -> str:
    """A value, once where all hosts that have any have the same, else each with its hosts."""
    found = {words: hosts for words, hosts in _grouped(row, value).items() if words}
    if len(found) < 2:
        return "".join(found)
    return "\n".join(f"{words} {nodeset(hosts)}" for words, hosts in found.items())


def endpoints(row: Row) -> list[str]:
    """How many are on each host, hosts with as many together, the most first."""
    counts = _grouped(row, lambda its: -1 if its.endpoints is None else its.endpoints)
    told = [
        f"{UNTOLD if n < 0 else n} on {nodeset(hosts)}" for n, hosts in sorted(counts.items(), reverse=True)
    ]
    if row.elsewhere:
        told.append(f"{len(row.elsewhere)} elsewhere")
    return told


class _Pieces:
    """A cell of several pieces, which breaks between them."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = [f"{piece}," for piece in pieces[:-1]] + list(pieces[-1:])

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widths = [cell_len(piece) for piece in self._pieces]
        return Measurement(min(max(widths), options.max_width), sum(widths) + len(widths) - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        line = ""
        for piece in self._pieces:
            longer = f"{line} {piece}".strip()
            if line and cell_len(longer) > options.max_width:
                yield Text(line, overflow="fold")
                longer = piece
            line = longer
        yield Text(line, overflow="fold")


def _grouped(row: Row, value: Callable[[Presence], H]) -> dict[H, list[str]]:
    found: dict[H, list[str]] = {}
    for name, its in row.hosts.items():
        found.setdefault(value(its), []).append(name)
    return found
