"""The networks of an inventory on a terminal: what differs, and what would be done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from overweave.reconcile.plan import Reconciliation

from . import text


def decided(made: Reconciliation, order: Sequence[str]) -> RenderableType:
    """Drift by name, what forbids the plan, the plan, and who is waited for."""
    parts: list[RenderableType] = []
    for its in made.drift:
        parts.append(Text.assemble((f"{its.host}: ", "bold"), f"network {its.network} differs"))
        for d in its.differences:
            parts.append(Text(f"  {d.attribute}: is {d.is_}, wanted {d.wanted}", style="yellow"))
    for e in made.refused:
        parts.append(Text.assemble(("REFUSED ", "bold red"), str(e)))
    if made.plan or not made.refused:
        parts.append(text.plan(made.plan, order))
    return Group(*parts, *waiting(made))


def waiting(made: Reconciliation) -> list[Text]:
    """Who is to be connected, and is not there."""
    return [
        Text(f"{container} is not on {host} yet: apply again when it is", style="dim")
        for host, container in dict.fromkeys((its.host, its.container) for its in made.waiting)
    ]
