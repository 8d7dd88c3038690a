"""`fab trace`: the way of a packet between two containers."""

from __future__ import annotations

from invoke.exceptions import Exit

from overweave.report import text

from . import reports, run
from .executor import FleetContext, cluster_task
from .tasks import HOSTS, JSON

BROKEN = 1
"""Exit code where the packet does not arrive, or something on its way is wrong."""


@cluster_task(
    help=HOSTS
    | JSON
    | {
        "source": "a container: its name, the beginning of its id, or HOST:NAME",
        "target": "the one that the packet goes to, named likewise",
        "network": "the one to follow where they share several",
        "capture": "see the packet on the wire at each hop",
        "svg": "draw the way into this file; - for stdout",
    },
    positional=["source", "target"],
)
def trace(
    c: FleetContext,
    source: str,
    target: str,
    inventory: str | None = None,
    network: str = "",
    capture: bool = False,
    svg: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Follow a packet between two containers, hop by hop: trace SOURCE TARGET.

    Names, addresses and state of every hop as the hosts have them, each one checked, and real packets in
    both directions. The first broken hop is marked with its remedy. Changes nothing. Exit code 1 if the
    packet does not arrive both ways.

    Example: fab trace web db -H host1,host2 --capture
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave import tracing
    from overweave.report import trace_data, trace_svg, trace_text

    files = reports.wanted(json=json, svg=svg)
    progress = run.Progress()
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys, progress=progress) as session:
        result = tracing.trace(session, source, target, network=network, watch=capture)
    if not files.on_stdout:
        text.console().print(trace_text.trace(result))
    if svg:
        reports.write("svg", svg, trace_svg.trace(result))
    if json:
        run.write(trace_data.trace(result), json)
    if not result.ok:
        raise Exit(code=BROKEN)
