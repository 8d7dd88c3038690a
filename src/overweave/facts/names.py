"""Whom a host asks for names, and whether it knows its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from overweave.command import Result, query_script

QUERIES = (
    # systemd-resolved's own file has the servers that 127.0.0.53 asks.
    query_script("cat /etc/resolv.conf /run/systemd/resolve/resolv.conf 2>/dev/null; true"),
    query_script('timeout 2 getent hosts "$(uname -n)"'),
)


@dataclass(frozen=True)
class Names:
    """``knows_itself`` is None where it can't be told."""

    resolvers: tuple[IPv4Address, ...]
    knows_itself: bool | None


def parse(results: Sequence[Result]) -> Names:
    files, own = results
    resolvers = []
    for line in files.stdout.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                resolvers.append(IPv4Address(words[1]))
            except ValueError:
                continue
    # getent says 2 for a name that nobody knows, and timeout 124 where nobody answers.
    known = {0: True, 2: False, 124: False}.get(own.status)
    return Names(tuple(dict.fromkeys(resolvers)), known)
