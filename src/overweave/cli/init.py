"""`fab init`: the first inventory of a fleet, from what its hosts are."""

from __future__ import annotations

import sys
from pathlib import Path

from overweave.errors import UsageError
from overweave.files import write_atomically
from overweave.report import inventory_text, text
from overweave.session import look

from . import reports, run
from .executor import FleetContext, cluster_task
from .tasks import HOSTS

FILE = "inventory/overweave.yml"


@cluster_task(
    help=HOSTS
    | {
        "to": f"where it is written (default: {FILE}); - for stdout",
        "replace": "also where that is there already",
        "dry-run": "print it, and write nothing",
    },
)
def init(
    c: FleetContext,
    inventory: str | None = None,
    to: str = FILE,
    replace: bool = False,
    dry_run: bool = False,
    accept_new_host_keys: bool = False,
) -> None:
    """
    Write a commented inventory from what the hosts are.

    Looks at engines, addresses and networks, and changes nothing on the hosts. Every line says why: what was
    asked for stands there, what is so by default is commented out with the value that it has on these hosts.
    A plan by that inventory is the plan by what it was made of. No secrets are in it.

    Example: fab init -H host1,host2
    """
    shown = dry_run or to == reports.STDOUT
    path = Path(to)
    if not shown and (path.exists() or path.is_symlink()) and not replace:
        raise UsageError(
            f"{path} is there already",
            hint="name another file, add --replace, or take - to see what would be written",
        )
    with run.session(c, inventory, accept_new_host_keys=accept_new_host_keys) as session:
        wanted = session.fleet
        if wanted.networks is not None:
            raise UsageError(
                "the hosts come from an inventory that lists networks, which this would leave out",
                hint="that one is whole already; or name its hosts by their addresses with -H, without it",
            )
        facts = look(session)
        made = inventory_text.inventory(wanted, session.fleet, facts)
    if shown:
        sys.stdout.write(made)
        return
    try:
        write_atomically(path, made)
    except OSError as e:
        raise UsageError(f"{path}: {e.strerror}", hint="name a file that can be written") from e
    count = len(wanted.hosts)
    text.console().print(
        f"{path}: {count} host{'s' * (count > 1)}; what is in the way: `fab preflight --inventory {path}`"
    )
