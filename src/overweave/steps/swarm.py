"""A swarm: its nodes, its keys, its lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from overweave.command import Secret

from .base import HostStep


@dataclass(frozen=True)
class InitSwarm(HostStep):
    """``address`` is what others reach the manager and its containers at, ``port`` that of VXLAN (UDP)."""

    address: str
    port: int
    pool: str = ""

    def __str__(self) -> str:
        pool = f", networks from {self.pool}" if self.pool else ""
        return f"begin a swarm at {self.address} (VXLAN on UDP {self.port}{pool})"


@dataclass(frozen=True)
class JoinSwarm(HostStep):
    """``via`` is the host of a manager, which tells its join token only when this is done; ``remotes`` are
    managers' addresses with their port."""

    address: str
    via: str
    remotes: tuple[str, ...]
    manager: bool

    def __str__(self) -> str:
        return f"join the swarm at {self.address} as a {'manager' if self.manager else 'worker'}"


@dataclass(frozen=True)
class ChangeRole(HostStep):
    """``host`` is that of a manager, which makes a manager or a worker of ``node``, the id of another's."""

    node: str
    name: str
    manager: bool

    def __str__(self) -> str:
        return f"make {self.name} a {'manager' if self.manager else 'worker'} of the swarm"


@dataclass(frozen=True)
class LeaveSwarm(HostStep):
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "leave the swarm"


@dataclass(frozen=True)
class RemoveNode(HostStep):
    """``host`` is that of a manager."""

    node: str
    name: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"remove the node {self.name} ({self.node[:12]}) from the swarm"


@dataclass(frozen=True)
class TakeOverSwarm(HostStep):
    """``host`` is that of a manager whose swarm has no leader; ``address`` is what it has there."""

    address: str
    destructive: ClassVar[bool] = True

    def __str__(self) -> str:
        return "make its engine the only manager of the swarm (--force-new-cluster)"


@dataclass(frozen=True)
class RenewAuthority(HostStep):
    """``host`` is that of a manager of a swarm of so many ``nodes``."""

    nodes: int

    def __str__(self) -> str:
        return f"give the swarm a new authority, and each of its {self.nodes} nodes a certificate of that"


@dataclass(frozen=True)
class RenewJoinTokens(HostStep):
    """``host`` is that of a manager."""

    def __str__(self) -> str:
        return "make the join tokens of the swarm anew"


@dataclass(frozen=True)
class ChangeAutolock(HostStep):
    """``host`` is that of a manager. ``on``: the managers of its swarm wait for a key when they start."""

    on: bool

    def __str__(self) -> str:
        if self.on:
            return "have managers of the swarm wait for its unlock key when they start"
        return "let managers of the swarm start without a key"


@dataclass(frozen=True)
class RenewUnlockKey(HostStep):
    """``host`` is that of a manager."""

    def __str__(self) -> str:
        return "make the unlock key of the swarm anew"


@dataclass(frozen=True)
class UnlockSwarm(HostStep):
    """Open a manager that is locked: with a ``key`` that was kept, or with the one that the manager on the
    host ``via`` tells only when this is done."""

    via: str = ""
    key: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"unlock its manager with the key {f'that {self.via} knows' if self.via else 'that was kept'}"


SwarmStep = (
    InitSwarm
    | JoinSwarm
    | ChangeRole
    | LeaveSwarm
    | RemoveNode
    | TakeOverSwarm
    | RenewAuthority
    | RenewJoinTokens
    | ChangeAutolock
    | RenewUnlockKey
    | UnlockSwarm
)
