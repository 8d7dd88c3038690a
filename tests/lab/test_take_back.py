"""What fails in the middle of a deployment is taken back: the hosts are as they were, and the message names
the cause. A saboteur in docker.service strikes once the host's unit is ours: preflight can't see it."""

from __future__ import annotations

import re
import signal

import pytest
from tests.lab.bed import DOWN, DROP_IN, GREEN, NET, differences

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

SABOTEUR = "/root/saboteur"
REJECTED = "iptables -w -{} OUTPUT -p tcp --dport {} -j REJECT --reject-with tcp-reset"


def sabotage(bed, name, strike, retreat="true", *, hook="ExecStartPre"):
    """Have a host do something at each start of its engine with our drop-in, and undo it without."""
    unit = "/etc/systemd/system/docker.service.d/10-saboteur.conf"
    bed.do(
        name,
        f"mkdir -p /etc/systemd/system/docker.service.d\n"
        f"cat > {unit} <<'X'\n[Service]\n{hook}=/bin/sh {SABOTEUR} $MAINPID\nX\n"
        f"cat > {SABOTEUR} <<'X'\nif [ -e {DROP_IN} ]; then {strike}\nelse {retreat}\nfi\nX\n"
        "systemctl daemon-reload",
    )
    bed.undo.append(
        lambda: bed.do(
            name, f"rm {unit} {SABOTEUR}; rmdir {unit.rpartition('/')[0]} || true; systemctl daemon-reload"
        )
    )


def fails(bed, *said, status=5, late=()):
    """A deployment that ends with these words, and with all hosts as they were. Returns what it said.

    ``late``: exit codes of where it is noticed a step later."""
    before = bed.state()
    ran = bed.deploy()
    assert ran.status in (status, *late), ran
    missing = [text for text in said if text not in ran.said]
    assert not missing, ran.said
    assert differences(before, bed.state()) == []
    for host in bed.hosts:
        assert bed.do(host.name, "ls /var/lib/overweave 2>/dev/null || true") == ""
        assert bed.do(host.name, "systemctl is-active docker") == "active\n"
    return ran


def works_without(bed):
    """With the saboteur gone the same command ends green."""
    bed.mend()
    ran = bed.deploy()
    assert ran.status == 0, ran
    assert GREEN in ran.out


TAKEN_BACK = "\n  taken back: host1, host2, host3: as it was before"


def test_an_engine_that_does_not_start(clean):
    """A setting as a flag and in the file."""
    twice = 'echo \'{"cluster-store": "consul://192.0.2.1:8500"}\' > /etc/docker/daemon.json'
    sabotage(clean, "host2", twice, "rm -f /etc/docker/daemon.json")
    ran = fails(
        clean,
        "host2: the engine does not start:\n",
        "cause on host2: cluster-store is given both as a flag and in /etc/docker/daemon.json (moby#31359)\n"
        "    -> remove cluster-store from /etc/docker/daemon.json",
        TAKEN_BACK,
    )
    assert "host1     take back what was changed" in ran.err
    works_without(clean)


ENGINES = (
    pytest.param(
        # One string of the binary is replaced: what it says then is what Debian 12's says.
        "sed 's#libkv/store/consul#libkv/store/consxl#g; s#consul#consxl#g' "
        "/usr/sbin/dockerd > /root/dockerd; chmod +x /root/dockerd",
        'exec /root/dockerd "$@"',
        "cause on host2: this engine was built without the Consul store, as Debian 12's is",
        id="an engine without Consul",
    ),
    pytest.param(
        "true",
        'exec /usr/sbin/dockerd "$@" --cluster-weave=1',
        "cause on host2: the engine does not know the flag --cluster-weave",
        id="a flag that the engine does not know",
        marks=pytest.mark.long,
    ),
)


@pytest.mark.parametrize(("prepare", "run", "cause"), ENGINES)
def test_another_engine_than_preflight_saw(clean, prepare, run, cause):
    folder = "/etc/systemd/system/docker.service.d"
    clean.do(
        "host2",
        f"{prepare}; mkdir -p {folder}\n"
        "cat > /root/engine <<'X'\n#!/bin/sh\n"
        f'case "$*" in *--cluster-store*) {run} ;; esac\nexec /usr/sbin/dockerd "$@"\nX\n'
        "chmod +x /root/engine\n"
        f"printf '[Service]\\nExecStart=\\nExecStart=/root/engine -H fd://\\n' > {folder}/10-engine.conf\n"
        "systemctl daemon-reload; systemctl restart docker",
    )
    clean.undo.append(
        lambda: clean.do(
            "host2",
            f"rm -rf {folder} /root/engine /root/dockerd; systemctl daemon-reload; systemctl restart docker",
        )
    )
    fails(clean, "host2: the engine does not start:\n", cause, TAKEN_BACK)


@pytest.mark.long
def test_a_port_that_is_taken(clean):
    listener = (
        "use Socket; socket(S,PF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1); "
        "bind(S,sockaddr_in(8501,INADDR_ANY)) or die; listen(S,9); while (accept(C, S)) { close C }"
    )
    sabotage(
        clean,
        "host1",
        f"systemd-run --quiet --unit=squatter perl -e '{listener}'",
        "systemctl stop squatter 2>/dev/null; true",
    )
    fails(
        clean,
        "host1: the store has elected no leader",
        "cause on host1: the port is taken: ",
        TAKEN_BACK,
        status=6,
    )


