"""What a host keeps of the networks that an inventory lists: who was connected to them, and its own shims."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overweave.command import Result, query_script

from .record import FOLDER as STATE_FOLDER
from .typed import text_map

CONNECTED = f"{STATE_FOLDER}/connected.json"
UNITS = "/etc/systemd/system"
SHIM = "overweave-shim-"
"""What the name of a shim's unit begins with; its network's name is behind it."""

QUERIES = (
    query_script('test ! -e "$1" || head -c 1048576 "$1"', CONNECTED),
    # A line each, and no file without an end: a unit of ours has no line that begins with a NUL.
    query_script(
        'for unit in "$1/$2"*.service; do [ -f "$unit" ] || continue; '
        'printf "\\0%s\\n" "${unit##*/}"; head -c 65536 "$unit"; done',
        UNITS,
        SHIM,
    ),
    query_script(
        'for unit in "$1/$2"*.service; do [ -f "$unit" ] || continue; '
        'systemctl -q is-active "${unit##*/}" && echo "${unit##*/}"; done; true',
        UNITS,
        SHIM,
    ),
)


@dataclass(frozen=True)
class HostNotes:
    """``connected``: ids of the containers that were connected to each network, by their names; ``text`` is
    its file's. ``shims``: the text of each shim's unit by the network's name, and which of them ``run``."""

    connected: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    text: str = ""
    shims: Mapping[str, str] = field(default_factory=dict)
    run: frozenset[str] = frozenset()


def parse(results: Sequence[Result]) -> HostNotes:
    """A note that can't be read tells of nobody: then no container is taken for one that was connected."""
    note, units, active = (result.stdout for result in results)
    shims = {}
    for part in units.split("\0")[1:]:
        name, _, text = part.partition("\n")
        shims[network_of(name)] = text
    return HostNotes(
        connected=_connected(note),
        text=note,
        shims=shims,
        run=frozenset(network_of(name) for name in active.split()),
    )


def unit_of(network: str) -> str:
    return f"{SHIM}{network}.service"


def network_of(unit: str) -> str:
    return unit.removeprefix(SHIM).removesuffix(".service")


def note(connected: Mapping[str, Mapping[str, str]]) -> str:
    """The text of the file; "" where nobody was connected."""
    told = {network: dict(sorted(its.items())) for network, its in sorted(connected.items()) if its}
    return json.dumps(told, indent=1) + "\n" if told else ""


def _connected(text: str) -> dict[str, dict[str, str]]:
    try:
        raw = json.loads(text) if text else {}
        return {str(network): text_map(its) for network, its in raw.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
