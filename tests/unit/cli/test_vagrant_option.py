"""--vagrant: hosts from Vagrant, what is wanted from an inventory, and which tasks have it."""

from __future__ import annotations

from pathlib import Path

import fabric
import pytest

from overweave.cli import choice
from overweave.cli.collection import collect
from overweave.cli.executor import FleetContext, cluster_task
from overweave.errors import InventoryError, UsageError
from overweave.model import Access

PROGRAM = """\
#!/bin/sh
case $1 in
status) for name in 1 2 3; do printf '1,host%s,provider-name,virtualbox\\n' $name; done
        printf '1,host%s,state,%s\\n' 1 running 2 running 3 not_created ;;
ssh-config) shift; for name; do
    printf 'Host %s\\n  HostName 127.0.0.1\\n  Port 22%s\\n  User vagrant\\n' "$name" "${name#host}"
    done ;;
esac
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with a Vagrantfile, whose machines a stand-in tells, as the current one."""
    (tmp_path / "vagrant").mkdir()
    (tmp_path / "vagrant/Vagrantfile").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vagrant").write_text(PROGRAM)
    (tmp_path / "bin/vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VAGRANT_DOTFILE_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inventory(folder, text):
    (folder / "wanted.yml").write_text(text)
    return f"vagrant:{folder}/wanted.yml"


def test_the_machines_are_the_hosts_and_advertise_their_private_interface(checkout):
    fleet = choice.fleet([], "vagrant:")
    assert fleet.names == ("host1", "host2")
    host = fleet.host("host2")
    assert host.advertise == "eth1"
    kept = checkout / "vagrant/.vagrant/machines/host2/virtualbox/known_hosts"
    assert host.access == Access("127.0.0.1", "vagrant", 222, None, kept, key_learnt=True)


def test_hosts_are_chosen_among_them_and_no_lab_is_taken_for_them(checkout):
    (checkout / "inventory").mkdir()
    (checkout / "inventory/lab.yml").write_text("hosts: {host2: {address: 10.96.0.12}}\n")
    fleet = choice.fleet(["host2"], "vagrant:")
    assert [host.access.address for host in fleet.hosts] == ["127.0.0.1"]
    with pytest.raises(UsageError) as caught:
        choice.fleet(["web1"], "vagrant:")
    assert str(caught.value) == (f"{checkout}/vagrant has no machine 'web1'\n  -> it has host1, host2, host3")


def test_an_inventory_says_what_else_is_wanted_and_not_how_hosts_are_reached(checkout):
    file = inventory(
        checkout,
        "hosts: {host2: {store: true, advertise: eth2, address: 10.9.9.9}}\n"
        "images: {probe: 'busybox:1', archives: {'busybox:1': busybox.tar}}\n",
    )
    fleet = choice.fleet([], file)
    assert [(host.store, host.advertise, host.access.port) for host in fleet.hosts] == [
        (False, "eth1", 221),
        (True, "eth2", 222),
    ]
    assert fleet.host("host2").access.address == "127.0.0.1"
    assert fleet.images.archives["busybox:1"].path == checkout / "busybox.tar"
    assert choice.file_of((), file) == checkout / "wanted.yml"
    assert choice.file_of((), "vagrant:") is None


def test_an_inventory_of_other_hosts_is_refused(checkout):
    with pytest.raises(InventoryError) as caught:
        choice.fleet([], inventory(checkout, "hosts: {web1: }\n"))
    assert str(caught.value) == (
        f"{checkout}/wanted.yml: hosts.web1: is no machine that runs\n  -> those that run are host1, host2"
    )


@pytest.mark.parametrize("text", ["hosts: [host1]\n", "hosts: {host1: eth1}\n"])
def test_hosts_that_are_none_are_told_as_of_any_inventory(checkout, text):
    with pytest.raises(InventoryError, match="hosts"):
        choice.fleet([], inventory(checkout, text))


def test_without_a_vagrantfile_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        choice.fleet([], "vagrant:")
    assert str(caught.value) == (
        "--vagrant: there is no vagrant/Vagrantfile here or above\n  -> run it in a checkout of Overweave"
    )


given: list[str | None] = []


@cluster_task(help={"inventory": "a file"})
def look(c, inventory=None):
    """Note the inventory."""
    given.append(inventory)


CONTEXT = FleetContext(fabric.Config(), task_name="it", host_names=(), remainder="", own_ssh_config=False)


def test_the_option_is_a_kind_of_inventory():
    given.clear()
    look(CONTEXT, vagrant=True)
    look(CONTEXT, vagrant=True, inventory="wanted.yml")
    look(CONTEXT, inventory="wanted.yml")
    assert given == ["vagrant:", "vagrant:wanted.yml", "wanted.yml"]
    with pytest.raises(UsageError) as caught:
        look(CONTEXT, vagrant=True, inventory="-")
    assert str(caught.value) == (
        "--vagrant takes no inventory from standard input\n  -> name a file with --inventory"
    )


def test_every_task_that_takes_an_inventory_has_it():
    contexts = collect(Path(__file__).parents[3]).to_contexts()
    flags = {context.name: context.flag_names() for context in contexts}
    assert {name for name, its in flags.items() if "--vagrant" in its} == {
        name for name, its in flags.items() if "--inventory" in its
    }
    assert "--vagrant" in flags["deploy-overlay"]
    assert "--vagrant" not in flags["lab.up"]
