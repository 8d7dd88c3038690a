"""The units of systemd that an engine's start goes by: have they failed, and are they what is on disk?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Result, query

from .text import number, properties

UNITS = ("docker.service", "docker.socket", "containerd.service")

QUERIES = (
    query(
        *("systemctl", "show", *UNITS),
        *("-p", "Id", "-p", "LoadState", "-p", "ActiveState", "-p", "Result"),
        *("-p", "NRestarts", "-p", "NeedDaemonReload"),
    ),
)


@dataclass(frozen=True)
class Service:
    """``restarts`` are those that systemd made by itself; ``outdated``: its files have changed since
    systemd read them."""

    name: str
    state: str
    result: str
    restarts: int
    outdated: bool


def parse(results: Sequence[Result]) -> tuple[Service, ...]:
    """Those of the units that there are."""
    found = []
    for block in results[0].stdout.split("\n\n"):
        its = properties(block)
        if its.get("Id") in UNITS and its.get("LoadState") == "loaded":
            found.append(
                Service(
                    its["Id"],
                    its.get("ActiveState", ""),
                    its.get("Result", ""),
                    number(its.get("NRestarts", "")) or 0,
                    its.get("NeedDaemonReload") == "yes",
                )
            )
    return tuple(found)
