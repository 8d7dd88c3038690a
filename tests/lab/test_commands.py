"""The commands around a deployment: plan, status, the way to Consul's page, and the lab's own."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request

import pytest
from tests.lab.bed import DROP_IN, GREEN, LAB, NET, load

from overweave.inventory_sections import schema
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

TASKS = (
    "add-host",
    "apply-networks",
    "audit",
    "backends",
    "bench-overlay",
    "consul-ui",
    "deploy-overlay",
    "destroy-overlay",
    "doctor",
    "init",
    "inventory-schema",
    "migrate",
    "networks",
    "plan-overlay",
    "preflight",
    "prove-services",
    "remove-host",
    "repair",
    "replace-host",
    "rotate-certificates",
    "rotate-gossip-key",
    "rotate-join-tokens",
    "rotate-unlock-key",
    "status",
    "store-add-server",
    "store-backup",
    "store-backups",
    "store-rebuild",
    "store-recover-quorum",
    "store-remove-server",
    "store-replace-server",
    "store-restore",
    "store-status",
    "store-token",
    "store-upgrade",
    "swarm-unlock-key",
    "trace",
    "unlock-swarm",
    "validate-overlay",
)


@pytest.mark.parametrize("program", ["fab", "overweave"])
def test_the_list_of_tasks_reads_like_a_table_of_contents(bed, tmp_path, program):
    elsewhere = {"program": bed.overweave, "cwd": tmp_path} if program == "overweave" else {}
    ran = bed.run("--list", **elsewhere)
    assert ran.status == 0
    names = re.findall(r"^  ([a-z][a-z.-]+)  ", ran.out, re.MULTILINE)
    labs = ["lab.box", "lab.down", "lab.fault", "lab.list", "lab.run", "lab.up"]
    books = [name for name in names if name.startswith("runbook.")]
    assert names == [*TASKS, *labs, *books]
    assert bool(books) == (program == "fab")


def test_every_task_tells_its_options(bed):
    for task in (name for name in TASKS if name != "inventory-schema"):
        ran = bed.run("--help", task).ok()
        assert "--inventory=STRING" in ran.out
        assert re.search(r"Example: fab " + task, ran.out)


def test_editors_get_what_an_inventory_may_say(bed):
    assert json.loads(bed.run("inventory-schema").ok().out) == schema()


def test_a_plan_on_clean_hosts_writes_nothing_and_an_inventory_that_is_made_of_them_plans_the_same(bare):
    before = bare.state()
    ran = bare.fab("plan-overlay").ok()
    assert ran.said == ""
    assert bare.state() == before
    assert "host1\n  note what is there now, so that it can be left that way again\n" in ran.out
    part = ran.out.partition("\nhost2\n")[2].partition("\nhost3\n  the same, with their own names")[0]
    assert f"  write {DROP_IN}\n      because the engine needs the cluster flags\n" in part
    assert "  restart the engine\n" in part
    assert "  upload image busybox:1.30.1\n" in part
    assert "consul:1.8.7" not in part
    assert "all hosts" in ran.out
    # One line of the drop-in is one line, however long.
    assert re.search(
        rf"^ +\+ExecStart=.* --cluster-advertise={re.escape(NET)}\.12:2376 .*/etc/overweave/tls.pem$",
        ran.out,
        re.MULTILINE,
    )
    assert ran.out.endswith(
        "\nengines that restart: host1, host2, host3\n"
        "running containers that restart or stop: none\n"
        "in this order: configuration and store, engines, gate, network, anchors\n"
    )
    path = bare.folder / "made.yml"
    told = bare.fab("init", "--to", str(path)).ok().out
    assert told == f"{path}: 3 hosts; what is in the way: `fab preflight --inventory {path}`\n"
    text = path.read_text()
    assert "auto takes consul here: all engines have a\n" in text
    faces = "what faces the other hosts: eth0, MTU 1500; what ssh reaches"
    assert f"    # advertise: {NET}.11 # {faces}\n" in re.sub(" +#", " #", text).replace("\n #", "\n    #")
    there = bare.fab("init", "--to", str(path))
    assert (there.status, there.said) == (
        2,
        f"overweave: {path} is there already\n"
        "  -> name another file, add --replace, or take - to see what would be written",
    )
    assert bare.fab("init", "--replace", "--dry-run", "--to", str(path)).ok().out == text
    assert bare.fab("plan-overlay", inventory=path).ok().out == ran.out
    assert bare.state() == before


def test_a_plan_names_the_containers_of_users_that_restart(clean):
    clean.undo.append(clean.make_clean)
    run = "docker run -d --stop-signal KILL busybox:1.30.1 sleep 1000"
    clean.do("host2", f"{run.replace('-d', '-d --name web')}; {run.replace('-d', '-d --name db')}")
    clean.do("host2", "docker create --name rests busybox:1.30.1")
    before = clean.state()
    ran = clean.fab("plan-overlay").ok()
    assert "host2\n" in ran.out
    assert "  restart the engine, and with it db, web\n" in ran.out
    assert "\nrunning containers that restart or stop: db on host2, web on host2\n" in ran.out
    file = clean.folder / "plan.json"
    clean.fab("plan-overlay", "--json", str(file)).ok()
    plan = load(file)
    assert (plan["version"], plan["kind"], plan["empty"]) == (1, "plan", False)
    restarts = {s["host"]: s["restarts"] for stage in plan["stages"] for s in stage["steps"] if s["restarts"]}
    assert restarts == {"host1": ["engine"], "host2": ["engine", "db", "web"], "host3": ["engine"]}
    assert clean.state() == before


def test_json_on_stdout_is_nothing_but_json(clean):
    ran = clean.fab("plan-overlay", "--json", "-").ok()
    assert json.loads(ran.out)["kind"] == "plan"
    ran = clean.fab("plan-overlay", "--json", "/nowhere/plan.json")
    assert ran.status == 2
    assert ran.said == (
        "overweave: --json /nowhere/plan.json: No such file or directory\n"
        "  -> name a file that can be written"
    )


def test_the_status_of_clean_hosts(clean):
    before = clean.state()
    file = clean.folder / "status.json"
    ran = clean.fab("status", "--json", str(file)).ok()
    assert [line.rstrip() for line in ran.out.splitlines()] == [
        "host   engine            advertises   registered  sees    store",
        f"host1  20.10.5+dfsg1 up  {NET}.11  NO          0 of 2  -",
        f"host2  20.10.5+dfsg1 up  {NET}.12  NO          0 of 2  -",
        f"host3  20.10.5+dfsg1 up  {NET}.13  NO          0 of 2  -",
        "store: none runs",
        "gossip: none",
        "network: no overlay network",
    ]
    found = load(file)
    assert (found["kind"], found["healthy"], found["islands"], found["networks"]) == ("status", False, [], [])
    assert clean.state() == before


def test_the_status_of_an_overlay(deployed):
    before = deployed.state()
    file = deployed.folder / "status.json"
    ran = deployed.fab("status", "--json", str(file)).ok()
    *lines, network = (line.rstrip() for line in ran.out.splitlines())
    assert lines == [
        "host   engine            advertises   registered  sees    store",
        f"host1  20.10.5+dfsg1 up  {NET}.11  yes         2 of 2  consul:1.8.7 up",
        f"host2  20.10.5+dfsg1 up  {NET}.12  yes         2 of 2  -",
        f"host3  20.10.5+dfsg1 up  {NET}.13  yes         2 of 2  -",
        f"store: Consul on host1, leader {NET}.11:8300, 3 engines registered",
        "gossip: whole",
    ]
    assert re.fullmatch(r"network: overweave 10\.211\.0\.0/16 \(global, id [0-9a-f]{12}\)", network)
    found = load(file)
    assert (found["version"], found["kind"], found["healthy"]) == (1, "status", True)
    assert found["islands"] == [["host1", "host2", "host3"]]
    assert found["hosts"][1] == {
        "name": "host2",
        "engine": "20.10.5+dfsg1 up",
        "advertise": f"{NET}.12",
        "registered": True,
        "sees": 2,
        "store": "-",
    }
    ran = deployed.fab("backends").ok()
    assert [line.rstrip() for line in ran.out.splitlines()] == [
        "host   engine         consul  etcd  swarm  uses",
        "host1  20.10.5+dfsg1  yes     yes   yes    consul",
        "host2  20.10.5+dfsg1  yes     yes   yes    consul",
        "host3  20.10.5+dfsg1  yes     yes   yes    consul",
        "auto: consul, for host1 uses a cluster store already",
    ]
    assert deployed.state() == before


def test_the_way_to_consuls_page(deployed):
    process = deployed.start("consul-ui", inventory=deployed.inventory)
    try:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ui/", url)
        with urllib.request.urlopen(url, timeout=10) as page:
            assert page.status == 200
            assert b"<title>Consul" in page.read()
        token = deployed.folder / "consul.token"
        assert deployed.fab("store-token", str(token)).ok().out == (
            f"{token}: the token that opens all of the store, readable by its owner alone\n"
        )
        assert token.stat().st_mode & 0o777 == 0o600
        again = deployed.fab("store-token", str(token))
        assert (again.status, again.said) == (
            2,
            f"overweave: {token} is there already\n  -> name another file",
        )
        nodes = urllib.request.Request(
            url.replace("/ui/", "/v1/kv/docker/nodes/?keys"),
            headers={"X-Consul-Token": token.read_text().strip()},
        )
        with urllib.request.urlopen(nodes, timeout=10) as answer:
            assert len(json.load(answer)) == 3
        taken = deployed.fab("consul-ui", "--port", url.split(":")[2].partition("/")[0])
        assert taken.status == 2
        assert "Address already in use\n  -> choose another with --port, or none" in taken.said
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (0, "")
    assert err.endswith("Ctrl-C ends it\n")
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_hosts_without_a_token_have_none_to_write(clean):
    ran = clean.fab("store-token", str(clean.folder / "none.token"))
    assert (ran.status, ran.said) == (
        4,
        "overweave: no host here has the store's management token\n"
        "  -> `fab deploy-overlay` makes one; it is on the hosts with a server",
    )


def test_no_way_to_a_consul_that_is_not_there(clean):
    ran = clean.fab("consul-ui", "-H", "host2")
    assert (ran.status, ran.said, ran.out) == (
        4,
        "overweave: host2: no Consul answers here\n  -> `fab status` shows where the store is",
        "",
    )


def test_the_lab_lists_its_hosts_and_runs_commands_on_them(bed):
    assert re.search(
        rf"^{LAB} +host2 +20\.10-consul +{re.escape(NET)}\.12 +on *$",
        bed.run("lab.list").ok().out,
        re.MULTILINE,
    )
    ran = bed.run("lab.run", "host2", "--name", LAB, "--", "hostname; echo oops >&2; exit 7")
    assert (ran.status, ran.out, ran.err) == (7, "host2\n", "oops\n")
    ran = bed.run("lab.run", "host2", "--name", LAB)
    assert (ran.status, ran.err) == (
        2,
        "overweave: no command was given\n  -> write it after two dashes: lab.run host1 -- docker ps\n",
    )
    ran = bed.run("lab.run", "host9", "--name", LAB, "--", "true")
    assert (ran.status, ran.err) == (
        2,
        f"overweave: lab '{LAB}' has no host 'host9'\n  -> it has host1 to host3\n",
    )
    ran = bed.run("lab.run", "host1", "--name", "nolab", "--", "true")
    assert ran.status == 2
    assert re.fullmatch(
        rf"overweave: there is no lab 'nolab'\n  -> there is .*\b{LAB}\b.*: choose with --name\n", ran.err
    )


def test_the_lab_breaks_hosts_and_mends_them(bed):
    def fault(*words):
        return bed.run("lab.fault", "host3", "--name", LAB, *words)

    bed.undo.append(lambda: fault("--clear"))
    try:
        ran = fault("--drop", "udp/4789", "--peer", f"{NET}.11", "--mtu", "1400")
        assert (ran.status, ran.out) == (
            0,
            f"host3: udp/4789 dropped from and to {NET}.11, MTU 1400\n"
            f"undo: fab lab.fault host3 --clear --name {LAB}\n",
        )
        assert f"-s {NET}.11/32 -p udp -m udp --dport 4789 -j DROP" in bed.do("host3", "iptables -S")
        assert "mtu 1400" in bed.do("host3", "ip link show eth0")
        assert fault("--clear").out == "host3: cleared\n"
        assert "4789" not in bed.do("host3", "iptables -S")
        assert "mtu 1500" in bed.do("host3", "ip link show eth0")
        ran = fault()
        assert (ran.status, ran.err) == (
            2,
            "overweave: no fault was named\n  -> `fab --help lab.fault` lists them\n",
        )
        ran = fault("--drop", "4789")
        assert (ran.status, ran.err) == (
            2,
            "overweave: '4789' is not a port\n  -> write it as udp/4789 or tcp/7946\n",
        )
        ran = fault("--cut", "10.98.1")
        assert (ran.status, ran.err) == (
            2,
            "overweave: '10.98.1' is neither an address nor a host of the lab\n"
            "  -> `fab lab.list` shows both\n",
        )
        told = fault("--cut", f"host1,{NET}.12").out
        assert told.startswith(f"host3: cut off from {NET}.11, {NET}.12\nundo: ")
        assert bed.do("host3", "iptables -S OVERWEAVE-FAULTS").count("-j DROP\n") == 4
        assert fault("--clear").out == "host3: cleared\n"
        before = bed.pids()[2]
        assert fault("--kill-engine").out == "host3: engine killed\n"
        wait_for(lambda: bed.pids()[2] not in (before, 0), 20, "another engine")
    finally:
        bed.mend()


def test_images_of_plain_archives_go_up_only_where_they_are_missing(bare, tmp_path):
    """A root file system as a tar has no metadata: the inventory gives what runs in it."""
    archives = bare.wanted()["images"]["archives"]
    with open(archives["busybox:1.30.1"], "rb") as file:
        assert bare.hosts[1].run(("docker", "load"), stdin=file.read()).ok
    bare.undo.append(bare.make_clean)
    plain = tmp_path / "plain.tar"
    bare.do("host2", "docker create --name it busybox:1.30.1 && docker export -o /root/plain.tar it")
    bare.do("host2", "docker import /root/plain.tar plain:1 && docker rm it")
    plain.write_bytes((bare.hosts[1].etc.parent / "root/plain.tar").read_bytes())
    bare.do("host2", "rm /root/plain.tar")
    inventory = bare.wanted()
    inventory["images"]["probe"] = "plain:1"
    inventory["images"]["archives"]["plain:1"] = {
        "path": str(plain),
        "entrypoint": ["sleep"],
        "command": ["1000"],
    }
    path = bare.write("i.yml", inventory)
    before = bare.state()["host2"].as_made["images"]
    ran = bare.deploy(inventory=path)
    assert ran.status == 0, ran
    assert GREEN in ran.out
    uploads = sorted(
        line.split("s  ", 1)[1] for line in ran.err.splitlines() if "upload" in line and "%" not in line
    )
    assert uploads == [
        "host1     upload image consul:1.8.7",
        "host1     upload image plain:1",
        "host3     upload image plain:1",
    ]
    shown = bare.do(
        "host3", "docker image inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}}' plain:1"
    )
    assert shown == '["sleep"] ["1000"]\n'
    assert "overweave-anchor-overweave-host3" in bare.do("host3", "docker ps")
    assert bare.state()["host2"].as_made["images"] == before
    bare.fab("destroy-overlay", "--yes", inventory=path).ok()
    assert bare.state()["host2"].as_made["images"] == before
    assert bare.state()["host3"].as_made["images"] == {}
