"""The gate behind a restart: what is not in order is named, and nothing goes on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.contract.fakes import FakeEngine
from tests.unit.test_apply import Hosts, error_of

from overweave.apply.gate import STEADY_SECONDS, pass_gate
from overweave.errors import DeadlineExceeded, OverweaveError, StoreError
from overweave.steps import PassGate
from overweave.stores.consul import NODES


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def gate(*names, nodes=None, gossip=None, containers=None, prove=False):
    return PassGate("", "why", names, nodes or {}, gossip or {}, containers or {}, prove)


def register(hosts, *nodes):
    for node in nodes:
        hosts.store.put(NODES + node, b"")


def test_all_is_in_order(hosts):
    register(hosts, "10.0.0.1:2376", "10.0.0.2:2376")
    hosts.do(gate("a", "b", nodes={"a": "10.0.0.1:2376", "b": "10.0.0.2:2376"}))
    assert hosts.clock.pauses == []


def test_an_engine_that_does_not_answer(hosts):
    hosts["b"].engine.version = lambda: hosts["b"].engine.network("gone")
    assert error_of(lambda: hosts.do(gate("a", "b")), DeadlineExceeded) == (
        "b: the engine does not answer: not within 20 s\n  -> see `journalctl -u docker` on the host"
    )


def test_engines_that_are_not_registered(hosts):
    register(hosts, "10.0.0.1:2376")
    nodes = {name: f"10.0.0.{n}:2376" for n, name in enumerate("abc", 1)}
    assert error_of(lambda: hosts.do(gate(*"abc", nodes=nodes)), DeadlineExceeded) == (
        "not registered in the store after 20 s: the engine of b, c\n"
        "  -> is the store's port open from b, c? `fab preflight` measures it"
    )


def test_a_store_that_is_just_coming_up(hosts):
    register(hosts, "10.0.0.1:2376")
    answers = [StoreError("no answer"), StoreError("no answer")]
    keys = hosts.store.keys

    def later(prefix):
        if answers:
            raise answers.pop()
        return keys(prefix)

    hosts.store.keys = later
    hosts.do(gate("a", nodes={"a": "10.0.0.1:2376"}))
    assert len(hosts.clock.pauses) == 2


POLICIES = {"always": True, "unless-stopped": True, "no": False, "on-failure": False}


@pytest.mark.parametrize(("policy", "missed"), POLICIES.items())
def test_containers_come_back_if_their_policy_says_so(hosts, policy, missed):
    engine = hosts["a"].engine = FakeEngine("a", registry=("x",))
    engine.pull_image("x")
    engine.create_container("web", {"Image": "x", "HostConfig": {"RestartPolicy": {"Name": policy}}})
    step = gate("a", containers={"a": ("web", "removed itself")})
    if not missed:
        hosts.do(step)
        return
    assert error_of(lambda: hosts.do(step), DeadlineExceeded) == (
        "a: containers that ran before the engine restarted don't run: web\n"
        "  -> see `docker logs web` on the host"
    )
    engine.start_container("web")
    hosts.do(step)


def test_what_no_policy_starts_is_started_again_if_that_is_wanted(hosts):
    engine = hosts["a"].engine = FakeEngine("a", registry=("x",))
    engine.pull_image("x")
    engine.create_container("web", {"Image": "x"})
    engine.create_container("job", {"Image": "x"})
    engine.create_container("lost", {"Image": "x", "HostConfig": {"NetworkMode": "gone"}})
    step = replace(gate("a", containers={"a": ("web", "job", "removed itself", "lost")}), started=True)
    pass_gate(step, hosts.world(), {"a": ("web", "removed itself", "lost")})
    assert engine.container("web")["State"]["Running"]
    assert not engine.container("job")["State"]["Running"], "it had ended by itself before"
    said = [text for host, text in hosts.said if host == "a"]
    assert "start container web again: it has no restart policy" in said
    refused = "starting container lost: network gone not found"
    assert f"warning: container lost did not start again: {refused}" in said


def shown(hosts, name, pid, restarts, state="active"):
    text = f"MainPID={pid}\nNRestarts={restarts}\nActiveState={state}\n"
    (hosts[name].root / "shown").write_text(text)


def test_an_engine_that_died_once_must_stay_up_for_a_while(hosts):
    shown(hosts, "a", 8, 1)
    hosts.do(gate("a"))
    assert hosts.clock.now - hosts.clock.started >= STEADY_SECONDS


@pytest.mark.parametrize("state", ["activating", "active"])
def test_an_engine_that_keeps_dying(hosts, state):
    pause = hosts.clock.pause

    def die(seconds):
        pause(seconds)
        shown(hosts, "a", len(hosts.clock.pauses), len(hosts.clock.pauses), state)

    hosts.clock.pause = die
    shown(hosts, "a", 0, 1)
    said = error_of(lambda: hosts.do(gate("a")), DeadlineExceeded)
    assert re.fullmatch(
        r"a: the engine does not stay up; systemd has restarted it \d+ times\n"
        r"  -> see `journalctl -u docker` on the host",
        said,
    )


def test_the_proof_of_its_pairs(hosts):
    asked = []

    def red(names):
        asked.append(names)
        raise OverweaveError("the proof is red for a -> b (tcp)")

    world = hosts.world()
    world.prove = red
    hosts.world = lambda: world
    hosts.do(gate("a"))
    assert error_of(lambda: hosts.do(gate("a", "b", prove=True))) == "the proof is red for a -> b (tcp)"
    assert asked == [("a", "b")]
