"""The task that measures how fast an overlay is."""

from __future__ import annotations

from typing import Any

from invoke.exceptions import Exit

from overweave.errors import UsageError
from overweave.fleet import each
from overweave.overlay import addresses
from overweave.plan import refuse
from overweave.session import look

from . import run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, HOSTS, JSON, NETWORK

FAILED = 1
SECONDS = (0.1, 60.0)
STREAMS = (1, 64)
PORTS = (0, 65535)


@cluster_task(
    name="bench-overlay",
    help=HOSTS
    | NETWORK
    | ALONE
    | JSON
    | {
        "seconds": "how long each measurement takes; there are 8 for a pair (default: 1)",
        "streams": "TCP streams at once, besides one alone (default: 4)",
        "port": "TCP and UDP port of the underlay that firewalls let through (default: any free one)",
        "all-pairs": "measure every pair, and not the first 5 rounds of them",
    },
)
def bench_overlay(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    seconds: float = 1.0,
    streams: int = 4,
    port: int = 0,
    all_pairs: bool = False,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Measure how fast the overlay is next to the underlay, and say what limits it.

    Loads the network and the hosts while it runs; changes nothing. Throughput of one and of many TCP
    streams, requests and datagrams with the percentiles of their round trips, between pairs of hosts
    that have no host in common at a time. Exit code 1 if the overlay did not carry something.

    Example: fab bench-overlay -H host1,host2 --seconds 2
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave.bench import ends
    from overweave.bench.measure import Wanted, measure
    from overweave.report import bench_data, bench_text

    wanted = Wanted(
        _within("--seconds", seconds, SECONDS), _within("--streams", streams, STREAMS),
        _within("--port", port, PORTS), all_pairs,
    )  # fmt: skip
    progress = run.Progress()
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task="bench-overlay",
        wait_lock=wait_lock,
        only_looks=True,
        network=network,
    ) as session:
        fleet = session.fleet
        if len(fleet.hosts) < 2:
            raise UsageError("a benchmark needs two hosts", hint="as in fab bench-overlay -H host1,host2")
        facts = look(session)
        advertise, refused = addresses(fleet, facts)
        refuse(refused)
        found = each(
            fleet.names,
            lambda name: ends.look(session.hosts[name], fleet, facts.hosts[name], advertise[name]),
            cancel=session.cancel,
        ).all()
        result = measure(
            session.hosts,
            found,
            fleet.network.name,
            wanted,
            clock=session.clock,
            cancel=session.cancel,
            progress=progress,
        )
        run.show(bench_text.benchmark(result), bench_data.benchmark(result), json)
        if result.failed:
            raise Exit(code=FAILED)


def _within(option: str, value: Any, bounds: tuple[float, float]) -> Any:
    lowest, highest = bounds
    if not lowest <= value <= highest:
        raise UsageError(
            f"{option} {value}: not between {lowest:g} and {highest:g}", hint="give a number within these"
        )
    return value
