"""The kernel's limits: raised with the first lab, put back with the last, whoever else changes them."""

from __future__ import annotations

import pytest

from overweave.lab.machine import WANTED, Machine

LIMITS = {
    "fs/inotify/max_user_instances": 128,
    "fs/inotify/max_user_watches": 1000000,
    "net/ipv4/neigh/default/gc_thresh3": 1024,
    "net/ipv4/neigh/default/gc_thresh2": 512,
    "net/ipv4/neigh/default/gc_thresh1": 128,
}


@pytest.fixture
def machine(tmp_path):
    """With folders that stand for the kernel's; /proc/sys has no IPv6."""
    made = Machine(*(tmp_path / name for name in ("sys", "netns", "shared")))
    for name, value in LIMITS.items():
        (made.limits / name).parent.mkdir(parents=True, exist_ok=True)
        (made.limits / name).write_text(f"{value}\n")
    return made


def limits(machine):
    return {name: int((machine.limits / name).read_text()) for name in LIMITS}


@pytest.fixture
def labs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.json").write_text("{}")
    return tmp_path / "one", tmp_path / "two"


RAISED = {name: max(value, WANTED[name]) for name, value in LIMITS.items()}


def test_limits_are_raised_once_and_put_back_with_the_last_lab(machine, labs):
    one, two = labs
    machine.enter(one)
    assert limits(machine) == RAISED
    machine.enter(two)
    machine.enter(two)
    machine.leave(one)
    assert limits(machine) == RAISED
    machine.leave(two)
    assert limits(machine) == LIMITS
    assert not machine.shared.exists()


def test_a_lab_that_vanished_does_not_count(machine, labs):
    one, two = labs
    machine.enter(one)
    machine.enter(two)
    (one / "lab.json").unlink()
    machine.leave(two)
    assert limits(machine) == LIMITS


def test_what_somebody_else_set_is_left_alone(machine, labs):
    machine.enter(labs[0])
    changed = machine.limits / "net/ipv4/neigh/default/gc_thresh3"
    changed.write_text("100000")
    machine.leave(labs[0])
    assert limits(machine) == {**LIMITS, "net/ipv4/neigh/default/gc_thresh3": 100000}


def test_a_reboot_in_between_changes_nothing(machine, labs):
    machine.enter(labs[0])
    for name, value in LIMITS.items():
        (machine.limits / name).write_text(str(value))
    machine.enter(labs[0])
    assert limits(machine) == RAISED
    machine.leave(labs[0])
    assert limits(machine) == LIMITS


@pytest.mark.parametrize("existed", [True, False])
def test_the_folder_of_namespaces_goes_only_if_it_came_with_a_lab(machine, labs, existed):
    if existed:
        machine.netns.mkdir()
    machine.enter(labs[0])
    machine.netns.mkdir(exist_ok=True)
    machine.leave(labs[0])
    assert machine.netns.exists() == existed
