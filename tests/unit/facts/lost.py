"""A store before its data were lost, and what its hosts know: captured on three hosts with 20.10.5."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from overweave.facts.remembered import Remembered, Segment, parse

CAPTURED = json.loads((Path(__file__).parent / "captured/overlay-in-store.json").read_text())
NETWORK = "ff28f29359865b5e53502c7a5936403aef7aa21a6ce3f1d64ae6b36d69387e93"
ANONYMOUS = "6aece622d47fb1559b1b17630d66ab1aa369afd79e3d6ce775d8d5093abf3fe3"
SEGMENT = Segment(IPv4Network("10.211.0.0/16"), "10.211.0.1", 256, 1450)
VTEPS = {"host1": "10.96.2.11", "host2": "10.96.2.12", "host3": "10.96.2.13"}


def tree():
    """All keys under docker/, as they were."""
    return {key: value.encode() for key, value in CAPTURED["tree"].items()}


def joined(host):
    """The places of a host's containers; with a way out, as all have one."""
    found = CAPTURED["containers"][host]
    outside = frozenset(f"gateway_{c['NetworkSettings']['SandboxID'][:12]}" for c in found)
    anonymous = frozenset({ANONYMOUS})
    return tuple(
        its for c in found for its in parse(c, host, [NETWORK], anonymous=anonymous, outside=outside)
    )


def hosts():
    return {host: Remembered(joined(host), {NETWORK: (SEGMENT,)}) for host in VTEPS}
