"""A proof of services on a terminal: a row for each host, a column for each way."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overweave.prove.matrix import seen
from overweave.prove.service_matrix import KINDS, ServiceProof


def services(result: ServiceProof) -> RenderableType:
    """The table, then what each red cell has seen, and why."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("from", *KINDS):
        table.add_column(column)
    for host in result.hosts:
        cells = (
            Text("ok", style="green") if result.ok(host, kind) else Text("RED", style="bold red")
            for kind in KINDS
        )
        table.add_row(Text(host, style="bold"), *cells)
    count = len(result.hosts) * len(KINDS)
    good = count - len(result.red)
    parts: list[RenderableType] = [table]
    parts.append(
        Text(
            f"{good} of {count} ways to a service green on {result.network} in {result.seconds:.1f} s",
            style="bold green" if result.green else "bold red",
        )
    )
    for host, kind in result.red:
        verdict = result.checks.get(host, {}).get(kind)
        parts.append(Text.assemble(("  RED ", "red"), f"{host}  {kind}: {seen(verdict)}"))
    parts += [Text.assemble(("cause: ", "bold"), cause) for cause in result.causes]
    return Group(*parts)
