"""
Containers on two hosts can't talk to each other: find the hop, mend it, and prove it.

When: a container does not reach another one by its name or address, and both run.

Before: find their names on their hosts (`docker ps`); HOST:NAME where a name is there twice.

What it does: follows a packet between the two, hop by hop, and marks the first broken one with its
remedy; mends what can be explained, the least intrusive first, and asks before anything restarts; proves
all pairs of hosts, on the overlay and, where that is red, on the wire below it; follows the packet again.

Where it stops: red proof: the cause is named, most often a firewall or a cloud's rule that drops UDP 4789
or 7946 between two hosts (`fab preflight` names the rule). The packet still does not arrive: the marked
hop says whose it is, the container's own address, route or firewall. Mend that by hand, and run the same
command again. docs/diagnosis.md explains each cause.

How to undo: nothing to undo: what is mended was wrong at every look. `fab audit` shows what was done.
"""

import contextlib

from invoke.exceptions import Exit

from overweave.cli import book, tasks
from overweave.cli.book import Step
from overweave.cli.doctor import repair
from overweave.cli.executor import FleetContext, cluster_task
from overweave.cli.trace import trace


@cluster_task(
    name="cannot-talk",
    help=tasks.FLEET
    | book.FROM_STEP
    | {
        "source": "a container: its name, the beginning of its id, or HOST:NAME",
        "target": "the one that it does not reach, named likewise",
    },
    positional=["source", "target"],
)
def cannot_talk(
    c: FleetContext,
    source: str,
    target: str,
    inventory: str | None = None,
    yes: bool = False,
    from_step: str = "",
) -> None:
    """
    Trace, mend, prove and trace again: cannot-talk SOURCE TARGET.

    Example: fab runbook.cannot-talk web db
    """

    def look() -> None:
        # A broken way is what this is about.
        with contextlib.suppress(Exit):
            trace(c, source, target, inventory=inventory)

    def mend() -> None:
        # What is left is told, and the proof behind it says whether that matters here, and why.
        with contextlib.suppress(Exit):
            repair(c, inventory=inventory, yes=yes)

    book.follow(
        [
            Step("look", f"the way from {source} to {target}", look),
            Step("repair", "mend what can be explained", mend),
            Step("prove", "prove all pairs of hosts", lambda: book.prove(c, inventory)),
            Step(
                "trace",
                f"does {source} reach {target}?",
                lambda: trace(c, source, target, inventory=inventory),
            ),
        ],
        from_step,
    )
