"""The store is shown as it is; backup, loss of all its data and restore leave a user's containers alone."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.lab.bed import CURL, GREEN, NET, NOTHING_TO_DO, differences, directed, load
from tests.lab.test_doctor import HOSTS, alive, remove_all, start_all

from overweave.adapters import backup_file
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


@pytest.fixture
def users(deployed):
    """The overlay with an app of a user on each host."""
    start_all(deployed, "10.211.90")
    yield deployed
    remove_all(deployed)


def networks(bed):
    """Ids of the overlay networks by name, which all hosts must know alike."""
    found = set()
    for name in HOSTS:
        with closing(bed.at(name)) as engine:
            listed = engine.networks()
        found.add(frozenset((n["Name"], n["Id"]) for n in listed if n["Driver"] == "overlay"))
    (one,) = found
    return dict(one)


def told(bed, *words):
    file = bed.folder / "store.json"
    file.unlink(missing_ok=True)
    ran = bed.fab(*words, "--json", str(file))
    return ran, load(file) if file.exists() else {}


def test_a_whole_store_is_shown_and_one_that_is_stopped_is_red(deployed):
    ran, state = told(deployed, "store-status")
    assert ran.status == 0, ran
    assert (state["kind"], state["healthy"], state["problems"]) == ("store-status", True, [])
    (server,) = state["servers"]
    assert (server["name"], server["leader"], server["voter"], server["raft"]["state"]) == (
        "host1",
        True,
        True,
        "Leader",
    )
    assert [(e["host"], e["ttl"]) for e in state["engines"]] == [(name, "10s") for name in HOSTS]
    assert all(engine["session"] for engine in state["engines"])
    (network,) = state["networks"]
    assert (network["name"], network["vnis"], network["subnets"], network["endpoints"]) == (
        "overweave",
        [deployed.vni()],
        ["10.211.0.0/16"],
        3,
    )
    deployed.undo.append(lambda: deployed.do("host1", "docker start consul"))
    deployed.do("host1", "docker stop consul")
    ran, state = told(deployed, "store-status")
    assert (ran.status, state["problems"]) == (1, ["no store runs on any of these hosts"])
    refused = deployed.fab("store-backup", str(deployed.folder / "none.tar"))
    assert (refused.status, refused.said) == (
        4,
        "overweave: host1: no store answers here that has a leader: there is nothing to back up\n"
        "  -> `fab store-status` shows what is wrong with it",
    )
    assert not (deployed.folder / "none.tar").exists()


def test_what_would_be_lost_is_refused_or_forced_and_the_store_as_it_was_is_kept(users):
    file = str(users.folder / "one.tar")
    ran = users.fab("runbook.back-up-store", file)
    assert ran.status == 0, ran
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    backup = backup_file.read(Path(file)).about
    assert [(n.name, n.vnis, n.endpoints) for n in backup.networks] == [("overweave", (users.vni(),), 6)]
    there = users.fab("store-backup", file)
    assert (there.status, there.said) == (
        2,
        f"overweave: {file} is there already\n  -> name another file, or add --force to replace that backup",
    )
    users.do("host1", "docker network create -d overlay --subnet 10.212.0.0/16 front")
    users.undo.append(lambda: users.do("host1", "docker network rm front 2> /dev/null || true"))
    front = networks(users)["front"][:12]
    before = (users.living(*HOSTS), networks(users))
    its = backup_file.read(Path(file))
    (network,) = its.about.networks
    another = replace(its.about, networks=(replace(network, id="f" * 64, vnis=(300,)),))
    strange = users.folder / "strange.tar"
    backup_file.write(strange, replace(its, about=another))
    refused = users.fab("store-restore", str(strange), "--force", "--yes")
    assert refused.status == 4, refused
    assert refused.said.startswith(f"overweave: network overweave (id {network.id[:12]}) is in use by ")
    assert "and 1 more, and the backup does not know it: nobody could join or leave it" in refused.said
    unforced = users.fab("store-restore", file, "--dry-run")
    assert (unforced.status, unforced.said) == (
        4,
        f"overweave: the backup does not know network front (id {front}, 10.212.0.0/16), which nothing runs "
        "on: it would be gone, and containers that are stopped on it could not start\n"
        "  -> take a newer backup, or add --force to let it go",
    )
    assert (users.living(*HOSTS), networks(users)) == before
    unasked = users.fab("store-restore", file, "--force")
    told_date = f"{its.about.made:%Y-%m-%d %H:%M:%S}.{its.about.made.microsecond // 1000:03}Z"
    assert (unasked.status, unasked.said) == (
        2,
        "overweave: All that the store holds is replaced by the backup of "
        f"{told_date} with overweave. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking",
    )
    ran, result = told(users, "store-restore", file, "--force", "--yes")
    assert (ran.status, result["healthy"]) == (0, True), ran
    assert (users.living(*HOSTS), networks(users)) == (before[0], {"overweave": before[1]["overweave"]})
    kept = Path(result["before"])
    assert kept.parent == users.home / ".local/state/overweave/backups"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {n.name for n in backup_file.read(kept).about.networks} == {"front", "overweave"}
    assert alive(users) == directed(*HOSTS)


def test_a_store_whose_data_is_destroyed_comes_back_under_containers_that_notice_nothing(users):
    users.do("host1", "rm -rf /var/backups/overweave; systemctl start overweave-backup")
    image = users.wanted()["images"]["probe"]
    users.do("host2", f"docker run -d --name app-later --network overweave {image} sleep 9999")
    before = (users.living(*HOSTS), networks(users))
    # Its volume goes with all it has held; engines are left with what they remember.
    users.do("host1", "docker rm -f consul && docker volume rm overweave-consul")
    ran = users.fab("runbook.restore-store", "host1:newest", "--yes")
    # Its second step looks whether the store is whole.
    assert ran.status == 0, ran
    assert "in this order: store, restore, gossip\n" in ran.out
    assert "the store as it is: " not in ran.err
    assert (users.living(*HOSTS), networks(users)) == before
    assert alive(users) == directed(*HOSTS)
    # The new server has another id than the one that the backup knows by its name.
    (node,) = json.loads(users.do("host1", f"{CURL} http://127.0.0.1:8500/v1/catalog/nodes"))
    agent = json.loads(users.do("host1", f"{CURL} http://127.0.0.1:8500/v1/agent/self"))
    assert node["ID"] == agent["Config"]["NodeID"]
    assert users.deploy().out == NOTHING_TO_DO
    users.do("host3", "docker exec app-host3 ping -q -c 1 -W 3 app-later")
    taken = {users.do(name, f"docker exec app-{name} ip -4 -o addr show eth0") for name in HOSTS}
    for name in HOSTS:
        users.do(name, f"docker run -d --name app-new-{name} --network overweave {image} sleep 9999")
        taken.add(users.do(name, f"docker exec app-new-{name} ip -4 -o addr show eth0"))
        users.do(name, f"docker exec app-new-{name} ping -q -c 1 -W 3 app-host1")
    assert len(taken) == 6
    users.do("host1", "docker network create -d overlay back && docker network rm back")


def missed(bed):
    """What doctor says of backups."""
    found = told(bed, "doctor")[1]["findings"]
    return [(its["host"], its["seen"]) for its in found if its["check"] == "store.backups"]


def test_a_timer_backs_the_store_up_on_its_host_and_doctor_tells_when_that_fails(deployed):
    timers = "systemctl is-active overweave-backup.timer || true"
    assert [deployed.do(name, timers).strip() for name in HOSTS] == ["active", "inactive", "inactive"]
    folder = "/var/backups/overweave"
    start = "systemctl start overweave-backup"
    # The names tell the second: the same one twice is one backup.
    next_second = "now=$(date +%s); while [ $now = $(date +%s) ]; do :; done"
    deployed.do("host1", f"rm -rf {folder}; {start}; {next_second}; {start}")
    ran, listed = told(deployed, "store-backups")
    assert ran.status == 0, ran
    newest, older = listed["backups"]
    assert (newest["host"], older["host"], newest["consul"]) == ("host1", "host1", "1.8.7")
    assert newest["index"] >= older["index"]
    assert deployed.do("host1", f"stat -c '%a %s' {folder} {folder}/{newest['name']}").split()[::2] == [
        "700",
        "600",
    ]
    said = deployed.do("host1", "journalctl -u overweave-backup -o cat -n 20 --no-pager")
    assert f"saved {folder}/{newest['name']}: {newest['size']} bytes; removed 0 older\n" in said
    assert missed(deployed) == []
    deployed.undo.append(
        lambda: deployed.do("host1", f"rm -rf {folder}; systemctl reset-failed overweave-backup")
    )
    deployed.do("host1", f"rm -rf {folder}; touch {folder}; ! {start}")
    assert missed(deployed) == [("host1", "the last backup of the store failed")]
    said = deployed.do("host1", "journalctl -u overweave-backup -o cat -n 5 --no-pager")
    assert f"no backup: {folder} can't be made\n" in said


def test_a_consul_that_somebody_else_runs_is_used_and_left_as_it_is(clean):
    place = f"{NET}.13:8510"
    api = f"curl -sf http://{place}/v1"
    wanted = {"inventory": clean.write("external.yml", clean.wanted() | {"store": {"external": place}})}
    refused = clean.fab("deploy-overlay", "--yes", **wanted)
    assert refused.status == 4, refused
    assert f"host2: the Consul at {place} can't be reached: no connection to {NET}.13" in refused.said
    agent = f"consul agent -dev -bind {NET}.13 -client {NET}.13 -http-port 8510"
    clean.do("host3", f"systemd-run --quiet --unit theirs {agent}")
    clean.undo.append(lambda: clean.do("host3", "systemctl stop theirs"))
    wait_for(lambda: "8300" in clean.do("host3", f"{api}/status/leader || true"), 30, "their leader")
    clean.do("host3", f"{api}/kv/theirs -X PUT -d 7")
    assert GREEN in clean.fab("deploy-overlay", "--yes", **wanted).ok().out
    for name in HOSTS:
        used = clean.do(name, "docker info --format '{{.ClusterStore}}'; docker ps -a --format '{{.Names}}'")
        assert used.split() == [f"consul://{place}", f"overweave-anchor-overweave-{name}"]
    again = clean.fab("deploy-overlay", "--yes", **wanted).ok()
    assert "restart the engine" not in again.out + again.err
    file = clean.folder / "theirs.json"
    clean.fab("store-status", "--json", str(file), **wanted).ok()
    state = load(file)
    assert [(e["host"], e["ttl"]) for e in state["engines"]] == [(name, "10s") for name in HOSTS]
    assert clean.fab("doctor", **wanted).status == 0
    saved = str(clean.folder / "theirs.tar")
    clean.fab("store-backup", saved, **wanted).ok()
    assert clean.fab("store-restore", saved, "--yes", **wanted).said.startswith(
        f"overweave: the Consul at {place} is somebody else's, and holds more than this overlay\n"
    )
    gone = clean.fab("destroy-overlay", "--yes", **wanted).ok().out
    assert f"what engines have written under docker/ stays in the Consul at {place}: others may use" in gone
    assert differences(clean.pristine, clean.state()) == []
    assert clean.do("host3", f"{api}/kv/theirs?raw") == "7"
    assert clean.do("host3", f"{api}/kv/overweave?keys || true") == ""
