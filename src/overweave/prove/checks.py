"""What runs inside the probe containers, and the parser of what they say.

One exec a host does all checks against all peers: one exec a pair takes minutes at 25 hosts. The script
uses busybox's applets only, as every busybox image since 1.30 has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from overweave.printable import one_line
from overweave.render import script

from .matrix import Verdict

ECHO_PORT = 7070
PAYLOAD = 1 << 20
"""Bytes that each TCP check sends, and gets back."""
LIFETIME = 600
"""Seconds after which a probe ends by itself, should nobody be left to remove it."""

SERVER = f"nc -ll -p {ECHO_PORT} -e cat & exec sleep {LIFETIME}"
CLIENT = script("probe-checks.sh")
"""Runs in the probe: what each check does is told there."""
AROUND = script("proof-around.sh")
"""Runs on the host: the checks, with a look at the overlay's namespace before and after."""


def client_arguments(mtu: int, peers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Arguments of `CLIENT`: ``mtu`` in bytes, and name and address of each peer."""
    return (str(ECHO_PORT), str(PAYLOAD), str(mtu), *(word for peer in peers for word in peer))


@dataclass(frozen=True)
class HostReport:
    """One host's answers. ``verdicts`` by container name; ``vteps`` by address of a container: where the
    host's overlay sends packets for it."""

    verdicts: dict[str, dict[str, Verdict]]
    vni: int
    sent: int
    received: int
    vteps: dict[str, str]


def parse(text: str, mark: str) -> HostReport:
    """Parse the output of `AROUND`. Parts that are missing leave their check without a verdict."""
    parts = text.split(f"{mark}\n")
    before, answers, after, neighbours, forwarding = (*parts, *[""] * 5)[:5]
    old, new = _vxlan(before), _vxlan(after)
    return HostReport(
        verdicts=parse_verdicts(answers),
        vni=_number(new, "linkinfo", "info_data", "id"),
        sent=_packets(new, "tx") - _packets(old, "tx"),
        received=_packets(new, "rx") - _packets(old, "rx"),
        vteps=_vteps(_json(neighbours), _json(forwarding)),
    )


def parse_verdicts(text: str) -> dict[str, dict[str, Verdict]]:
    """Lines ``NAME CHECK ok|red DETAIL``; anything else is noise of the container's tools."""
    found: dict[str, dict[str, Verdict]] = {}
    for line in text.splitlines():
        words = line.split(" ", 3)
        if len(words) == 4 and words[2] in ("ok", "red"):
            name, check, verdict, detail = words
            found.setdefault(name, {})[check] = Verdict(verdict == "ok", one_line(detail, 100))
    return found


def _json(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text.strip() or "[]")
    except (ValueError, RecursionError):
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _vxlan(text: str) -> dict[str, Any]:
    # iproute2 prints an empty object for each link that its filter leaves out.
    return next((link for link in _json(text) if link), {})


def _number(value: Any, *keys: str) -> int:
    """A number deep in JSON of a host; 0 where the way there or its end is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0


def _packets(link: dict[str, Any], direction: str) -> int:
    return _number(link, "stats64", direction, "packets") or _number(link, "stats", direction, "packets")


def _vteps(neighbours: Sequence[dict[str, Any]], forwarding: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Join address -> MAC (neighbour rows) with MAC -> VTEP (forwarding rows)."""
    where = _pairs(forwarding, "mac", "dst")
    return {
        address: where[mac] for address, mac in _pairs(neighbours, "dst", "lladdr").items() if mac in where
    }


def _pairs(rows: Sequence[dict[str, Any]], key: str, value: str) -> dict[str, str]:
    return {
        row[key]: row[value]
        for row in rows
        if isinstance(row.get(key), str) and isinstance(row.get(value), str)
    }
