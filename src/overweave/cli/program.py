"""The `overweave` command: Fabric's command line with our tasks, and no fabfile needed."""

from __future__ import annotations

import sys
from pathlib import Path

import fabric
from fabric.main import Fab

from overweave import __version__
from overweave.errors import OverweaveError

from .collection import collect
from .executor import FleetExecutor


class Program(Fab):  # type: ignore[misc]
    def print_version(self) -> None:
        print(f"overweave {__version__}")


def main() -> None:
    try:
        namespace = collect(Path.cwd())
    except OverweaveError as e:
        sys.exit(f"overweave: {e}")
    Program(
        name="overweave",
        binary="overweave",
        binary_names=["overweave"],
        version=__version__,
        namespace=namespace,
        executor_class=FleetExecutor,
        config_class=fabric.Config,
    ).run()
