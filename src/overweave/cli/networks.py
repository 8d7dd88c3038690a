"""`fab networks`: the networks of all hosts, and how they are built."""

from __future__ import annotations

from invoke.exceptions import Exit

from . import reports, run
from .executor import FleetContext, cluster_task
from .tasks import HOSTS, JSON

INCOMPLETE = 1
"""Exit code where a host did not tell all."""


@cluster_task(
    help=HOSTS
    | JSON
    | {
        "network": "only this one: its name, or the beginning of its id",
        "tree": "how each is built on each host: bridges, endpoints, veth pairs, sandboxes",
    }
)
def networks(
    c: FleetContext,
    inventory: str | None = None,
    network: str = "",
    tree: bool = False,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    List all networks of all hosts in one table; --tree shows how they are built.

    Driver, scope, subnets, VNI, and how many endpoints are on each host. With --tree, host by host: network,
    bridge or overlay namespace, endpoints, veth pairs, sandboxes, as the kernel has them. What is not as it
    should be is marked. Changes nothing. Exit code 1 if a host did not tell all.

    Example: fab networks -H host1,host2 --tree
    """
    # Here, and not above: every other command would wait for these imports at its start.
    from overweave import networking
    from overweave.report import networks_data, networks_text

    files = reports.wanted(json=json)
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        found = networking.look(session, network=network, devices=tree or bool(files.files))
    run.show(networks_text.networks(found, tree=tree), networks_data.networks(found), json)
    if not found.complete:
        raise Exit(code=INCOMPLETE)
