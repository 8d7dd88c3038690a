"""`fab prove-services`: are services of the swarm reached from everywhere?"""

from __future__ import annotations

from invoke.exceptions import Exit

from . import reports, run
from .executor import FleetContext, cluster_task
from .tasks import ALONE, HOSTS, JSON, NETWORK

RED = 1
"""Exit code where a way is red."""


@cluster_task(name="prove-services", help=HOSTS | NETWORK | ALONE | JSON)
def prove_services(
    c: FleetContext,
    inventory: str | None = None,
    network: str | None = None,
    wait_lock: float = 0.0,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Prove that services of the swarm are reached from every host, each way.

    Two services with a replica on every host are made, asked and removed. By name from a container on every
    host: DNS round robin, and the virtual address that the kernel spreads over the replicas. By published
    port from every host to every host: the host's own replica, and any through the routing mesh. Exit code 1
    if a way is red.

    Example: fab prove-services -H host1,host2
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave import servicing
    from overweave.report import services_data, services_text

    reports.wanted(json=json)
    with run.session(
        c,
        inventory,
        accept_new_host_keys=accept_new_host_keys,
        task="prove-services",
        wait_lock=wait_lock,
        only_looks=True,
        network=network,
    ) as session:
        found = servicing.prove(session)
    run.show(services_text.services(found), services_data.services(found), json)
    if not found.green:
        raise Exit(code=RED)
