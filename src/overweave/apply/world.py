"""What apply works on, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from overweave.audit import Audit, Silent
from overweave.fleet import Cancel
from overweave.model import Store
from overweave.ports import Clock, ClusterStore, EtcdStore, KeyValue, Progress, Writer
from overweave.steps import Step


@dataclass
class World:
    """What apply works on. ``store`` talks to the store through a host that runs it, ``agent`` through the
    host that is named, which must run it, too; without it, ``store`` is the only way. A plan with steps that
    work on Consul itself, or on etcd, comes with a store that is one: `consul`, `etcd`.

    ``lock`` raises where the host's lock is not held any more; ``prove`` proves the pairs of some hosts,
    and raises where they are not green. ``logs``: the command that shows what a host's part of the store has
    said.
    """

    writers: Mapping[str, Writer]
    store: KeyValue
    clock: Clock
    cancel: Cancel
    progress: Progress
    audit: Audit = field(default_factory=Silent)
    lock: Callable[[str], None] = lambda host: None
    prove: Callable[[Sequence[str]], None] = lambda hosts: None
    agent: Callable[[str], KeyValue] | None = None
    logs: str = Store().logs

    def at(self, host: str) -> KeyValue:
        """The store through a host."""
        return self.agent(host) if self.agent else self.store

    def consul(self, host: str = "") -> ClusterStore:
        """A store that is one of Consul, through a host, or through any."""
        return cast(ClusterStore, self.at(host) if host else self.store)

    def etcd(self, host: str) -> EtcdStore:
        """A store that is one in etcd, through a host."""
        return cast(EtcdStore, self.at(host))


@dataclass
class Done:
    """What came of a plan. ``islands`` are those that the gossip had when it was first whole enough to
    be read, where there was more than one: they were healed. ``ran``: the containers of a host that ran when
    its engine was restarted. ``unsettled`` has the hosts whose changes
    may still be taken back, and whether their engine was restarted."""

    steps: list[Step] = field(default_factory=list)
    islands: list[tuple[str, ...]] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    ran: dict[str, frozenset[str]] = field(default_factory=dict)
