"""A move to a swarm, turn by turn, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from overweave.moving.turn import Turn
from overweave.preflight.finding import Finding

from . import text

APART = (
    "from the first turn to the last, containers on hosts that are moved don't reach those on hosts that are "
    "not; what stops on a host is back at the end of its turn, some seconds later, and up to 10 more where a "
    "container does not end on SIGTERM"
)


def turns(found: Iterable[Finding], its: Sequence[Turn], order: Sequence[str]) -> RenderableType:
    if not its:
        return Group(*text.findings(found), Text("nothing to do"))
    parts: list[RenderableType] = [*text.findings(found)]
    hosts = [turn.host for turn in its if turn.host]
    for turn in its:
        if turn.host:
            parts.append(
                Text(f"turn {hosts.index(turn.host) + 1} of {len(hosts)}: {turn.host}", style="bold")
            )
        parts.append(text.plan(turn.plan, order))
        if turn.host:
            parts.append(Text(f"stops meanwhile: {', '.join(turn.stops) or 'nothing of a user'}"))
        if turn.proves:
            parts.append(Text(f"proven behind it: {', '.join(turn.proves)}"))
    if len(hosts) > 1:
        parts.append(Text(APART))
    return Group(*parts)
