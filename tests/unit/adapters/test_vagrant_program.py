"""What Vagrant says becomes hosts, and what it can't do is told. A stand-in says what Vagrant 2.3.4 was heard
to say; scripts/test-vagrant runs the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from overweave.adapters.vagrant import Machine, add_box, boxes, choose, machines, reach
from overweave.errors import CommandFailed, LabUnavailable, UsageError

STATUS = """\
1795387711,host1,metadata,provider,libvirt
1795387711,host2,metadata,provider,libvirt
1795387711,host1,provider-name,libvirt
1795387711,host1,state,running
1795387711,host1,state-human-short,running
1795387711,host1,state-human-long,The Libvirt domain is running. To stop this machine%!(VAGRANT_COMMA) run
1795387711,host2,provider-name,libvirt
1795387711,host2,state,shutoff
1795387711,host2,state-human-short,shutoff
1795387711,host3,provider-name,libvirt
1795387711,host3,state,not_created
1795387711,,ui,info,Current machine states:\\n\\nhost1   running (libvirt)
"""
BOXES = """\
1795387711,,ui,info,overweave/bullseye (libvirt%!(VAGRANT_COMMA) 20261122.225346.0)
1795387711,,box-name,overweave/bullseye
1795387711,,box-provider,libvirt
1795387711,,box-version,20261122.225346.0
1795387711,,box-name,debian/bullseye64
1795387711,,box-provider,virtualbox
1795387711,,box-version,11.20241217.1
"""
CONFIG = """\
Host {name}
  HostName 192.168.121.{number}
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "/home/a b/.vagrant/machines/{name}/libvirt/private_key"
  IdentitiesOnly yes
  LogLevel FATAL

"""
HOST1, HOST2, HOST3 = machines(STATUS)
FOLDER = Path("vagrant")


@pytest.fixture
def vagrant(tmp_path, monkeypatch):
    """Makes a program of that name the only one; gives what it was called with."""
    programs, called = tmp_path / "bin", tmp_path / "called"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def make(script):
        (programs / "vagrant").write_text(f'#!/bin/sh\necho "$PWD $*" >> {called}\n{script}')
        (programs / "vagrant").chmod(0o755)
        return lambda: called.read_text().splitlines()

    return make


def answering(**said):
    """A script that says something for each first word."""
    cases = "".join(f"{word.replace('_', '-')}) cat <<'X'\n{text}X\n;;\n" for word, text in said.items())
    return f'cat() {{ while IFS= read -r line; do echo "$line"; done; }}\ncase $1 in\n{cases}esac\n'


def test_machines_are_those_that_have_a_provider_and_a_state():
    assert (
        Machine("host1", "libvirt", "running"),
        Machine("host2", "libvirt", "shutoff"),
        Machine("host3", "libvirt", "not_created"),
    ) == (HOST1, HOST2, HOST3)
    assert machines("") == machines("1795387711,,ui,error,nothing of use\nno line of its kind\n") == ()


def test_boxes_are_told_apart_by_name_provider_and_version():
    assert boxes(BOXES) == {
        ("overweave/bullseye", "libvirt", "20261122.225346.0"),
        ("debian/bullseye64", "virtualbox", "11.20241217.1"),
    }
    assert boxes("1795387711,,ui,warn,There are no installed boxes!\n") == frozenset()


def test_those_that_were_never_made_are_no_hosts():
    assert choose([HOST1, HOST3], [], FOLDER) == (HOST1,)
    assert choose([HOST1, HOST2, HOST3], ["host1"], FOLDER) == (HOST1,)


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        (
            [HOST1, HOST2],
            [],
            "not all machines of vagrant run: host2 (shutoff)\n"
            "  -> boot them: (cd vagrant && vagrant up); or name those that run with -H",
        ),
        (
            [HOST1, HOST3],
            ["host3"],
            "not all machines of vagrant run: host3 (not_created)\n"
            "  -> boot them: (cd vagrant && vagrant up); or name those that run with -H",
        ),
        ([HOST3], [], "no machine of vagrant was made\n  -> make them: (cd vagrant && vagrant up)"),
        ([], [], "no machine of vagrant was made\n  -> make them: (cd vagrant && vagrant up)"),
    ],
)
def test_machines_that_do_not_run_are_told(found, wanted, message):
    with pytest.raises(LabUnavailable) as caught:
        choose(found, wanted, FOLDER)
    assert (str(caught.value), caught.value.exit_code) == (message, 4)


@pytest.mark.parametrize(("found", "has"), [([HOST2, HOST1], "host1, host2"), ([], "none")])
def test_a_machine_that_there_is_not_is_refused(found, has):
    with pytest.raises(UsageError) as caught:
        choose(found, ["web1"], FOLDER)
    assert str(caught.value) == f"vagrant has no machine 'web1'\n  -> it has {has}"


def test_hosts_are_reached_as_vagrant_says_and_have_keys_of_their_own(vagrant, tmp_path):
    both = CONFIG.format(name="host1", number=11) + CONFIG.format(name="host2", number=12)
    called = vagrant(answering(status=STATUS.replace("shutoff", "running"), ssh_config=both))
    kept = tmp_path / ".vagrant/machines"
    assert reach(tmp_path, environment={}) == {
        name: {
            "address": f"192.168.121.{number}",
            "user": "vagrant",
            "port": 22,
            "key": f"/home/a b/.vagrant/machines/{name}/libvirt/private_key",
            "known_hosts": str(kept / name / "libvirt/known_hosts"),
        }
        for name, number in (("host1", 11), ("host2", 12))
    }
    assert called() == [f"{tmp_path} status --machine-readable", f"{tmp_path} ssh-config host1 host2"]
    elsewhere = reach(tmp_path, ["host2"], {"VAGRANT_DOTFILE_PATH": "/var/tmp/machines"})
    assert elsewhere["host2"]["known_hosts"] == "/var/tmp/machines/machines/host2/libvirt/known_hosts"


def test_where_there_is_no_vagrant_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabUnavailable) as caught:
        reach(tmp_path)
    assert str(caught.value) == (
        "there is no program 'vagrant' on this machine\n  -> apt-get install vagrant vagrant-libvirt"
    )


def test_what_vagrant_refuses_is_told_in_its_words(vagrant, tmp_path):
    vagrant("echo 'The provider libvirt could not be found.' >&2; exit 1")
    with pytest.raises(CommandFailed) as caught:
        reach(tmp_path)
    assert str(caught.value) == (
        "`vagrant status --machine-readable` ended with exit code 1:\n"
        "    The provider libvirt could not be found.\n"
        f"  -> try it by hand: (cd {tmp_path} && vagrant status --machine-readable)"
    )


def test_a_box_is_added_once(vagrant, tmp_path):
    called = vagrant(answering(box=BOXES))
    catalog = tmp_path / "catalog.json"
    assert not add_box("overweave/bullseye", "20261122.225346.0", catalog)
    assert add_box("overweave/bullseye", "20270101.000000.0", catalog)
    assert called()[2:] == [f"{Path.cwd()} box add --provider libvirt {catalog}"]
