"""From what was typed to a container of the fleet. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from overweave.errors import UsageError
from overweave.facts.containers import Listed
from overweave.printable import one_line

MANY = 8
"""Containers that an error names."""


def choose(word: str, there: Sequence[Listed], silent: Mapping[str, str]) -> Listed:
    """The container with this name, or the begin of this id; ``HOST:NAME`` where there are several.

    ``silent`` has the reason of each host whose engine was not listed. Raises `UsageError`.
    """
    host, _, name = word.rpartition(":")
    among = [its for its in there if not host or its.host == host]
    found = [its for its in among if its.name == name]
    if not found and re.fullmatch(r"[0-9a-f]{4,64}", name):
        found = [its for its in among if its.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        told = [f"{its.host}:{its.name}" for its in found]
        raise UsageError(
            f"'{_shown(word)}' is ambiguous: {_some(told)}", hint=f"say which one you mean, as in {told[0]}"
        )
    hosts = {its.host for its in there} | set(silent)
    if host and host not in hosts:
        raise UsageError(
            f"'{_shown(word)}': there is no host {_shown(host)} here",
            hint=f"the hosts are {_some(sorted(hosts))}",
        )
    where = f" on {host}" if host else ""
    asleep = "".join(f"; {name} was not asked: {why}" for name, why in silent.items() if host in ("", name))
    raise UsageError(
        f"there is no container '{_shown(name)}'{where}{asleep}", hint=_nearest(name, among or there)
    )


def _nearest(name: str, there: Sequence[Listed]) -> str:
    names = {its.name: its for its in there}
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(f'{names[n].host}:{n}' for n in near)}?"
    if names:
        return f"there are {_some([f'{its.host}:{its.name}' for its in there])}"
    return "start one with `docker run`; there is none at all"


def _some(told: Sequence[str]) -> str:
    more = f" and {len(told) - MANY} more" if len(told) > MANY else ""
    return ", ".join(told[:MANY]) + more


def _shown(text: str) -> str:
    return one_line(text, 60)
