"""What a lab's hosts are: real ones, as far as ssh, systemd and Docker can tell."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.lab.bed import fresh, in_turn

from overweave import inventory
from overweave.errors import DeadlineExceeded, LabUnavailable
from overweave.lab import Lab
from overweave.lab.recipe import SUDO_PASSWORD
from overweave.lab.shell import must, run
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab():
    with in_turn("thosts"):
        made = fresh("thosts", hosts=2, subnet="10.97.13.0/24")
        yield made
        made.down()


@pytest.fixture(scope="module")
def ssh(lab):
    def call(user, target, command, stdin=""):
        options = (
            "-oBatchMode=yes",
            "-oStrictHostKeyChecking=yes",
            f"-oUserKnownHostsFile={lab.known_hosts}",
        )
        return subprocess.run(
            (*("ssh", "-F", "none", "-i", str(lab.key), *options), f"{user}@{target}", command),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture(scope="module")
def images(lab):
    """The lab's container images, loaded on both hosts."""
    fleet = inventory.parse(lab.inventory())
    for host in lab.hosts:
        for name, archive in fleet.images.archives.items():
            loaded = host.run(("docker", "load"), stdin=archive.path.read_bytes())
            assert loaded.stdout == f"Loaded image: {name}\n"
    return fleet.images.probe, fleet.store.image


def test_root_gets_in_with_verified_keys(lab, ssh):
    for host in lab.hosts:
        done = ssh("root", host.address, "hostname; systemctl is-system-running; cat /etc/machine-id")
        assert done.stderr == ""
        name, state, machine_id = done.stdout.split()
        assert (name, state, len(machine_id)) == (host.name, "running", 32)
    keys = {line.split()[2] for line in lab.known_hosts.read_text().splitlines()}
    assert len(keys) == 2


def test_users_differ_in_what_sudo_lets_them(lab, ssh):
    host = lab.hosts[0]
    assert ssh("ops", host.address, "sudo -n id -u").stdout == "0\n"
    assert "docker" not in ssh("ops", host.address, "id -Gn").stdout
    assert ssh("nosudo", host.address, "sudo -n id -u").returncode == 1
    assert ssh("pwops", host.address, "sudo -n id -u").stderr == "sudo: a password is required\n"
    assert ssh("pwops", host.address, "sudo -S -p '' id -u", f"{SUDO_PASSWORD}\n").stdout == "0\n"


def test_hosts_reach_each_other_by_name(lab):
    host1, host2 = lab.hosts
    for host, peer in ((host1, "host2"), (host2, "host1")):
        assert host.run(("ping", "-c1", "-W2", "-M", "do", "-s", "1472", peer)).ok
    link = json.loads(host1.run(("ip", "-json", "addr", "show", "dev", "eth0")).stdout)[0]
    assert (link["mtu"], link["addr_info"][0]["local"]) == (1500, host1.address)


def test_a_machine_that_forwards_nothing_does_not_part_them(lab):
    host1, bridge = lab.hosts[0], lab.spec.bridge
    rule = ("FORWARD", "-i", bridge, "-j", "DROP")
    must("iptables", "-w", "-A", *rule)
    try:
        assert host1.run(("ping", "-c1", "-W2", "host2")).ok
    finally:
        must("iptables", "-w", "-D", *rule)


def test_what_is_outside_can_not_be_reached(lab):
    result = lab.hosts[0].run(("ping", "-c1", "-W1", "198.51.100.1"))
    assert "Network is unreachable" in result.stderr


def test_the_engine_is_that_of_debian_11(lab):
    host = lab.hosts[0]
    info = json.loads(host.run(("docker", "info", "--format", "{{json .}}")).stdout)
    assert (info["ServerVersion"], info["Driver"], info["Name"]) == ("20.10.5+dfsg1", "overlay2", "host1")
    assert info["DockerRootDir"] == "/var/lib/docker"
    for tool in ("ip", "nsenter", "ping", "tcpdump", "ethtool", "sudo", "curl", "unpigz"):
        assert host.run(("sh", "-c", f"command -v {tool}")).ok, tool


def test_containers_run_and_resolve_names(lab, images):
    host, (busybox, _) = lab.hosts[0], images
    ran = host.run(
        ("docker", "run", "--rm", "--memory=64m", busybox, "sh", "-c", "id -u; ping -c1 172.17.0.1")
    )
    assert ran.stdout.startswith("0\n"), ran.output
    assert " 0% packet loss" in ran.stdout
    assert host.run(("docker", "network", "create", "pair")).ok
    assert host.run(("docker", "run", "-d", "--network=pair", "--name=one", busybox, "sleep", "100")).ok
    named = host.run(("docker", "run", "--rm", "--network=pair", busybox, "ping", "-c1", "one"))
    assert " 0% packet loss" in named.stdout, named.output
    assert host.run(("docker", "rm", "-f", "one")).ok
    assert host.run(("docker", "network", "rm", "pair")).ok


def test_consul_runs_as_the_tutorials_run_it(lab, images):
    host, (_, consul) = lab.hosts[0], images
    run_it = ("docker", "run", "-d", "--name=consul", "--network=host", "-e", "CONSUL_BIND_INTERFACE=eth0")
    local = ("-e", 'CONSUL_LOCAL_CONFIG={"performance": {"raft_multiplier": 1}}')
    assert host.run((*run_it, *local, consul, "agent", "-server", "-bootstrap-expect=1", "-ui")).ok
    ask = ("curl", "-s", "http://localhost:8500/v1/status/leader")
    wait_for(lambda: host.run(ask).stdout == f'"{host.address}:8300"', 15, "a leader")
    assert host.run(("docker", "exec", "consul", "docker-entrypoint.sh", "members")).stdout.startswith(
        "Node "
    )
    assert host.run(("docker", "rm", "-f", "-v", "consul")).ok


def test_the_inventory_is_written_as_a_whole(lab, tmp_path):
    path = tmp_path / "inventory" / "lab.yml"
    lab.write_inventory(path)
    fleet = inventory.load(path)
    assert [host.access.address for host in fleet.hosts] == ["10.97.13.11", "10.97.13.12"]
    assert fleet.hosts[0].access.key == lab.key
    assert all(Path(archive.path).is_file() for archive in fleet.images.archives.values())


def test_run_gives_everything_that_a_command_gave(lab):
    host = lab.hosts[1]
    result = host.run(("sh", "-c", 'cat; echo "$1" >&2; exit 3', "sh", "a b"), stdin=b"in")
    assert (result.status, result.stdout, result.stderr) == (3, "in", "a b\n")
    assert result.command.words[0] == "sh"
    with pytest.raises(DeadlineExceeded, match=r"^host2: `"):
        host.run(("sleep", "5"), timeout=0.2)


def test_labs_are_for_root(lab):
    os.seteuid(65534)
    try:
        with pytest.raises(LabUnavailable) as caught:
            Lab.load(lab.name)
    finally:
        os.seteuid(0)
    assert str(caught.value) == "this machine can't carry a lab: it lacks root's rights\n  -> run it as root"


def test_others_on_this_machine_see_neither_keys_nor_disks(lab):
    for path in (lab.key, lab.spec.image(1) / "rootfs/usr/bin/sudo", lab.hosts[0].folder / "upper/etc"):
        assert not run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls", str(path)).ok
