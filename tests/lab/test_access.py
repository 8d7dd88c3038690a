"""Ways to name hosts and to get into them, as Fabric's users know them."""

from __future__ import annotations

import os
import pty
import re
import threading

import pytest
from tests.lab.bed import GREEN, NET, NOTHING_TO_DO, SECONDS, as_made

from overweave.lab.recipe import SUDO_PASSWORD

pytestmark = pytest.mark.lab

FABFILE = """\
from fabric import task
from overweave.cli.executor import cluster_task

@task
def each(c):
    print("each", c.host, c.run("hostname", hide=True).stdout.strip())

@cluster_task
def whole(c):
    print("whole", ",".join(c.host_names))
"""


@pytest.fixture
def fabfile(tmp_path):
    (tmp_path / "fabfile.py").write_text(FABFILE)
    (tmp_path / "fabric.yaml").write_text("tasks:\n  executor_class: overweave.cli.executor.FleetExecutor\n")
    return tmp_path


@pytest.fixture
def ssh_config(bed, tmp_path):
    """Aliases alpha and beta; beta is behind alpha."""
    path = tmp_path / "ssh_config"
    path.write_text(
        f"Host alpha beta\n  User root\n  IdentityFile {bed.lab.key}\n"
        f"Host alpha\n  HostName {NET}.11\n"
        f"Host beta\n  HostName {NET}.12\n  ProxyJump alpha\n"
    )
    return path


@pytest.fixture
def images(bed):
    """An inventory that knows images, and hosts of other names."""
    inventory = bed.wanted()
    del inventory["ssh"]
    inventory["hosts"] = {"elsewhere": {"address": "192.0.2.1"}}
    return bed.write("images.yml", inventory)


def rows(ran):
    """Names of the hosts that a status shows."""
    assert ran.status == 0, ran
    body = ran.out.partition("\n")[2].partition("\nstore: ")[0]
    return [line.split()[0] for line in body.splitlines()]


def test_hosts_before_or_after_the_task_or_from_the_inventory(bed):
    assert rows(bed.fab("status", "-H", "host1,host3")) == ["host1", "host3"]
    assert rows(bed.fab("-H", "host3,host1", "status")) == ["host3", "host1"]
    assert rows(bed.fab("status")) == ["host1", "host2", "host3"]
    assert rows(bed.fab("status", "-H", "root@host2:22")) == ["host2"]
    assert rows(bed.fab("status", "-H", f"ops@{NET}.13:22")) == ["host3"]


def test_an_inventory_by_option_or_by_variable(bed, tmp_path):
    elsewhere = {"inventory": None, "program": bed.overweave, "cwd": tmp_path}
    option = ("--inventory", str(bed.inventory))
    assert rows(bed.fab("status", *option, **elsewhere)) == ["host1", "host2", "host3"]
    assert rows(bed.fab("status", "-H", "host2", *option, **elsewhere)) == ["host2"]
    assert rows(bed.fab("status", **elsewhere | {"inventory": bed.inventory})) == ["host1", "host2", "host3"]
    # The inventory of a lab is found by itself, from here up.
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/lab.yml").write_text(bed.inventory.read_text())
    (tmp_path / "deeper").mkdir()
    elsewhere["cwd"] = tmp_path / "deeper"
    assert rows(bed.fab("status", **elsewhere)) == ["host1", "host2", "host3"]


def test_no_inventory_at_all(bed, tmp_path):
    elsewhere = {"inventory": None, "program": bed.overweave, "cwd": tmp_path}
    ran = bed.fab("-i", str(bed.lab.key), "status", "-H", f"root@{NET}.11,root@{NET}.12:22", **elsewhere)
    assert rows(ran) == [f"{NET}.11", f"{NET}.12"]


def test_aliases_of_an_ssh_config_and_a_host_behind_another(clean, ssh_config, images):
    option = ("-S", str(ssh_config))
    ran = clean.deploy("-H", "alpha,beta", *option, inventory=images)
    assert ran.status == 0, ran
    assert "2 of 2 directed pairs green on overweave" in ran.out
    assert clean.deploy("-H", "alpha,beta", *option, inventory=images).out == NOTHING_TO_DO
    status = clean.fab("status", "-H", "alpha,beta", *option, inventory=images).out
    assert f"beta   20.10.5+dfsg1 up  {NET}.12  yes         1 of 1" in status
    # By their own names the same hosts, with one more, are the same overlay.
    assert GREEN in clean.deploy().out
    clean.fab("destroy-overlay", "--yes").ok()


def test_a_user_with_sudo_deploys_and_takes_away(clean):
    inventory = clean.wanted()
    inventory["ssh"]["user"] = "ops"
    path = clean.write("ops.yml", inventory)
    ran = clean.deploy(inventory=path)
    assert ran.status == 0, ran
    assert GREEN in ran.out
    assert clean.deploy(inventory=path).out == NOTHING_TO_DO
    # Root finds the same.
    assert clean.deploy().out == NOTHING_TO_DO
    clean.fab("destroy-overlay", "--yes", inventory=path).ok()
    assert as_made(clean.state()) == as_made(clean.pristine)


def typed(bed, *words, answers):
    """Run `fab` at a terminal, and type each answer when its question appears: (status, what it showed)."""
    master, slave = pty.openpty()
    process = bed.start(
        *words, inventory=bed.inventory, before=("setsid", "--ctty"), stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    shown, left = "", list(answers)
    try:
        while True:
            try:
                shown += os.read(master, 4096).decode(errors="replace")
            except OSError:  # the other end is gone
                break
            if left and left[0][0] in shown:
                os.write(master, f"{left.pop(0)[1]}\n".encode())
        return process.wait(), re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        os.close(master)


def test_a_password_for_sudo_is_asked_once(bed):
    prompt = "'sudo.password' config value: "
    ask = ("--prompt-for-sudo-password", "status", "-H", "pwops@host1,pwops@host2")
    status, shown = typed(bed, *ask, answers=[(prompt, SUDO_PASSWORD)])
    assert status == 0, shown
    assert "host2  20.10.5+dfsg1 up" in shown
    assert SUDO_PASSWORD not in shown
    status, shown = typed(bed, *ask, answers=[(prompt, "wrong")])
    assert status == 3
    for name in ("host1", "host2"):
        assert (
            f"{name}: sudo does not take the password of user pwops\n"
            f"  -> try `sudo -v` as pwops on the host\n"
        ) in shown


def test_a_question_at_a_terminal_is_answered(deployed):
    before = deployed.state()
    question = "This takes the overlay away from host1, host2, host3. [y/N] "
    status, shown = typed(deployed, "destroy-overlay", answers=[(question, "n")])
    assert status == 2
    assert shown.endswith(
        "overweave: not confirmed: nothing was changed\n"
        "  -> the same command asks again; --yes goes on without asking\n"
    )
    assert deployed.state() == before


def test_fabrics_own_tasks_run_once_for_each_host(bed, fabfile):
    options = ("-i", str(bed.lab.key), "-H", f"root@{NET}.11,root@{NET}.12")
    ran = bed.run(*options, "each", "whole", cwd=fabfile)
    assert ran.status == 0, ran
    assert sorted(ran.out.splitlines()) == [
        f"each {NET}.11 host1",
        f"each {NET}.12 host2",
        f"whole root@{NET}.11,root@{NET}.12",
    ]


def test_a_command_after_two_dashes_runs_on_every_host(bed):
    options = ("-i", str(bed.lab.key), "-H", f"root@{NET}.11,root@{NET}.12")
    ran = bed.run(*options, "--", "hostname")
    assert (ran.status, ran.out) == (0, "host1\nhost2\n")
