"""All tasks under one roof: the same for `fab` in a checkout and for `overweave` anywhere."""

from __future__ import annotations

from pathlib import Path

from invoke.collection import Collection

from . import (
    apply_networks,
    backends,
    bench,
    doctor,
    hosts,
    init,
    inventory,
    lab,
    looking,
    migrate,
    networks,
    playbooks,
    rebuild,
    secrets,
    services,
    store,
    store_servers,
    tasks,
    trace,
)

AT_ROOT = (
    tasks,
    looking,
    hosts,
    doctor,
    store,
    store_servers,
    secrets,
    rebuild,
    migrate,
    networks,
    apply_networks,
    backends,
    services,
    trace,
    bench,
    init,
    inventory,
)
"""Modules whose tasks have no prefix."""


def collect(folder: Path) -> Collection:
    """The tasks of a fleet, the lab under ``lab.``, and the runbooks of ``folder``/playbooks."""
    root = Collection()
    for module in AT_ROOT:
        for task in Collection.from_module(module).tasks.values():
            root.add_task(task)
    root.add_collection(Collection.from_module(lab), name="lab")
    runbooks = playbooks.find(folder / "playbooks")
    if runbooks.task_names:
        root.add_collection(runbooks, name="runbook")
    return root
