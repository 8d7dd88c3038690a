"""The closed union of steps, and plans of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .containers import (
    RemoveContainer,
    RemoveVolume,
    RewireContainer,
    RunContainer,
    StartContainer,
    StartContainers,
    StopContainers,
)
from .engine import ProvideImage, RemoveImage, RestartEngine, UpgradeEngine
from .gossip import JoinGossip, PassGate, TellLeft
from .host import InstallUnit, RecordBefore, RemoveFile, RemoveUnit, WriteFile, WriteSecret
from .networks import (
    ConnectContainer,
    CreateNetwork,
    DisconnectEndpoint,
    LeaveNetwork,
    MendRows,
    RejoinNetwork,
    RemoveNetwork,
    RemoveVxlan,
)
from .store import (
    AddMember,
    AwaitAgent,
    AwaitLeader,
    CheckVersion,
    ForgetAgent,
    ForgetQuorum,
    GrantAccess,
    HoldAddresses,
    MoveStore,
    PutKeys,
    RecoverQuorum,
    RemoveMember,
    RemovePeer,
    RemoveService,
    RestoreKeys,
    RestoreStore,
    RetireServer,
    RunService,
    StartService,
)
from .swarm import (
    ChangeAutolock,
    ChangeRole,
    InitSwarm,
    JoinSwarm,
    LeaveSwarm,
    RemoveNode,
    RenewAuthority,
    RenewJoinTokens,
    RenewUnlockKey,
    TakeOverSwarm,
    UnlockSwarm,
)

Step = (
    RecordBefore
    | WriteFile
    | WriteSecret
    | RemoveFile
    | InstallUnit
    | RemoveUnit
    | RestartEngine
    | UpgradeEngine
    | ProvideImage
    | RunContainer
    | StartContainer
    | StopContainers
    | RewireContainer
    | StartContainers
    | RunService
    | StartService
    | RemoveService
    | MoveStore
    | AwaitLeader
    | AwaitAgent
    | RetireServer
    | RemovePeer
    | AddMember
    | RemoveMember
    | ForgetQuorum
    | RecoverQuorum
    | CheckVersion
    | GrantAccess
    | RestoreStore
    | RestoreKeys
    | JoinGossip
    | PassGate
    | InitSwarm
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
    | CreateNetwork
    | RemoveNetwork
    | RemoveContainer
    | RemoveVolume
    | RemoveImage
    | MendRows
    | DisconnectEndpoint
    | RemoveVxlan
    | RejoinNetwork
    | HoldAddresses
    | PutKeys
    | LeaveNetwork
    | ConnectContainer
    | ForgetAgent
    | TellLeft
)
"""Closed: a new step is added here and in apply, and mypy finds every place that must know it."""


@dataclass(frozen=True)
class Stage:
    """Steps of one host are done in their order, hosts side by side; the next stage waits for all.

    Steps of a ``guarded`` stage are taken back unless their host passes a `PassGate` behind it.
    """

    title: str
    steps: tuple[Step, ...]
    guarded: bool = False


@dataclass(frozen=True)
class Plan:
    """What would change. Empty stages are not part of a plan, so one without stages changes nothing."""

    stages: tuple[Stage, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.stages)

    @property
    def digest(self) -> str:
        """Tells two plans apart, in an audit log."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for stage in self.stages for step in stage.steps)


def make_plan(*stages: Stage) -> Plan:
    return Plan(tuple(stage for stage in stages if stage.steps))
