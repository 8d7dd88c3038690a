"""Ctrl-C, SIGTERM and SIGKILL at any moment: nothing of a proof stays, and the next run makes it whole."""

from __future__ import annotations

import signal

import pytest
from tests.lab.bed import GREEN, NOTHING_TO_DO, changes, differences

from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

MOMENTS = (
    pytest.param("host1     restart the engine", True, id="engine of the store"),
    pytest.param("host1     upload image consul", True, id="image", marks=pytest.mark.long),
    pytest.param("health gate of host1, host2, host3", True, id="gate", marks=pytest.mark.long),
    pytest.param("host1     create overlay network overweave", False, id="network", marks=pytest.mark.long),
    pytest.param("proof: 6 directed pairs", False, id="proof"),
)
"""Each with whether the hosts have not passed their health gate then, so that they are taken back."""
WITH_PROBES = ("validate-overlay", "--new-containers")
TAKEN_BACK = "\n  taken back: host1, host2, host3: as it was before"


def whole_after_the_next_run(bed):
    ran = bed.deploy()
    assert ran.status == 0, ran
    assert GREEN in ran.out
    assert bed.probes() == []
    assert bed.deploy().out == NOTHING_TO_DO


@pytest.mark.parametrize(("line", "unsettled"), MOMENTS)
def test_ctrl_c_is_repaired_by_the_next_run(clean, line, unsettled):
    if "upload" in line:
        clean.make_bare()
    before = clean.state()
    ran = clean.broken_off(line, signal.SIGINT, "deploy-overlay", "--yes")
    assert (ran.status, ran.said) == (130, f"overweave: interrupted{TAKEN_BACK * unsettled}")
    assert clean.probes() == []
    if unsettled:
        assert differences(before, clean.state()) == []
    whole_after_the_next_run(clean)


def test_ctrl_c_of_a_proof_leaves_no_probe(deployed):
    before = deployed.state()
    ran = deployed.broken_off("proof: 6 directed pairs", signal.SIGINT, *WITH_PROBES)
    assert (ran.status, ran.out, ran.said) == (130, "", "overweave: interrupted")
    # What an engine was just doing when it was called off, it ends by itself.
    wait_for(lambda: changes(before, deployed.state()) == [], 20, "the hosts as they were")


def test_sigterm_tidies_up_as_ctrl_c_does(deployed):
    before = deployed.state()
    ran = deployed.broken_off("proof: 6 directed pairs", signal.SIGTERM, *WITH_PROBES)
    assert (ran.status, ran.out, ran.said) == (130, "", "overweave: interrupted")
    # What an engine was just doing when it was called off, it ends by itself.
    wait_for(lambda: changes(before, deployed.state()) == [], 20, "the hosts as they were")


def test_probes_of_a_run_that_was_killed_go_with_the_next(deployed):
    ran = deployed.broken_off("proof: 6 directed pairs", signal.SIGKILL, *WITH_PROBES)
    assert ran.status == -signal.SIGKILL
    left = deployed.probes()
    assert len(left) == 3
    plan = deployed.fab("plan-overlay", "--wait-lock", "60").ok().out
    (first,) = (name for name in left if name.endswith("-host1"))
    assert f"  remove container {first[1:]}\n      because a proof that was broken off left it\n" in plan
    assert "\nhost2, host3\n  the same, with their own names and addresses\n" in plan
    assert "engines that restart: none\n" in plan
    assert deployed.fab("validate-overlay").status == 0
    assert deployed.probes() == []
    assert deployed.deploy().out == NOTHING_TO_DO


def test_a_teardown_that_was_broken_off_is_finished_by_the_next(deployed):
    ran = deployed.broken_off("host1     remove volume", signal.SIGINT, "destroy-overlay", "--yes")
    assert (ran.status, ran.said) == (130, "overweave: interrupted")
    assert "\nthe overlay is gone" not in ran.out
    deployed.fab("destroy-overlay", "--yes").ok()
    now = deployed.state()
    assert {n: s.as_made for n, s in now.items()} == {n: s.as_made for n, s in deployed.pristine.items()}
