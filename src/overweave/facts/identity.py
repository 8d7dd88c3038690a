"""Who the host says it is. Gossip goes by host names, so two hosts with one name break it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Result, query_script

QUERIES = (query_script("uname -n; cat /etc/machine-id 2>/dev/null; true"),)


@dataclass(frozen=True)
class Identity:
    hostname: str
    machine_id: str


def parse(results: Sequence[Result]) -> Identity:
    lines = [*results[0].stdout.splitlines(), "", ""]
    return Identity(lines[0].strip(), lines[1].strip())
