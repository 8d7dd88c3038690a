"""
Change what lets hosts into the store: the key of its gossip, and all certificates with their authority.

When: somebody left who could read them, a host was lost to strangers, or certificates are about to end
(`fab store-status` shows when).

Before: all hosts of the overlay are named with -H, or by the inventory: one that is left out would be
shut out. With a single server, or with `store: tls: true`, engines restart for new certificates, and
containers with them: `--batch 1` does one host after the other.

What it does: makes sure that the store is whole; gives all agents another key, which nothing notices;
gives the fleet another authority and each host another certificate, in rounds, and proves all pairs.
Secrets are shown nowhere and lie in files that only root can read.

Where it stops: the store is not whole: nothing was changed. An agent that does not answer: no key was
changed. Stopped among the certificates: what was changed on hosts that do not pass their health gate is
taken back; `fab deploy-overlay` does what is left of that round, `--from-step certificates` begins
another. Red at the end: the cause is named.

How to undo: nothing to undo; the old ones are forgotten on purpose.
"""

from overweave.cli import book, secrets, store, tasks
from overweave.cli.book import Step
from overweave.cli.executor import FleetContext, cluster_task


@cluster_task(name="rotate-secrets", help=tasks.FLEET | tasks.BATCH | book.FROM_STEP)
def rotate_secrets(
    c: FleetContext, inventory: str | None = None, batch: str = "", yes: bool = False, from_step: str = ""
) -> None:
    """
    Another key for the store's gossip, other certificates, and the proof.

    Example: fab runbook.rotate-secrets --batch 1 -H host1,host2
    """
    book.follow(
        [
            Step("look", "is the store whole?", lambda: store.store_status(c, inventory=inventory)),
            Step("gossip-key", "another key", lambda: secrets.rotate_gossip_key(c, inventory=inventory)),
            Step(
                "certificates",
                "another authority, and other certificates",
                lambda: secrets.rotate_certificates(c, inventory=inventory, batch=batch, yes=yes),
            ),
        ],
        from_step,
    )
