"""A lab comes, grows and goes; whatever happens on the way, nothing of it stays."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.lab.bed import in_turn

from overweave.errors import LabUnavailable, UsageError
from overweave.lab import Lab, faults
from overweave.lab.machine import WANTED
from overweave.lab.shell import must, run
from overweave.lab.spec import state_root
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

SUBNET = "10.97.11.0/24"
OTHER_SUBNET = "10.97.12.0/24"


def footprint(*labs):
    """Everything on this machine that a lab makes, except what belongs to labs of other names.

    Those are told by their names alone: other tests' labs come, go and grow while one looks.
    """
    others = re.compile(rf"\b(?:overweave|owbr|ow|os)-(?!(?:lab|{'|'.join(labs)})\b)\w|\bowpair")
    folders = (state_root(), Path("/run/overweave-lab"), Path("/run/netns"))
    lines = {
        *(f"link {link['ifname']}" for link in json.loads(must("ip", "-json", "link"))),
        *(f"netns {path.name}" for path in Path("/run/netns").glob("*")),
        *(f"mount {line.split()[1]}" for line in Path("/proc/self/mounts").read_text().splitlines()),
        *(f"rule {line}" for line in must("iptables-save").splitlines() if line.startswith("-A")),
        *(f"route {line}" for line in must("ip", "-4", "route", "show", "table", "all").splitlines()),
        *(f"cgroup {path}-" for path in _lab_cgroups()),
        *(f"nspawn {path}" for path in Path("/run/systemd/nspawn").rglob("overweave-*")),
        *(f"process {line}" for line in _command_lines() if any(f"overweave-{lab}-" in line for lab in labs)),
        *(f"state {path}" for lab in labs for path in state_root().glob(f"{lab}*")),
        *(f"sysctl {name} {(Path('/proc/sys') / name).read_text().strip()}" for name in WANTED),
        *(f"folder {path}" for path in folders if path.exists()),
    }
    return {line for line in lines if not others.search(line)}


def _lab_cgroups():
    # Other labs' containers come and go meanwhile; os.walk takes that as it is.
    for path, folders, _ in os.walk("/sys/fs/cgroup"):
        yield from (Path(path, name) for name in folders if name.startswith("overweave-"))
        folders[:] = [name for name in folders if not name.startswith("overweave-")]


def _command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


@pytest.fixture(scope="module", autouse=True)
def alone():
    with in_turn("lab-life"):
        take_down()
        yield


@pytest.fixture
def gone():
    yield
    take_down()


def take_down():
    """What a failed test left, or a killed run."""
    for lab in Lab.all():
        if lab.name in ("t1", "t2"):
            lab.down()


def in_a_process(code):
    return subprocess.Popen(
        (sys.executable, "-c", f"from overweave.lab import Lab\n{code}"), stderr=subprocess.PIPE, text=True
    )


def test_a_lab_comes_grows_and_goes(gone):
    before = footprint("t1")
    lines = []
    lab = Lab.up("t1", hosts=1, subnet=SUBNET, progress=lines.append)
    host1 = lab.host("host1")
    pids = host1.processes
    assert lines[-2] == f"starting 1 of 1 hosts in {SUBNET}"
    assert lines[-1].startswith("host1 (10.97.11.11, 20.10-consul) is up: ssh after ")
    assert Lab.load("t1") == lab

    # Once more is nothing to do, and one more leaves the first alone.
    lines.clear()
    assert Lab.up("t1", progress=lines.append) == lab
    assert lines == []
    grown = Lab.up("t1", hosts=2, progress=lines.append)
    assert [host.name for host in grown.hosts] == ["host1", "host2"]
    assert lines[0] == f"starting 1 of 2 hosts in {SUBNET}"
    assert host1.pid in pids
    assert "10.97.11.12 host2" in host1.run(("cat", "/etc/hosts")).stdout
    assert len(grown.known_hosts.read_text().splitlines()) == 2

    for wrong in ({"hosts": 1}, {"subnet": OTHER_SUBNET}, {"engines": ["26"]}):
        with pytest.raises(UsageError) as caught:
            Lab.up("t1", **wrong)
        assert str(caught.value) == (
            f"lab 't1' is there already: 2 hosts, 20.10-consul, {SUBNET}\n"
            "  -> it can grow, but nothing else of it can change: lab.down first, or take another name"
        )
    pids |= {pid for host in grown.hosts for pid in host.processes}
    grown.down(lines.append)
    assert lines[-1] == "lab 't1' is gone"
    assert footprint("t1") == before
    assert not any(Path(f"/proc/{pid}/root/etc/ssh/lab_authorized_keys").exists() for pid in pids)


def test_labs_stand_side_by_side(gone):
    before = footprint("t1", "t2")
    umask = os.umask(0o077)
    try:
        one = Lab.up("t1", hosts=1, subnet=SUBNET)
    finally:
        os.umask(umask)
    with_one = footprint("t1", "t2")
    two = Lab.up("t2", hosts=1)
    assert not two.spec.network.overlaps(one.spec.network)
    with pytest.raises(LabUnavailable, match=f"^{SUBNET} is in use: this machine or a lab has {SUBNET}\n"):
        Lab.up("t3", hosts=1, subnet=SUBNET)
    assert one.hosts[0].run(("hostname",)).stdout == two.hosts[0].run(("hostname",)).stdout == "host1\n"
    ids = {lab.hosts[0].run(("cat", "/etc/machine-id")).stdout for lab in (one, two)}
    assert len(ids) == 2
    # An operator who hides his files does not hide the host's own from its users.
    assert one.hosts[0].run(("sudo", "-u", "nosudo", "getent", "hosts", "host1")).stdout.split() == [
        "10.97.11.11",
        "host1",
    ]
    two.down()
    assert one.hosts[0].running
    assert footprint("t1", "t2") == with_one
    one.down()
    assert footprint("t1", "t2") == before


@pytest.mark.parametrize(
    "moment",
    ["t1/lab.json", "t1/id_ed25519.pub", "t1/hosts/host1/upper/etc/hosts", "t1/hosts/host2/process"],
    ids=lambda moment: moment.rpartition("/")[2],
)
def test_a_killed_up_is_taken_down(gone, moment):
    before = footprint("t1")
    up = in_a_process(f"Lab.up('t1', hosts=2, subnet='{SUBNET}')")
    wait_for((state_root() / moment).exists, 20, moment)
    up.kill()
    up.communicate()
    Lab.load("t1").down()
    assert footprint("t1") == before


def test_a_killed_up_is_finished_by_the_next(gone):
    before = footprint("t1")
    up = in_a_process(f"Lab.up('t1', hosts=2, subnet='{SUBNET}')")
    wait_for((state_root() / "t1/hosts/host1/process").exists, 20, "the first host")
    up.kill()
    up.communicate()
    lab = Lab.up("t1")
    assert [host.running for host in lab.hosts] == [True, True]
    lab.down()
    assert footprint("t1") == before


def test_up_boots_what_is_off(gone):
    before = footprint("t1")
    lab = Lab.up("t1", hosts=2, subnet=SUBNET)
    boots = [host.pid for host in lab.hosts]
    faults.power_off(lab.hosts[0])
    assert Lab.up("t1").hosts[1].pid == boots[1]
    assert lab.hosts[0].pid != boots[0]
    for host in lab.hosts:
        host.run(("systemctl", "poweroff", "--no-block"))
        wait_for(lambda host=host: not host.running, 20, "its end")
    Lab.up("t1").down()
    assert footprint("t1") == before


def test_ctrl_c_takes_back_what_was_made(gone):
    before = footprint("t1")
    up = in_a_process(f"Lab.up('t1', hosts=2, subnet='{SUBNET}')")
    wait_for((state_root() / "t1/hosts/host1/process").exists, 20, "the first host")
    up.send_signal(signal.SIGINT)
    assert up.communicate(timeout=20)[1].endswith("KeyboardInterrupt\n")
    assert footprint("t1") == before


def test_hosts_that_can_not_boot_are_named_and_removed(gone, tmp_path, monkeypatch):
    for name in ("lower", "upper", "work", "state"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    must("mount", "-t", "overlay", "-o", layers, "overlay", str(tmp_path / "state"))
    try:
        monkeypatch.setenv("OVERWEAVE_LAB_STATE", str(tmp_path / "state/lab"))
        before = footprint("t1")
        with pytest.raises(
            LabUnavailable, match=r"^host[12]: ended while it was booting; its log ends with:\nmount: "
        ):
            Lab.up("t1", hosts=2, subnet=SUBNET)
        assert footprint("t1") == before
    finally:
        must("umount", str(tmp_path / "state"))


def test_a_lab_whose_image_is_gone_can_only_be_taken_down(gone):
    before = footprint("t1")
    lab = Lab.up("t1", hosts=1, subnet=SUBNET)
    replace(lab.spec, images=("/nowhere",)).save()
    for use in (Lab.load("t1").inventory, lambda: Lab.up("t1", hosts=2)):
        with pytest.raises(LabUnavailable) as caught:
            use()
        assert str(caught.value) == "/nowhere is gone\n  -> the lab was made of it: lab.down, then lab.up"
    Lab.load("t1").down()
    assert footprint("t1") == before


def test_a_failed_growth_leaves_the_lab_as_it_was(gone):
    lab = Lab.up("t1", hosts=1, subnet=SUBNET)
    before = footprint("t1")
    up = in_a_process("Lab.up('t1', hosts=2)")
    wait_for((state_root() / "t1/hosts/host2/process").exists, 20, "the second host")
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=20)
    assert Lab.load("t1") == lab
    assert lab.hosts[0].running
    assert footprint("t1") == before
    lab.down()


def test_nothing_of_somebody_else_is_taken(gone):
    before = footprint("t1")
    must("ip", "link", "add", "owbr-t1", "type", "bridge")
    try:
        with pytest.raises(LabUnavailable) as caught:
            Lab.up("t1", hosts=1, subnet=SUBNET)
        assert str(caught.value) == (
            "lab 't1' would need names that are taken: interface owbr-t1\n"
            "  -> remove what has them, or give the lab another name"
        )
        assert Path("/sys/class/net/owbr-t1").exists()
    finally:
        run("ip", "link", "delete", "owbr-t1")
    assert footprint("t1") == before
