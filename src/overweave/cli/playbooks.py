"""Runbooks are found, not registered: every module of a playbooks/ folder that has tasks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from invoke.collection import Collection

from overweave.errors import UsageError


def find(folder: Path) -> Collection:
    """A collection ``runbook`` with the tasks of every module in ``folder``; empty where there is none.

    Raises `UsageError` where a module can't be imported: a runbook that is missing at night is worse
    than an error by day.
    """
    found = Collection("runbook")
    for path in sorted(folder.glob("[a-z]*.py")):
        spec = importlib.util.spec_from_file_location(f"overweave_runbook_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as e:
            raise UsageError(
                f"{path}: {type(e).__name__}: {e}", hint="mend the module or move it away"
            ) from e
        tasks = Collection.from_module(module)
        for name in tasks.task_names:
            # One that it imports, to call it, is none of its own.
            if tasks[name].body.__module__ == module.__name__:
                found.add_task(tasks[name])
    return found
