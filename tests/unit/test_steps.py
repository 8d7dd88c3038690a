"""What a step says of itself: the words of a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from overweave.facts.record import Before
from overweave.model import Archive
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    DisconnectEndpoint,
    HoldAddresses,
    JoinGossip,
    MendRows,
    PassGate,
    ProvideImage,
    RecordBefore,
    RejoinNetwork,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RemoveVxlan,
    RestartEngine,
    Row,
    RunContainer,
    Stage,
    StartContainer,
    Step,
    WriteFile,
    make_plan,
)

NETWORK = {
    "Driver": "overlay",
    "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]},
    "Options": {"b": "2", "a": "1"},
}
STEPS = [
    (RecordBefore("h", "w", Before(frozenset(), frozenset(), False)), None, (), False),
    (WriteFile("h", "w", "/a", "new"), "write /a", (), False),
    (WriteFile("h", "w", "/a", "new", "old"), "change /a", (), False),
    (RemoveFile("h", "w", "/a"), "remove /a", (), False),
    (RestartEngine("h", "w"), "restart the engine", ("engine",), False),
    (
        RestartEngine("h", "w", ("db", "web")),
        "restart the engine, and with it db, web",
        ("engine", "db", "web"),
        False,
    ),
    (ProvideImage("h", "w", "x:1"), "pull image x:1", (), False),
    (ProvideImage("h", "w", "x:1", Archive(Path("x.tar"))), "upload image x:1", (), False),
    (RunContainer("h", "w", "c", {"Image": "x:1"}), "run container c from x:1", (), False),
    (RunContainer("h", "w", "c", {"Image": "x:1"}, True), "replace container c from x:1", ("c",), False),
    (StartContainer("h", "w", "c"), "start container c", (), False),
    (AwaitLeader("h", "w"), "wait until the store has elected a leader", (), False),
    (JoinGossip("", "w", {"a": "1", "b": "2"}), "make the gossip whole: 2 engines", (), False),
    (
        PassGate("", "w", ("a", "b"), {"a": "1:2376"}, {"a": "1", "b": "2"}, {"a": ("web",)}, prove=True),
        "health gate of a, b: engine active, registered, gossip of 2 whole, containers back, pairs proven",
        (),
        False,
    ),
    (PassGate("", "w", ("a",), {}, {}, {}), "health gate of a: engine active", (), False),
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
]


@pytest.mark.parametrize(("step", "text", "restarts", "destructive"), STEPS)
def test_a_step_says_what_it_does_restarts_and_destroys(step, text, restarts, destructive):
    assert str(step) == text or text is None
    assert (step.restarts, step.destructive) == (restarts, destructive)


def test_no_step_is_left_out_here():
    assert {type(step) for step, *_ in STEPS} == set(Step.__args__)


def test_a_plan_without_steps_is_no_plan():
    assert not make_plan(Stage("a", ()), Stage("b", ()))
    planned = make_plan(Stage("a", ()), Stage("b", (AwaitLeader("h", "w"),)))
    assert [stage.title for stage in planned.stages] == ["b"]
    assert planned.steps == (AwaitLeader("h", "w"),)
