"""What a step says of itself: the words of a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from overweave.command import Secret
from overweave.credentials import Credentials
from overweave.facts.record import Before
from overweave.gossip.events import Left
from overweave.model import Archive
from overweave.steps import (
    AddMember,
    AwaitAgent,
    AwaitLeader,
    ChangeAutolock,
    ChangeRole,
    CheckVersion,
    ConnectContainer,
    CreateNetwork,
    DisconnectEndpoint,
    ForgetAgent,
    ForgetQuorum,
    GrantAccess,
    HoldAddresses,
    InitSwarm,
    InstallUnit,
    JoinGossip,
    JoinSwarm,
    KeyWrite,
    LeaveNetwork,
    LeaveSwarm,
    MendRows,
    MoveStore,
    PassGate,
    ProvideImage,
    PutKeys,
    RecordBefore,
    RecoverQuorum,
    RejoinNetwork,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveMember,
    RemoveNetwork,
    RemoveNode,
    RemovePeer,
    RemoveService,
    RemoveUnit,
    RemoveVolume,
    RemoveVxlan,
    RenewAuthority,
    RenewJoinTokens,
    RenewUnlockKey,
    RestartEngine,
    RestoreKeys,
    RestoreStore,
    RetireServer,
    RewireContainer,
    Row,
    RunContainer,
    RunService,
    Stage,
    StartContainer,
    StartContainers,
    StartService,
    Step,
    StopContainers,
    TakeOverSwarm,
    TellLeft,
    UnlockSwarm,
    UpgradeEngine,
    WriteFile,
    WriteSecret,
    is_version,
    make_plan,
)

NETWORK = {
    "Driver": "overlay",
    "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]},
    "Options": {"b": "2", "a": "1"},
}
LEFT = Left("10.0.0.9", "n" * 64, "e" * 64, "10.1.0.2", "255.255.255.0", "02:42:0a:01:00:02")
STEPS = [
    (RecordBefore("h", "w", Before(frozenset(), frozenset(), False)), None, (), False),
    (WriteFile("h", "w", "/a", "new"), "write /a", (), False),
    (WriteFile("h", "w", "/a", "new", "old"), "change /a", (), False),
    (RemoveFile("h", "w", "/a"), "remove /a", (), False),
    (InstallUnit("h", "w", "u.service", {"/a": "x"}, {}), "install u.service", (), False),
    (InstallUnit("h", "w", "u.service", {"/a": "x"}, {"/a": "y"}), "change u.service", (), False),
    (RemoveUnit("h", "w", "u.service", ("/a",)), "remove u.service", (), False),
    (RestartEngine("h", "w"), "restart the engine", ("engine",), False),
    (
        RestartEngine("h", "w", ("db", "web")),
        "restart the engine, and with it db, web",
        ("engine", "db", "web"),
        False,
    ),
    (
        UpgradeEngine("h", "w", "apt-get install -y docker.io", "20.10.24", ("db", "web")),
        "bring engine 20.10.24 by `apt-get install -y docker.io`, and with the engine stop db, web",
        ("engine", "db", "web"),
        False,
    ),
    (ProvideImage("h", "w", "x:1"), "pull image x:1", (), False),
    (ProvideImage("h", "w", "x:1", Archive(Path("x.tar"))), "upload image x:1", (), False),
    (RunContainer("h", "w", "c", {"Image": "x:1"}), "run container c from x:1", (), False),
    (RunContainer("h", "w", "c", {"Image": "x:1"}, True), "replace container c from x:1", ("c",), False),
    (StartContainer("h", "w", "c"), "start container c", (), False),
    (StartContainers("h", "w", ("c", "d")), "start c, d", (), False),
    (StopContainers("h", "w", ("c", "d")), "stop c, d", ("c", "d"), False),
    (
        RewireContainer("h", "w", "c", ("n",), {"n": {}, "m": {}}),
        "put container c on the other n, m",
        (),
        False,
    ),
    (RunService("h", "w", "u.service", "/a", "x"), "run service u.service", (), False),
    (
        RunService("h", "w", "u.service", "/a", "x", "y", replace=True),
        "restart service u.service",
        ("consul",),
        False,
    ),
    (StartService("h", "w", "u.service"), "start service u.service", (), False),
    (
        RemoveService("h", "w", "u.service", "/a", "/data"),
        "remove service u.service, and its data",
        ("consul",),
        True,
    ),
    (
        MoveStore("h", "w", "service"),
        "stop the store, and copy its data to where a service has them",
        ("consul",),
        False,
    ),
    (AwaitLeader("h", "w"), "wait until the store has elected a leader", (), False),
    (
        AwaitAgent("h", "w", ("a",), votes=True),
        "wait until its server votes, and has all that the leader has",
        (),
        False,
    ),
    (AwaitAgent("h", "w", ("a",)), "wait until its agent is with the servers", (), False),
    (
        RetireServer("h", "w", "1", "n", ("a",)),
        "take its server out of the quorum, and its copy of the store away",
        (),
        False,
    ),
    (
        RemovePeer("h", "w", "1", "", "10.0.0.1:8300"),
        "take the server ? at 10.0.0.1:8300 out of the quorum",
        (),
        False,
    ),
    (AddMember("h", "w", "b", "10.0.0.2"), "let the server on b at 10.0.0.2 join", (), False),
    (
        RemoveMember("h", "w", "1", "", "10.0.0.1:2380"),
        "take the server ? at 10.0.0.1:2380 out of the quorum",
        (),
        False,
    ),
    (ForgetQuorum("h", "w"), "stop its server, and remove its copy of the store", ("consul",), True),
    (
        RecoverQuorum("h", "w", "1", "10.0.0.1:8300"),
        "start its server as the only one that votes (raft/peers.json)",
        ("consul",),
        True,
    ),
    (CheckVersion("h", "w", "x:1", ("1.8.7",)), "ask x:1 for its version", (), False),
    (
        WriteSecret("h", "w", "/a/b", Secret("s3cret")),
        "write /a/b, for root alone",
        (),
        False,
    ),
    (
        WriteSecret("h", "w", "/a/b", Secret("s3cret"), there=True),
        "change /a/b, for root alone",
        (),
        False,
    ),
    (
        GrantAccess("h", "w", Credentials(Secret("g"), Secret("a"), Secret("e"))),
        "let the fleet's agents and engines into the store, and nobody else",
        (),
        False,
    ),
    (
        RestoreStore("h", "w", "of 2026-11-22 with n", b"snapshot", {"a": "10.0.0.1:2376"}),
        "replace all that the store holds by the backup of 2026-11-22 with n",
        (),
        True,
    ),
    (
        RestoreKeys("h", "w", "of 2026-11-22 with n", {"docker/a": b"1"}, {"a": "10.0.0.1:2376"}),
        "replace all that the store holds by the backup of 2026-11-22 with n",
        (),
        True,
    ),
    (JoinGossip("", "w", {"a": "1", "b": "2"}), "make the gossip whole: 2 engines", (), False),
    (
        PassGate("", "w", ("a", "b"), {"a": "1:2376"}, {"a": "1", "b": "2"}, {"a": ("web",)}, prove=True),
        "health gate of a, b: engine active, registered, gossip of 2 whole, containers back, pairs proven",
        (),
        False,
    ),
    (PassGate("", "w", ("a",), {}, {}, {}), "health gate of a: engine active", (), False),
    (InitSwarm("h", "w", "10.0.0.1", 4789), "begin a swarm at 10.0.0.1 (VXLAN on UDP 4789)", (), False),
    (
        InitSwarm("h", "w", "10.0.0.1", 4790, "10.9.0.0/16"),
        "begin a swarm at 10.0.0.1 (VXLAN on UDP 4790, networks from 10.9.0.0/16)",
        (),
        False,
    ),
    (
        JoinSwarm("h", "w", "10.0.0.2", "m", ("10.0.0.1:2377",), True),
        "join the swarm at 10.0.0.2 as a manager",
        (),
        False,
    ),
    (
        JoinSwarm("h", "w", "10.0.0.2", "m", ("10.0.0.1:2377",), False),
        "join the swarm at 10.0.0.2 as a worker",
        (),
        False,
    ),
    (ChangeRole("h", "w", "n" * 25, "web2", True), "make web2 a manager of the swarm", (), False),
    (ChangeRole("h", "w", "n" * 25, "web2", False), "make web2 a worker of the swarm", (), False),
    (LeaveSwarm("h", "w"), "leave the swarm", (), True),
    (RemoveNode("h", "w", "n" * 25, "web2"), "remove the node web2 (nnnnnnnnnnnn) from the swarm", (), True),
    (
        RenewAuthority("h", "w", 3),
        "give the swarm a new authority, and each of its 3 nodes a certificate of that",
        (),
        False,
    ),
    (
        TakeOverSwarm("h", "w", "10.0.0.1"),
        "make its engine the only manager of the swarm (--force-new-cluster)",
        (),
        True,
    ),
    (
        ChangeAutolock("h", "w", True),
        "have managers of the swarm wait for its unlock key when they start",
        (),
        False,
    ),
    (ChangeAutolock("h", "w", False), "let managers of the swarm start without a key", (), False),
    (RenewUnlockKey("h", "w"), "make the unlock key of the swarm anew", (), False),
    (UnlockSwarm("h", "w", "web2"), "unlock its manager with the key that web2 knows", (), False),
    (
        UnlockSwarm("h", "w", key=Secret("SWMKEY-1-x")),
        "unlock its manager with the key that was kept",
        (),
        False,
    ),
    (RenewJoinTokens("h", "w"), "make the join tokens of the swarm anew", (), False),
    (CreateNetwork("h", "w", "n", NETWORK), "create overlay network n (10.0.0.0/24, a=1, b=2)", (), False),
    (RemoveNetwork("h", "w", "n"), "remove network n", (), True),
    (RemoveContainer("h", "w", "c"), "remove container c", ("c",), True),
    (RemoveVolume("h", "w", "v"), "remove volume v", (), True),
    (RemoveImage("h", "w", "x:1"), "remove image x:1", (), False),
    (
        MendRows("h", "w", "n", "1-abc", "vxlan0", (Row("10.0.0.2", "02:42", "10.9.9.1"),)),
        "on network n: write rows of 10.0.0.2 (02:42) at 10.9.9.1",
        (),
        False,
    ),
    (
        MendRows("h", "w", "n", "1-b", "vxlan0", (), ("10.0.0.3", "10.0.0.4"), (("m", "10.9.9.2"),) * 2),
        "on network n: delete rows of 10.0.0.3, 10.0.0.4, m at 10.9.9.2 and 1 more",
        (),
        False,
    ),
    (
        DisconnectEndpoint("h", "w", "e" * 64, "web", "f" * 64, "n"),
        "disconnect web (endpoint eeeeeeeeee) from network n",
        (),
        False,
    ),
    (RemoveVxlan("h", "w", "", "vx0", 256), "remove vxlan device vx0 (VNI 256)", (), False),
    (
        RemoveVxlan("h", "w", "/a/1-b", "vx0", 256, with_namespace=True),
        "remove vxlan device vx0 (VNI 256) in /a/1-b, and that namespace",
        (),
        False,
    ),
    (RemoveVxlan("h", "w", "/a/1-b", "", 0, with_namespace=True), "remove namespace /a/1-b", (), False),
    (
        RejoinNetwork("h", "w", "web", "f" * 64, "n"),
        "join web to network n again, with another address",
        (),
        False,
    ),
    (
        HoldAddresses("h", "w", "k", "10.0.0.0/24", ("10.0.0.2",)),
        "note in the store that 10.0.0.2 of 10.0.0.0/24 can't be given out",
        (),
        False,
    ),
    (PutKeys("h", "w", "write network n", (KeyWrite("k", None, b"1"),)), "write network n", (), False),
    (LeaveNetwork("h", "w", "c", "f" * 64, "n"), "disconnect container c from network n", (), True),
    (ConnectContainer("h", "w", "c", "n"), "connect container c to network n", (), False),
    (
        ConnectContainer("h", "w", "c", "n", ("x", "y"), "10.0.0.2"),
        "connect container c to network n at 10.0.0.2 as x, y",
        (),
        False,
    ),
    (ForgetAgent("h", "w", "a"), "take the agent a out of the store", (), True),
    (ForgetAgent("h", "w", "a", "1"), "take the server a out of the store", (), True),
    (
        TellLeft("h", "w", "10.0.0.1", (LEFT,)),
        "tell the engine that 10.1.0.2 at 10.0.0.9 is gone",
        (),
        False,
    ),
    (
        TellLeft("h", "w", "10.0.0.1", (LEFT, LEFT)),
        "tell the engine that 10.1.0.2, 10.1.0.2 at 10.0.0.9 are gone",
        (),
        False,
    ),
]


@pytest.mark.parametrize(("step", "text", "restarts", "destructive"), STEPS)
def test_a_step_says_what_it_does_restarts_and_destroys(step, text, restarts, destructive):
    assert str(step) == text or text is None
    assert (step.restarts, step.destructive) == (restarts, destructive)


@pytest.mark.parametrize(
    ("told", "wanted", "is_it"),
    [
        ("20.10.24+dfsg1", "20.10.24", True),
        ("20.10.24+dfsg1", "20.10", True),
        ("20.10.24", "20.10.2", False),
        ("20.10.5+dfsg1", "20.10.24", False),
        ("20.10.24", "20x10", False),
    ],
)
def test_the_end_of_a_version_may_be_left_out_and_no_digit(told, wanted, is_it):
    assert is_version(told, wanted) is is_it


def test_no_step_is_left_out_here():
    assert {type(step) for step, *_ in STEPS} == set(Step.__args__)


def test_a_plan_without_steps_is_no_plan():
    assert not make_plan(Stage("a", ()), Stage("b", ()))
    planned = make_plan(Stage("a", ()), Stage("b", (AwaitLeader("h", "w"),)))
    assert [stage.title for stage in planned.stages] == ["b"]
    assert planned.steps == (AwaitLeader("h", "w"),)


def test_a_secret_is_in_no_text_of_a_plan_that_writes_it():
    planned = make_plan(
        Stage(
            "a",
            (
                WriteSecret("h", "w", "/a/b", Secret("s3cret")),
                GrantAccess(
                    "h", "w", Credentials(*map(Secret, ("s3cret1", "s3cret2", "s3cret3", "s3cret4")))
                ),
            ),
        )
    )
    assert "s3cret" not in f"{planned!r} {planned} {[str(step) for step in planned.steps]}"
