"""Tasks that only show: the state of a fleet, who changed what on it, and Consul's own page."""

from __future__ import annotations

from contextlib import suppress

from overweave.adapters.ssh import answers
from overweave.errors import Refused
from overweave.facts import audit_log
from overweave.fleet import each
from overweave.report import data, text
from overweave.session import look, look_for_consul
from overweave.state import summarize
from overweave.waiting import wait_until

from . import run
from .executor import FleetContext, cluster_task
from .tasks import HOSTS, JSON


@cluster_task(help=HOSTS | JSON)
def status(
    c: FleetContext,
    inventory: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Show engines, store, registered nodes, gossip and networks.

    Example: fab status -H host1,host2
    """
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        facts = look(session)
        state = summarize(session.fleet, facts)
        run.show(text.state(state), data.state(state), json)


@cluster_task(
    help=HOSTS | JSON | {"last": "lines to show, the newest ones; 0 for all", "run": "of this run only"}
)
def audit(
    c: FleetContext,
    inventory: str | None = None,
    last: int = 100,
    run: str | None = None,
    json: str | None = None,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Show who changed what on the hosts, from where and when, merged by time.

    Each host keeps its own log, /var/log/overweave/audit.jsonl: the begin of a run, each step with its
    outcome, and the end. A run that has no end was broken off.

    Example: fab audit -H host1,host2 --last 20
    """
    _show_audit(c, inventory, json, last=last, of_run=run or "", accept_new_host_keys=accept_new_host_keys)


def _show_audit(
    c: FleetContext,
    inventory: str | None,
    json: str | None,
    *,
    last: int,
    of_run: str,
    accept_new_host_keys: bool,
) -> None:
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        logs = each(
            session.fleet.names,
            lambda name: audit_log.look(session.hosts[name], of_run),
            cancel=session.cancel,
        ).all()
        entries = audit_log.merge(logs.values())
        shown = entries[-last:] if last > 0 else entries
        run.show(text.audit(shown, logs), data.audit(shown, logs), json)


@cluster_task(name="consul-ui", help=HOSTS | {"port": "local port; default: any free one"})
def consul_ui(
    c: FleetContext,
    inventory: str | None = None,
    port: int = 0,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Open a local way to Consul's web page, until Ctrl-C.

    The page listens on the host's own addresses only; this goes through ssh.

    Example: fab consul-ui -H host1
    """
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        facts = look_for_consul(session)
        host = session.hosts[session.fleet.store_host.name]
        its = session.fleet.store
        if its.external:
            raise Refused(
                "somebody else runs the store, and Overweave opens no way to it",
                hint=f"its page may be at http://{its.place}/ui/",
            )
        if not facts.store or not facts.store.leader:
            raise Refused(
                "no Consul answers here", host=host.host.name, hint="`fab status` shows where the store is"
            )
        with host.forward(port, session.fleet.store.port) as local:
            # Fabric opens the local port in a thread of its own.
            wait_until(lambda: answers(local), what="the forward", seconds=5, clock=session.clock)
            text.console().print(f"http://127.0.0.1:{local}/ui/")
            log_in = "log in with the token that `fab store-token FILE` writes"
            text.console(stderr=True).print(f"{log_in}; Ctrl-C ends it", style="dim")
            with suppress(KeyboardInterrupt):
                session.wait_for_ever()
