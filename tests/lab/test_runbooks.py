"""The runbooks of playbooks/ do on real hosts what their docstrings say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.lab.bed import GREEN

pytestmark = pytest.mark.lab

HOSTS = ("-H", "host1,host2,host3")


def test_deploy_and_verify_proves_twice_and_shows_the_state(clean):
    ran = clean.fab("runbook.deploy-and-verify", *HOSTS)
    assert ran.status == 0
    assert ran.out.count(GREEN) == 2
    assert "gossip: whole\n" in ran.out


DOCKERD = "/usr/sbin/dockerd"
OLD, NEW = "20.10.5+dfsg1", "20.10.6+dfsg1"
UPGRADE = (
    f"LC_ALL=C sed s/{OLD}/{NEW}/g {DOCKERD} > {DOCKERD}.new && chmod 755 {DOCKERD}.new "
    f"&& mv {DOCKERD}.new {DOCKERD}"
)
"""As a package does: another program in the place of the one that runs, with another version in it."""
PUT_BACK = (
    f"mv {DOCKERD}.kept {DOCKERD}; systemctl reset-failed docker docker.socket; systemctl restart docker"
)


def test_an_upgrade_goes_from_engine_to_engine_and_leaves_those_that_have_the_version(deployed):
    """As where a run stopped at host2, whose engine has it by now; the store's host comes last."""

    def on_all(script):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda host: deployed.do(host.name, script), deployed.hosts))

    on_all(f"cp -p {DOCKERD} {DOCKERD}.kept")
    deployed.undo.append(lambda: on_all(PUT_BACK))
    deployed.do("host2", f"{UPGRADE} && systemctl restart docker")
    before = deployed.pids()
    ran = deployed.fab("runbook.engine-upgrade", "--to", "20.10.6", "--by", UPGRADE, *HOSTS, "--yes")
    assert ran.status == 0, ran
    assert ran.out.count(GREEN) == 2
    done = [line.split()[2] for line in ran.err.splitlines() if "bring engine 20.10.6 by `LC_ALL=C" in line]
    assert done == ["host3", "host1"]
    kept = [then == now for then, now in zip(before, deployed.pids(), strict=True)]
    assert kept == [False, True, False]
    assert {deployed.at(host.name).version()["Version"] for host in deployed.hosts} == {NEW}


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