@pytest.mark.long
def test_a_store_that_can_not_be_reached(clean):
    rule = REJECTED.format("{}", 8501)
    sabotage(clean, "host2", rule.format("A"), f"{rule.format('D')} 2>/dev/null; true")
    fails(
        clean,
        "not registered in the store after 20 s: the engine of host2\n"
        "  -> is the store's port open from host2? `fab preflight` measures it\n",
        f"cause on host2: the engine does not reach the store at {NET}.11:8501 (moby#29316)",
        TAKEN_BACK,
        status=6,
    )


def test_a_store_that_does_not_take_its_new_settings(deployed):
    """The store that worked has been put away, and comes back."""
    before = deployed.state()
    inventory = deployed.wanted()
    inventory["store"] = {**inventory.get("store", {}), "options": {"no_such_setting": True}}
    ran = deployed.deploy(inventory=deployed.write("i.yml", inventory))
    assert ran.status == 6, ran
    assert ran.said.startswith("overweave: host1: the store has elected no leader")
    assert "\n  taken back: host1: as it was before" in ran.said
    wait_for(lambda: are_as_before(deployed, before), 20, "the store as it was")
    assert {n: s.alive["pid"] for n, s in deployed.state().items()} == {
        n: s.alive["pid"] for n, s in before.items()
    }
    assert GREEN in deployed.fab("validate-overlay").ok().out


@pytest.mark.long
def test_a_disk_that_is_full(bare):
    """Where the engine unpacks what is loaded into it."""
    place = "/var/lib/docker/tmp"
    sabotage(
        bare,
        "host1",
        f"mkdir -p {place}; mount -t tmpfs -o size=1m none {place}",
        f"umount {place} 2>/dev/null; true",
    )
    fails(bare, "host1: ", "no space left on device", "cause on host1: a disk is full", TAKEN_BACK)


@pytest.mark.long
def test_an_engine_that_is_killed_whenever_it_starts(clean):
    sabotage(clean, "host3", "kill -9 $1", hook="ExecStartPost")
    fails(clean, "cause on host3: the engine was killed", TAKEN_BACK, late=(6,))


@pytest.mark.long
def test_an_engine_that_is_killed_once_comes_back_and_is_waited_for(clean):
    """systemd starts it again after 2 s: no reason to give up."""
    sabotage(clean, "host3", "[ -e /root/once ] || { touch /root/once; kill -9 $1; }", hook="ExecStartPost")
    clean.undo.append(lambda: clean.do("host3", "rm -f /root/once"))
    ran = clean.deploy()
    assert ran.status in (0, 5), ran
    if ran.status == 5:
        assert "cause on host3: the engine was killed" in ran.said
        assert TAKEN_BACK in ran.said
        clean.do("host3", f"test ! -e {DROP_IN}")


def cut_off(bed, name):
    """Host that loses its ssh while its engine restarts, until its unit is its own again."""
    rules = "iptables -w -{0} OUTPUT -p tcp --sport 22 -j DROP"
    sabotage(bed, name, rules.format("A"), f"{rules.format('D')} 2>/dev/null; true")


def are_as_before(bed, before):
    try:
        return differences(before, bed.state()) == []
    except DOWN:  # an engine is just restarting
        return False


@pytest.mark.long
def test_an_ssh_connection_that_is_cut_off(clean):
    """The host itself misses the heartbeat, and takes back what was begun."""
    cut_off(clean, "host2")
    ready = clean.state()
    ran = clean.deploy()
    assert ran.status == 3, ran
    assert re.search(r"host2: the ssh connection (broke off|is gone)", ran.said), ran.said
    assert "\n  taken back: host1, host3: as it was before" in ran.said
    assert (
        "\n  host2 is out of reach: it takes its changes back by itself when it misses this connection, "
        "or at its next boot" in ran.said
    )
    wait_for(lambda: are_as_before(clean, ready), 60, "host2 as it was")


def test_the_power_of_a_host_is_lost(clean):
    host3 = clean.lab.host("host3")
    sabotage(clean, "host3", "touch /run/striking; sleep 20", "true")
    clean.undo.append(lambda: faults.power_on(host3))
    ready = clean.state()
    process = clean.start("deploy-overlay", "--yes", inventory=clean.inventory)
    wait_for(lambda: host3.run(("test", "-e", "/run/striking")).ok, 60, "the restart of the engine")
    faults.power_off(host3)
    _, err = process.communicate(timeout=120)
    # Ending, systemd may still say that the restart failed.
    assert process.returncode in (3, 5), err
    assert "\n  taken back: host1, host2: as it was before" in err
    assert "host3 is out of reach: it takes its changes back by itself" in err
    faults.power_on(host3)
    wait_for(lambda: are_as_before(clean, ready), 60, "host3 as it was")
    works_without(clean)


def test_the_operators_machine_is_lost(clean):
    """SIGKILL in the middle: every host notices, and takes back what was begun."""
    before = clean.state()
    ran = clean.broken_off("host1     run container consul", signal.SIGKILL, "deploy-overlay", "--yes")
    assert ran.status == -signal.SIGKILL
    wait_for(lambda: are_as_before(clean, before), 60, "the hosts as they were")
    ran = clean.deploy("--wait-lock", "30")
    assert ran.status == 0, ran
    assert GREEN in ran.out
