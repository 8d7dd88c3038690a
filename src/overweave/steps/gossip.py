"""The gossip of engines, and the gate that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.gossip.events import Left

from .base import HostStep, some


@dataclass(frozen=True)
class JoinGossip(HostStep):
    """Make every engine see every other one: ``addresses`` are the gossip addresses by host."""

    addresses: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"make the gossip whole: {len(self.addresses)} engines"


@dataclass(frozen=True)
class PassGate(HostStep):
    """The health gate: hosts whose engines restarted are in order, or their changes are taken back.

    ``nodes``: what each of ``hosts`` must be in the store as; ``gossip``: addresses of all engines that
    must see each other; ``containers``: those of each host that ran before, and come back if their
    restart policy says so, or if they are to be ``started``; ``prove``: prove the pairs of these hosts, if
    the network is there.
    """

    hosts: tuple[str, ...]
    nodes: Mapping[str, str] = field(repr=False)
    gossip: Mapping[str, str] = field(repr=False)
    containers: Mapping[str, tuple[str, ...]] = field(repr=False)
    prove: bool = False
    started: bool = False

    def __str__(self) -> str:
        parts = ["engine active"]
        if self.nodes:
            parts.append("registered")
        if self.gossip:
            parts.append(f"gossip of {len(self.gossip)} whole")
        if any(self.containers.values()):
            parts.append("containers back")
        if self.prove:
            parts.append("pairs proven")
        return f"health gate of {', '.join(self.hosts)}: {', '.join(parts)}"


@dataclass(frozen=True)
class TellLeft(HostStep):
    """Tell the engine of a host, whose gossip is at ``address``, of containers that are gone, in place of
    their own engine, which is gone too."""

    address: str
    gone: tuple[Left, ...] = field(repr=False)

    def __str__(self) -> str:
        who = some(its.address for its in self.gone)
        return f"tell the engine that {who} at {self.gone[0].vtep} {'are' if self.gone[1:] else 'is'} gone"


GossipStep = JoinGossip | PassGate | TellLeft
