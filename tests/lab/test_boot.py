"""After reboots and losses of power everything comes back by itself: nobody runs a command."""

from __future__ import annotations

import re
import time

import pytest
from tests.lab import drill
from tests.lab.bed import GREEN

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

UNIT = "overweave-boot"


@pytest.fixture(scope="module")
def _populated(bed):
    """Users' containers on a proven overlay, on every host."""
    bed.make_deployed()
    drill.populate(bed)
    yield bed
    drill.clear(bed)
    # What the engines remember of these tests would mislead those that come behind.
    bed.make_clean()


@pytest.fixture
def populated(_populated):
    yield _populated
    _populated.mend()


@pytest.mark.long
def test_a_host_with_nothing_but_its_anchor_loses_power_while_its_store_lives(deployed):
    """Its engine restores the anchor's place in the overlay without a namespace, and is stuck with that."""
    host = deployed.hosts[-1]
    faults.power_off(host)
    faults.power_on(host)
    deployed.prove(GREEN, 45)
    assert "it is restarted, once" in drill.journal(deployed, host.name)


def test_the_stores_host_alone_and_then_all_at_once(populated):
    drill.one_by_one(populated, populated.hosts[:1])
    drill.all_at_once(populated)
    ran = populated.fab("runbook.full-power-loss").ok()
    assert GREEN in ran.out
    assert "\nhealthy: " in ran.out


@pytest.mark.long
def test_a_loss_of_power_with_the_store_last(populated):
    drill.power_loss(populated, ahead=5)
    assert GREEN in drill.proven(populated).out
    for host in populated.hosts:
        wait_for(
            lambda name=host.name: "all there" in drill.journal(populated, name), 30, "the end of the unit"
        )


def test_behind_an_engine_that_was_killed_all_containers_come_back(populated):
    """Docker alone leaves those that are to run unless stopped: it takes its own stop for somebody's."""
    drill.whole_within(populated, time.monotonic())
    since = time.monotonic()
    populated.do("host2", "kill -9 $(systemctl show -p MainPID --value docker)")
    # It stops all that was alive before it answers.
    drill.whole_within(populated, since, 120)
    said = "started app-host2-unless-stopped: Docker did not, and nobody had stopped it"
    assert said in drill.journal(populated, "host2")


def test_a_row_that_the_engine_has_made_only_half_of_is_whole_behind_the_unit(populated):
    """As where it has heard of a container from one that was late in the gossip."""
    drill.whole_within(populated, time.monotonic())
    network, mac = populated.do(
        "host1",
        "docker inspect --format '{{range .NetworkSettings.Networks}}{{.NetworkID}} {{.MacAddress}}{{end}}' "
        "app-host1-always",
    ).split()
    rows = f"nsenter --net=$(ls -t /var/run/docker/netns/*-{network[:10]} | head -n 1) bridge fdb"
    vtep = populated.lab.host("host1").address
    populated.do("host2", f"{rows} del {mac} dev vxlan0 dst {vtep} self; systemctl restart {UNIT}")
    row = f"{mac} dev vxlan0 dst {vtep} "
    wait_for(lambda: "wrote the forwarding row" in drill.journal(populated, "host2"), 30, "the row")
    (there,) = [line for line in populated.do("host2", f"{rows} show").splitlines() if line.startswith(row)]
    assert "permanent" in there


def given_up(bed, name):
    """Let Docker's one try to start a container of host2 again fail, as at a boot, and the unit find it."""
    die = f"systemctl stop {UNIT}; kill -9 $(docker inspect --format '{{{{.State.Pid}}}}' {name})"
    # An engine whose store was away a moment ago may hold a container for a minute (seen once in five runs).
    done = bed.lab.host("host2").run(("sh", "-ec", die), timeout=150)
    assert done.ok, done.output
    error = f"docker inspect --format '{{{{.State.Status}}}} {{{{.State.Error}}}}' {name}"
    wait_for(lambda: re.match("exited .", bed.do("host2", error)), 30, "Docker giving it up")
    bed.do("host2", f"systemctl start {UNIT}")


def test_a_container_that_docker_has_given_up_is_started_and_one_that_somebody_stopped_is_not(populated):
    """One that dies while the store is away: its start fails once, as at a boot, and Docker lets it be."""
    drill.whole_within(populated, time.monotonic())
    name = "app-host2-always"
    populated.do("host1", "docker stop -t 0 consul")
    populated.undo.append(lambda: populated.do("host1", "docker start consul"))
    given_up(populated, name)
    since = time.monotonic()
    populated.mend()
    drill.whole_within(populated, since)
    said = drill.journal(populated, "host2")
    assert f"started {name}: Docker had given it up: " in said, said
    assert "halted" not in said


def test_a_name_that_an_earlier_start_has_left_in_the_store_is_freed(populated):
    drill.whole_within(populated, time.monotonic())
    name = "app-host2-always"
    populated.leave_endpoint(name)
    given_up(populated, name)
    drill.whole_within(populated, time.monotonic())
    said = drill.journal(populated, "host2")
    assert f"freed the name {name} on overweave: " in said, said
    assert f"started {name}: Docker had given it up: endpoint with name {name} already exists" in said, said
