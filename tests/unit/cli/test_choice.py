"""The fleet of a command line, where that says what carries the overlay."""

from __future__ import annotations

import pytest

from overweave.cli import choice
from overweave.errors import InventoryError, UsageError


@pytest.fixture
def inventory(tmp_path):
    file = tmp_path / "fleet.yml"
    file.write_text("backend: swarm\nswarm: {managers: 1}\nhosts: {a: , b: }\n")
    return str(file)


@pytest.mark.parametrize(
    ("asked", "backend"), [("", "swarm"), ("auto", "auto"), ("consul", "consul"), ("swarm", "swarm")]
)
def test_an_option_wins_over_the_inventory_and_none_leaves_it(inventory, asked, backend):
    fleet = choice.fleet([], inventory, backend=asked)
    assert (fleet.backend, fleet.swarm.managers) == (backend, 1)
    assert choice.fleet(["a"], inventory, backend=asked).backend == backend


def test_hosts_without_an_inventory_take_what_all_engines_can_do():
    assert choice.fleet(["a"], may_be_lab=False).backend == "auto"
    assert choice.fleet(["a"], may_be_lab=False, backend="swarm").backend == "swarm"


def test_a_network_that_is_to_be_encrypted_is_refused_where_an_option_says_another_backend(tmp_path):
    file = tmp_path / "fleet.yml"
    file.write_text("{backend: swarm, hosts: {a: }, network: {options: {encrypted: ''}}}")
    assert choice.fleet([], str(file)).in_swarm
    with pytest.raises(InventoryError) as caught:
        choice.fleet([], str(file), backend="consul")
    assert str(caught.value) == (
        "network.options.encrypted: works in Swarm mode only: with a cluster store containers fail to join\n"
        "  -> remove it, or say `backend: swarm`"
    )


def test_an_option_against_the_store_of_the_inventory_is_refused(tmp_path):
    file = tmp_path / "inventory.yml"
    file.write_text("hosts: {a: }\nstore: {kind: etcd}\n")
    with pytest.raises(UsageError) as caught:
        choice.fleet([], str(file), backend="consul")
    assert str(caught.value) == (
        "--backend is consul, and the inventory's store is one of etcd\n"
        "  -> leave the option out, or change `store: kind:`"
    )
    assert choice.fleet([], str(file), backend="etcd").store.kind == "etcd"


@pytest.mark.parametrize("asked", ["kubernetes", "Swarm", "consul "])
def test_a_backend_that_there_is_not_is_refused(inventory, asked):
    with pytest.raises(UsageError) as caught:
        choice.fleet([], inventory, backend=asked)
    assert str(caught.value) == f"--backend: there is no '{asked}'\n  -> take auto, consul, etcd or swarm"
    assert caught.value.exit_code == 2


def test_without_an_inventory_those_of_named_labs_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    (tmp_path / "inventory").mkdir()
    for name in ("lab-b", "lab-a", "example"):
        (tmp_path / f"inventory/{name}.yml").write_text("hosts: {a: }\n")
    with pytest.raises(UsageError) as caught:
        choice.fleet([])
    assert str(caught.value) == (
        "no hosts\n  -> give them with -H host1,host2, or take those of a lab: "
        "--inventory inventory/lab-a.yml or --inventory inventory/lab-b.yml"
    )
    with pytest.raises(UsageError) as caught:
        choice.fleet([], may_be_lab=False)
    assert "lab" not in str(caught.value)
    assert choice.fleet(["web"]).names == ("web",)


def test_an_inventory_of_the_environment_that_is_gone_is_told_to_be_from_there(tmp_path, monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, str(tmp_path / "gone.yml"))
    with pytest.raises(InventoryError) as caught:
        choice.fleet([])
    assert str(caught.value) == (
        f"{tmp_path}/gone.yml: no such inventory\n"
        "  -> OVERWEAVE_INVENTORY in the environment names it: set it anew, or `unset OVERWEAVE_INVENTORY`"
    )
