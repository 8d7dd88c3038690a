"""The main job: deploy on clean hosts, prove, do nothing the second time, take away, deploy again."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest
from tests.lab.bed import CURL, DROP_IN, GREEN, NET, NOTHING_TO_DO, as_made, directed, load
from tests.lab.pages import walk

from overweave.adapters import backup_file

pytestmark = pytest.mark.lab

ADDRESSES = {"host1": f"{NET}.11", "host2": f"{NET}.12", "host3": f"{NET}.13"}
UNIT = f"""\
[Service]
EnvironmentFile=-/etc/overweave/engine.env
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS \
--cluster-store=consul://{NET}.11:8501 --cluster-advertise={{address}}:2376 \
--cluster-store-opt=discovery.heartbeat=2 --cluster-store-opt=discovery.ttl=20 \
--cluster-store-opt=kv.cacertfile=/etc/overweave/tls.pem \
--cluster-store-opt=kv.certfile=/etc/overweave/tls.pem --cluster-store-opt=kv.keyfile=/etc/overweave/tls.pem
"""


@pytest.fixture(scope="module")
def first(bed):
    """A deployment on clean hosts by the command of the issue, and what it said."""
    bed.make_bare()
    file = bed.folder / "proof.json"
    ran = bed.fab("deploy-overlay", "-H", "host1,host2,host3", "--json", str(file))
    return ran, load(file) if file.exists() else {}


def test_a_deployment_ends_with_a_green_matrix(first):
    ran, _ = first
    assert ran.status == 0
    table, evidence = re.split(r"6 of 6 directed pairs green on overweave in \d+\.\d s ", ran.out)
    cell = r"((ok|SLOW) \d+(\.\d+)? ms|-) *"
    row = rf"host\d +({cell}){{3}}\n"
    plan, _, table = table.partition(
        "\nin this order: configuration and store, engines, gate, network, anchors\n"
    )
    assert plan.startswith("host1\n  note what is there now, so that it can be left that way again\n")
    assert re.fullmatch(rf"from \\ to +host1 +host2 +host3 *\n{row}{row}{row}", table), table
    assert re.fullmatch(
        r"\(dns, icmp, udp, connect, tcp, mtu, vxlan\)(, between .*)?\n"
        r"(cells: .* slow\n)?"
        r"(round trip: median .* ms, worst .* ms \(host\d -> host\d\)\n)?"
        r"through VXLAN: VNI \d+, 3 VTEPs, \d+ packets out and \d+ in while it was checked\n",
        evidence,
    )
    assert re.search(r"^ *\d+\.\d s  proven\n\Z", ran.err, re.MULTILINE)


def test_every_step_is_told_once_for_each_host(first):
    told = [line.split("s  ", 1)[1] for line in first[0].err.splitlines()]
    for number in (1, 2, 3):
        for what in (
            f"write {DROP_IN}",
            "restart the engine: the running engine does not carry the flags",
            "upload image busybox:1.30.1",
            f"run container overweave-anchor-overweave-host{number} from busybox:1.30.1",
        ):
            assert told.count(f"host{number}     {what}") == 1, what
    assert told.count("host1     create overlay network overweave (10.211.0.0/16)") == 1
    assert not [line for line in told if "consul" in line and not line.startswith("host1")]


def test_the_json_is_green_with_evidence_of_vxlan(first):
    _, proof = first
    assert (proof["version"], proof["kind"], proof["network"]) == (1, "proof", "overweave")
    assert (proof["green"], proof["changed"], proof["causes"]) == (True, True, [])
    assert proof["hosts"] == ["host1", "host2", "host3"]
    assert {(p["from"], p["to"]) for p in proof["pairs"]} == directed("host1", "host2", "host3")
    for pair in proof["pairs"]:
        checks = pair["checks"]
        assert set(checks) == {"dns", "icmp", "udp", "connect", "tcp", "mtu", "vxlan"}
        assert pair["green"]
        assert all(check["ok"] for check in checks.values())
        assert checks["dns"]["detail"].startswith("10.211.")
        assert checks["icmp"]["detail"].endswith(" ms")
        assert checks["tcp"]["detail"] == str(1 << 20)
        assert checks["mtu"]["detail"] == "1450"
        assert re.fullmatch(rf"VNI \d+ to {ADDRESSES[pair['to']]}", checks["vxlan"]["detail"])
    assert {name: its["vtep"] for name, its in proof["evidence"].items()} == ADDRESSES
    for its in proof["evidence"].values():
        assert its["vni"] == 256
        # 2 MiB of TCP each way, in segments of at most 64 KiB: the kernel counts before it cuts them up.
        assert its["sent"] > 32
        assert its["received"] > 32


def test_the_unit_keeps_its_own_line_and_gets_the_flags(first, bed):
    for name, state in bed.state().items():
        text = bed.do(name, f"cat {DROP_IN}; stat -c %a {DROP_IN}")
        assert UNIT.format(address=ADDRESSES[name]) in text
        assert text.endswith("\n644\n")
        assert bed.pristine[name].as_made["unit"] in state.as_made["unit"]
        flags = state.as_made["arguments"].removeprefix(bed.pristine[name].as_made["arguments"])
        assert flags.split() == UNIT.format(address=ADDRESSES[name]).split("$DOCKER_OPTS ")[1].split()


def test_a_reload_can_not_stop_the_heartbeat(first, bed):
    before = bed.pids()
    result = bed.hosts[1].run(("systemctl", "reload", "docker"))
    assert not result.ok
    journal = bed.do("host2", "journalctl -u docker -o cat -n 20 --no-pager")
    assert "reload would stop the overlay heartbeat: use systemctl restart docker\n" in journal
    assert bed.pids() == before


def test_consul_runs_in_a_container_in_host_network_mode(first, bed):
    with closing(bed.at("host1")) as engine:
        consul = engine.inspect_container("consul")
    assert consul["State"]["Running"]
    assert consul["HostConfig"]["NetworkMode"] == "host"
    assert consul["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert consul["HostConfig"]["Binds"] == ["overweave-consul:/consul/data"]
    assert "-ui" in consul["Args"]
    config = json.loads(bed.do("host1", "cat /etc/overweave/consul.json"))
    assert config["performance"] == {"raft_multiplier": 1}
    # Root inside may do nothing that a container's root usually may.
    assert bed.do("host1", "grep ^CapEff: /proc/$(pgrep -x consul)/status").split()[1] == f"{2:016x}"
    bound = bed.do("host1", "ss -Hltun | awk '{ print $5 }'").split()
    consuls = {b for b in bound if b.rpartition(":")[2] in ("8300", "8301", "8500", "8501", "8600")}
    assert {b.rpartition(":")[0] for b in consuls} == {"127.0.0.1", f"{NET}.11"}
    assert {"127.0.0.1:8500", "127.0.0.1:8501", f"{NET}.11:8501"} <= consuls
    assert f"{NET}.11:8500" not in consuls, "HTTP is for the host itself"


def test_the_engine_api_listens_on_no_port(first, bed):
    for host in bed.hosts:
        assert ":2375" not in bed.do(host.name, "ss -Hltn")
        assert ":2376" not in bed.do(host.name, "ss -Hltn")


def test_every_engine_is_registered_in_the_store(first, bed):
    url = "http://127.0.0.1:8500/v1/kv/docker/nodes/?keys"
    keys = json.loads(bed.do("host1", f"{CURL} '{url}'"))
    assert sorted(keys) == [f"docker/nodes/{address}:2376" for address in ADDRESSES.values()]


def test_nothing_of_the_proof_stays(first, bed):
    assert bed.probes() == []
    url = "http://127.0.0.1:8500/v1/kv/docker/network/v1.0/endpoint/?recurse"
    endpoints = bed.do(
        "host1",
        f"{CURL} '{url}' | grep -o '\"Value\":\"[^\"]*' | cut -d'\"' -f4 | "
        'while read -r v; do echo "$v" | base64 -d; echo; done',
    )
    names = sorted(json.loads(line)["name"] for line in endpoints.splitlines() if line)
    assert names == [f"overweave-anchor-overweave-host{n}" for n in (1, 2, 3)]


def test_an_anchor_keeps_every_host_in_the_overlay(first, bed):
    for name, state in bed.state().items():
        mine = [c for c in state.as_made["containers"] if c != "/consul"]
        assert mine == [f"/overweave-anchor-overweave-{name}"]
        image, running, policy = state.as_made["containers"][mine[0]]
        assert (image, running, policy["Name"]) == ("busybox:1.30.1", True, "always")


def test_no_thread_of_an_engine_is_lost(first, bed):
    script = """
        pid=$(systemctl show -p MainPID --value docker.service)
        readlink /proc/$pid/task/*/ns/net | sort -u
        echo
        { stat -L -c 'net:[%i]' /run/docker/netns/*; readlink /proc/1/ns/net; } | sort -u
    """
    for host in bed.hosts:
        threads, _, used = bed.do(host.name, script).partition("\n\n")
        assert set(threads.split()) <= set(used.split())


def test_again_there_is_nothing_to_do(first, bed):
    before = bed.state()
    file = bed.folder / "again.json"
    ran = bed.fab("deploy-overlay", "-H", "host1,host2,host3", "--json", str(file))
    assert (ran.status, ran.out, ran.said) == (0, NOTHING_TO_DO, "")
    assert load(file) == {"version": 1, "kind": "deployment", "changed": False}
    assert bed.state() == before
    plan = bed.fab("plan-overlay")
    assert (plan.status, plan.out, plan.said) == (0, "nothing to do\n", "")


def test_validate_proves_and_changes_nothing(deployed):
    before = deployed.state()
    file = deployed.folder / "proof.json"
    ran = deployed.fab("validate-overlay", "--json", str(file))
    assert ran.status == 0
    assert GREEN in ran.out
    assert load(file)["green"]
    assert deployed.state() == before
    assert deployed.deploy().out == NOTHING_TO_DO


def test_containers_of_users_reach_each_other_by_name(deployed):
    """As the page tells it that people learn it by."""
    deployed.undo += [
        lambda: deployed.do("host1", "docker rm -f web"),
        lambda: deployed.do("host2", "docker rm -f client"),
    ]
    walk(deployed, "overlay-by-consul")


def test_destroy_leaves_the_hosts_as_they_were_and_deploy_is_green_again(first, deployed):
    saved = deployed.folder / "before-it-goes.tar"
    ran = deployed.fab("runbook.take-everything-away", "--backup", str(saved), "--yes")
    assert (ran.status, ran.said) == (0, "")
    assert ran.out.endswith(
        "\nthe overlay is gone from host1, host2, host3\nnothing to do: nothing of Overweave is here\n"
    )
    # They had no images.
    as_it_was = {name: its | {"images": {}} for name, its in as_made(deployed.pristine).items()}
    assert as_made(deployed.state()) == as_it_was
    assert [network.name for network in backup_file.read(saved).about.networks] == ["overweave"]
    ran = deployed.fab("deploy-overlay")
    assert ran.status == 0
    assert GREEN in ran.out
    assert re.search(r"VNI \d+,", ran.out)


def test_what_a_user_had_before_stays(clean):
    """A network, containers, volumes and images of his own, also one that Overweave needs too."""
    folder = "/etc/systemd/system/docker.service.d"
    clean.undo += [
        lambda: clean.do("host1", f"rm -rf {folder}/10-mine.conf; rmdir {folder} 2>/dev/null || true"),
        clean.make_clean,
    ]
    clean.do(
        "host1",
        f"mkdir -p {folder}; printf '[Service]\\nEnvironment=MINE=1\\n' > {folder}/10-mine.conf\n"
        "systemctl daemon-reload\n"
        "docker network create --subnet 172.30.0.0/24 --gateway 172.30.0.1 mine >/dev/null\n"
        "docker run -d --name keep --stop-signal KILL --network mine --restart always -v kept:/data "
        "busybox:1.30.1 sh -c 'while :; do sleep 60; done'\n"
        "docker create --name rests busybox:1.30.1 true",
    )
    before = clean.state()
    asked = clean.fab("deploy-overlay")
    assert asked.status == 2
    assert asked.said == (
        "overweave: Engines restart, and these containers with them: keep on host1. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking"
    )
    assert clean.state() == before
    assert GREEN in clean.deploy().ok().out
    during = clean.state()["host1"].as_made
    assert during["containers"]["/keep"] == before["host1"].as_made["containers"]["/keep"]
    assert "mine" in during["networks"]
    clean.fab("destroy-overlay", "--yes").ok()
    assert as_made(clean.state()) == as_made(before)
