"""The runbooks of playbooks/ do on real hosts what their docstrings say."""

from __future__ import annotations

import pytest
from tests.lab.bed import GREEN

pytestmark = pytest.mark.lab

HOSTS = ("-H", "host1,host2,host3")


def test_deploy_and_verify_proves_twice_and_shows_the_state(clean):
    ran = clean.fab("runbook.deploy-and-verify", *HOSTS)
    assert ran.status == 0
    assert ran.out.count(GREEN) == 2
    assert "gossip: whole\n" in ran.out


def test_a_rolling_restart_restarts_every_engine_once_the_stores_last_and_proves_after_each(deployed):
    before = deployed.pids()
    ran = deployed.fab("runbook.rolling-engine-restart", *HOSTS, "--yes")
    assert ran.status == 0
    assert ran.out.count(GREEN) == 3
    restarts = [line.split()[2] for line in ran.err.splitlines() if "restart the engine" in line]
    assert restarts == ["host2", "host3", "host1"]
    assert not set(before) & set(deployed.pids())


def test_a_rolling_restart_stops_at_the_first_host_after_which_the_proof_is_red(deployed):
    before = deployed.pids()
    deployed.drop("host2", "udp", 4789, "host1")
    ran = deployed.fab("runbook.rolling-engine-restart", *HOSTS, "--yes")
    assert ran.status == 1
    assert ran.said == "overweave: not green after host2: the other hosts were not touched"
    after = deployed.pids()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_rolling_restart_asks_before_it_touches_anything(deployed):
    before = deployed.pids()
    ran = deployed.fab("runbook.rolling-engine-restart", *HOSTS)
    assert ran.status == 2
    assert ran.err.endswith(
        "overweave: The engine of host2 restarts: restart the engine. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking\n"
    )
    assert deployed.pids() == before
