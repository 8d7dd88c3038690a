"""The task that tells what can carry an overlay on these hosts."""

from __future__ import annotations

from overweave import backend
from overweave.backend import LIVE_RESTORE, Abilities
from overweave.errors import Refused
from overweave.report import data, text
from overweave.session import look

from . import run
from .executor import FleetContext, cluster_task
from .tasks import HOSTS, JSON


@cluster_task(help=HOSTS | JSON)
def backends(
    c: FleetContext,
    inventory: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Show what can carry an overlay on each host, and what a deployment would take.

    A cluster store in Consul or etcd (Docker up to 20.10, built with it), or the engines' swarm (from 1.13).
    Exit code 4 if nothing fits all hosts.

    Example: fab backends -H host1,host2
    """
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        facts = look(session)
        found = backend.abilities(session.fleet, facts.hosts)
        run.show(text.backends(found), data.backends(found), json)
        if not found.fits:
            raise _refused(found)


def _refused(found: Abilities) -> Refused:
    in_the_way = [host.host for host in found.hosts if found.chosen in host.cannot]
    reasons = [host.cannot[found.chosen] for host in found.hosts if found.chosen in host.cannot]
    settings = ["take live-restore out of their daemon.json"] if LIVE_RESTORE in reasons else []
    others = ["upgrade those engines"] if any(reason != LIVE_RESTORE for reason in reasons) else []
    return Refused(
        f"no backend fits all hosts: {', '.join(in_the_way)} can't have {found.chosen}",
        hint=", ".join([*settings, *others, "or make an overlay of the others alone"]),
    )
