"""A store that runs beside the engines, as a service: moved there, used, and moved back."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.lab.bed import GREEN, NOTHING_TO_DO, load

from overweave.lab import faults
from overweave.lab.waiting import wait_for
from overweave.stores.consul import DATA

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
UNIT = "overweave-consul"
BEFORE = f"systemctl show -p ActiveEnterTimestampMonotonic --value {UNIT} docker"
IMAGE = "consul:1.8.7"


@pytest.fixture(scope="module")
def moved(bed):
    """A proven overlay with an app of a user on each host; its store was a container, and is a service."""
    bed.make_deployed()
    as_it_was = bed.wanted()
    image = as_it_was["images"]["probe"]
    run = f"docker run -d --restart always --stop-signal KILL --network overweave {image} sleep 9999"
    for host in bed.hosts:
        bed.do(host.name, run.replace("-d", f"-d --name app-{host.name}", 1))
    bed.before = (bed.living(*HOSTS), network(bed), agent(bed))
    run_as(bed, "service")
    bed.moving = bed.deploy()
    yield bed
    for host in bed.hosts:
        bed.do(host.name, f"docker rm -f app-{host.name}")
    bed.fab("destroy-overlay", "--yes")
    bed.write(bed.inventory.name, as_it_was)
    bed.deployed = None


def run_as(bed, form):
    wanted = bed.wanted()
    store = {key: value for key, value in wanted["store"].items() if key not in ("image", "run_as")}
    more = {"run_as": "service"} if form == "service" else {"image": IMAGE}
    bed.write(bed.inventory.name, wanted | {"store": store | more})


def network(bed):
    return bed.do("host1", "docker network inspect -f '{{.Id}}' overweave")


def agent(bed):
    """The id of the store's server, which is among its data."""
    folders = ("/var/lib/overweave/consul", "/var/lib/docker/volumes/overweave-consul/_data")
    return bed.do("host1", " || ".join(f"cat {folder}/node-id 2> /dev/null" for folder in folders))


def pid(bed):
    return bed.do("host1", f"systemctl show -p MainPID --value {UNIT}").strip()


def healthy(bed):
    return bed.fab("store-status").status == 0


def test_a_container_becomes_a_service_with_all_that_it_has_and_no_engine_restarts(moved):
    assert GREEN in moved.moving.ok().out
    assert (moved.living(*HOSTS), network(moved), agent(moved)) == moved.before
    assert moved.deploy().ok().out == NOTHING_TO_DO
    with closing(moved.at("host1")) as engine:
        assert not [n for c in engine.containers(all=True) for n in c["Names"] if "consul" in n]
        assert not engine.volumes()["Volumes"]
    moved.fab("status", "--json", str(moved.folder / "status.json")).ok()
    its = [host["store"] for host in load(moved.folder / "status.json")["hosts"]]
    assert its == [f"{UNIT}.service up", "-", "-"]


def test_the_process_has_no_capabilities_and_can_write_nowhere_but_into_its_data(moved):
    number = pid(moved)
    caps = moved.do("host1", f"grep -E '^Cap(Prm|Eff|Bnd|Amb)|^NoNewPrivs' /proc/{number}/status")
    assert set(caps.split()[1::2]) == {"0" * 16, "1"}
    folders = f"/ /etc /etc/overweave /var/lib /root {DATA}"
    script = f"for d in {folders}; do test -w $d && echo $d; done; true"
    assert moved.do("host1", f"nsenter -t {number} -m sh -c '{script}'").split() == [DATA]
    assert moved.do("host1", f"stat -c '%a %U' {DATA}") == "700 root\n"


def test_an_engine_restarts_and_the_store_runs_on(moved):
    before = pid(moved)
    moved.do("host1", "systemctl restart docker")
    assert pid(moved) == before
    assert healthy(moved)


def test_a_program_that_was_upgraded_is_started_anew(moved):
    before = pid(moved)
    moved.do("host1", "cp -p /usr/bin/consul /usr/bin/consul.new && mv /usr/bin/consul.new /usr/bin/consul")
    ran = moved.deploy().ok()
    assert "host1     restart service overweave-consul.service: its program was replaced since" in ran.err
    assert pid(moved) not in (before, "0")
    assert moved.deploy().ok().out == NOTHING_TO_DO


def test_settings_that_consul_does_not_take_stop_nothing_and_are_taken_back(moved):
    before = (pid(moved), moved.do("host1", "cat /etc/overweave/consul.json"))
    wanted = moved.wanted()
    bad = wanted["store"] | {"options": {"no_such_key": True}}
    failed = moved.deploy(inventory=moved.write("bad.yml", wanted | {"store": bad}))
    assert failed.status == 5, failed
    assert "host1: the store does not start:\n" in failed.said
    assert "no_such_key" in failed.said
    assert "taken back: host1: as it was before" in failed.said
    assert (pid(moved), moved.do("host1", "cat /etc/overweave/consul.json")) == before


def test_it_backs_itself_up_and_its_host_boots_with_the_store_before_the_engine(moved):
    moved.do("host1", "systemctl start overweave-backup.service")
    assert "\nhost1:" in moved.fab("store-backups").ok().out
    assert moved.do("host1", "ls -A /var/backups/overweave | grep -v '[.]snap$' || true") == ""
    host = moved.lab.host("host1")
    faults.power_off(host, hard=False)
    faults.power_on(host)
    store, engine = map(int, moved.do("host1", BEFORE).split())
    assert 0 < store < engine
    wait_for(lambda: healthy(moved), 60, "the store to be whole")
    wait_for(lambda: moved.fab("status").status == 0, 60, "the engines to see each other")


def test_a_service_becomes_a_container_again(moved):
    before = (network(moved), agent(moved))
    run_as(moved, "container")
    assert GREEN in moved.deploy().ok().out
    assert (network(moved), agent(moved)) == before
    assert moved.deploy().ok().out == NOTHING_TO_DO
    left = "ls /etc/systemd/system /var/lib/overweave | grep consul || true"
    assert moved.do("host1", left) == ""
