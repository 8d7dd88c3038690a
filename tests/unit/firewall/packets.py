"""Packets between 10.0.0.11, the host whose rules are asked, and its peers, and what becomes of them."""

from __future__ import annotations

from ipaddress import IPv4Address

from overweave.firewall.judge import drops
from overweave.firewall.rules import Packet

OWN = "10.0.0.11"
PEER = "10.0.0.12"


def packet(text, *, peer=PEER, interface="eth0"):
    """``udp 4789`` comes in from a peer, ``udp 4789 out`` goes to it."""
    protocol, port, *out = text.split()
    own, other = IPv4Address(OWN), IPv4Address(peer)
    ends = (own, other) if out else (other, own)
    return Packet(protocol, *ends, int(port), interface, bool(out))


def verdict(tables, its):
    """``passes``, or the rule (``policy`` for a chain's) of each chain that drops it, "?" where it may."""
    found = [
        f"{d.rule.text if d.rule else f'policy of {d.chain.name}'}{'' if d.certain else ' ?'}"
        for d in drops(tables, its)
    ]
    return found or "passes"
