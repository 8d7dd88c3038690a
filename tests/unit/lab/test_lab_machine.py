"""The kernel's limits: raised with the first lab, put back with the last, whoever else changes them."""

from __future__ import annotations

import pytest

from overweave.lab import machine

LIMITS = {
    "fs/inotify/max_user_instances": 128,
    "fs/inotify/max_user_watches": 1000000,
    "net/ipv4/neigh/default/gc_thresh3": 1024,
    "net/ipv4/neigh/default/gc_thresh2": 512,
    "net/ipv4/neigh/default/gc_thresh1": 128,
}


@pytest.fixture
def limits(tmp_path, monkeypatch):
    """Reads the limits, as files in a folder that stands for /proc/sys, which has no IPv6."""
    for name in ("PROC_SYS", "NETNS", "MACHINE"):
        monkeypatch.setattr(machine, name, tmp_path / name)
    for name, value in LIMITS.items():
        (tmp_path / "PROC_SYS" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "PROC_SYS" / name).write_text(f"{value}\n")
    return lambda: {name: int((tmp_path / "PROC_SYS" / name).read_text()) for name in LIMITS}


@pytest.fixture
def labs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.json").write_text("{}")
    return tmp_path / "one", tmp_path / "two"


RAISED = {name: max(value, machine.WANTED[name]) for name, value in LIMITS.items()}


def test_limits_are_raised_once_and_put_back_with_the_last_lab(limits, labs):
    one, two = labs
    machine.enter(one)
    assert limits() == RAISED
    machine.enter(two)
    machine.enter(two)
    machine.leave(one)
    assert limits() == RAISED
    machine.leave(two)
    assert limits() == LIMITS
    assert not machine.MACHINE.exists()


def test_a_lab_that_vanished_does_not_count(limits, labs):
    one, two = labs
    machine.enter(one)
    machine.enter(two)
    (one / "lab.json").unlink()
    machine.leave(two)
    assert limits() == LIMITS


def test_what_somebody_else_set_is_left_alone(limits, labs):
    machine.enter(labs[0])
    changed = machine.PROC_SYS / "net/ipv4/neigh/default/gc_thresh3"
    changed.write_text("100000")
    machine.leave(labs[0])
    assert limits() == {**LIMITS, "net/ipv4/neigh/default/gc_thresh3": 100000}


def test_a_reboot_in_between_changes_nothing(limits, labs):
    machine.enter(labs[0])
    for name, value in LIMITS.items():
        (machine.PROC_SYS / name).write_text(str(value))
    machine.enter(labs[0])
    assert limits() == RAISED
    machine.leave(labs[0])
    assert limits() == LIMITS


@pytest.mark.parametrize("existed", [True, False])
def test_the_folder_of_namespaces_goes_only_if_it_came_with_a_lab(limits, labs, existed):
    if existed:
        machine.NETNS.mkdir()
    machine.enter(labs[0])
    machine.NETNS.mkdir(exist_ok=True)
    machine.leave(labs[0])
    assert machine.NETNS.exists() == existed
