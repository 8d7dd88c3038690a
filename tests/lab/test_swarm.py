"""An overlay of the engines' own swarm: the same tasks, the same proof, and nothing left behind."""

from __future__ import annotations

import pytest
from tests.lab.bed import GREEN, NOTHING_TO_DO, changes, differences, load

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab
TOKEN = "SWMTKN"


@pytest.fixture(scope="module")
def swarm(bed):
    bed.make_clean()
    yield bed
    bed.mend()
    bed.make_clean()


def test_it_is_deployed_and_proven_and_no_engine_restarts(swarm):
    before = swarm.pids()
    ran = swarm.deploy("--backend", "swarm").ok()
    assert GREEN in ran.out
    assert "begin a swarm at " in ran.out
    assert "join the swarm at " in ran.out
    assert swarm.pids() == before
    tokens = swarm.do(
        "host1", "docker swarm join-token -q worker; docker swarm join-token -q manager"
    ).split()
    assert all(token.startswith(TOKEN) for token in tokens)
    told = [ran.out, ran.err, *(p.read_text() for p in swarm.home.rglob("*.log"))]
    told += [
        swarm.do(h.name, "grep -rh . /var/lib/overweave /var/log/overweave* || :; journalctl -b")
        for h in swarm.hosts
    ]
    assert not [token for token in tokens for text in told if token in text], "who has it can join"
    state = swarm.state()
    assert swarm.deploy().out == NOTHING_TO_DO, "what is there is found again by itself"
    assert changes(state, swarm.state()) == []


def test_what_looks_at_an_overlay_looks_at_this_one(swarm):
    status = swarm.fab("status").ok().out
    assert "\nswarm, leader host1, 3 of 3 nodes ready\nnetwork: " in status, "no store, and no gossip of one"
    assert "manager leads" in status
    healthy = swarm.fab("doctor")
    assert (healthy.status, "nothing found" in healthy.out) == (0, True), healthy
    refused = swarm.fab("store-status")
    assert (refused.status, refused.said) == (
        4,
        "overweave: these hosts are in a swarm, which has no store\n"
        "  -> `fab status` shows its managers; what they know is on each of them",
    )


def test_the_leader_loses_its_power_and_comes_back(swarm):
    """The others go on; behind it all pairs are proven again without a command."""
    leader = swarm.lab.host("host1")
    faults.power_off(leader)
    swarm.undo.append(lambda: faults.power_on(leader))
    rest = swarm.fab("validate-overlay", "-H", "host2,host3")
    assert "2 of 2 directed pairs green" in rest.out, rest
    swarm.mend()
    wait_for(lambda: GREEN in swarm.fab("validate-overlay").out, 60, "a proof of all pairs")
    report = swarm.folder / "proof.json"
    swarm.fab("validate-overlay", "--json", str(report)).ok()
    assert load(report)["between"] == "containers that stand on the network"


def test_it_is_taken_away_and_leaves_nothing(swarm):
    swarm.fab("destroy-overlay", "--yes").ok()
    assert differences(swarm.pristine, swarm.state()) == []
    assert swarm.fab("destroy-overlay", "--yes").out.startswith("nothing to do")
