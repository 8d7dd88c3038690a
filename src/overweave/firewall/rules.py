"""Packet filters as values, whichever tool printed them: tables of chains of rules, and packets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

INCOMING = ("ingress", "prerouting", "input")
OUTGOING = ("output", "postrouting")
"""Hooks that a packet for the host, or from it, comes by; in their order."""

Span = tuple[int, int]
"""A range of addresses or ports, both ends in it."""


class What(StrEnum):
    """What of a packet a condition is about. ``UNKNOWN`` is one that isn't understood."""

    SOURCE = "source"
    DESTINATION = "destination"
    SOURCE_PORT = "source port"
    PORT = "port"
    PROTOCOL = "protocol"
    STATE = "state"
    INTO = "incoming interface"
    OUT_OF = "outgoing interface"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection. ``interface`` is where it comes in or, ``outgoing``, leaves."""

    protocol: str
    source: IPv4Address
    destination: IPv4Address
    port: int
    interface: str
    outgoing: bool = False


@dataclass(frozen=True)
class Condition:
    """Holds if one of ``spans`` or ``names`` fits. A name that ends in ``*`` is the begin of one.

    ``partial``: there are more values than those that were understood.
    """

    what: What
    spans: tuple[Span, ...] = ()
    names: tuple[str, ...] = ()
    negated: bool = False
    partial: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """None where it can't be told."""
        found = self._fits(packet)
        if found is None or (self.partial and not found):
            return None
        return found is not self.negated

    def _fits(self, packet: Packet) -> bool | None:
        match self.what:
            case What.SOURCE:
                return self._within(int(packet.source))
            case What.DESTINATION:
                return self._within(int(packet.destination))
            case What.PORT:
                return self._within(packet.port)
            case What.SOURCE_PORT:
                # Any port that is free: only a range of all of them certainly has it.
                return True if (0, 65535) in self.spans else None
            case What.PROTOCOL:
                return packet.protocol in self.names
            case What.STATE:
                return "new" in self.names
            case What.INTO:
                return False if packet.outgoing else self._named(packet.interface)
            case What.OUT_OF:
                return self._named(packet.interface) if packet.outgoing else False
            case What.UNKNOWN:
                return None

    def _within(self, value: int) -> bool:
        return any(low <= value <= high for low, high in self.spans)

    def _named(self, name: str) -> bool:
        return any(name == n or (n.endswith("*") and name.startswith(n[:-1])) for n in self.names)


UNKNOWN = Condition(What.UNKNOWN)
ALWAYS = Condition(What.SOURCE, spans=((0, 2**32 - 1),))
NEVER = Condition(What.SOURCE)


class Act(StrEnum):
    """What a rule does with a packet that it fits. ``UNKNOWN`` may accept, drop or do nothing."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rule:
    """``text`` is the rule as its tool prints it; ``target`` the chain of a jump or goto."""

    text: str
    conditions: tuple[Condition, ...]
    act: Act
    target: str = ""


@dataclass(frozen=True)
class Chain:
    """``hook`` is "" for a chain that is only jumped to; ``policy`` is what happens at the end of one
    that isn't."""

    name: str
    rules: tuple[Rule, ...]
    hook: str = ""
    policy: Act = Act.ACCEPT
    priority: int = 0


class Tool(StrEnum):
    """Who printed a table, and can change it: the two flavours of iptables don't see each other's rules."""

    IPTABLES_NFT = "iptables-nft"
    IPTABLES_LEGACY = "iptables-legacy"
    NFT = "nft"


@dataclass(frozen=True)
class Table:
    """``family`` is nft's: ip, inet or netdev."""

    tool: Tool
    family: str
    name: str
    chains: Mapping[str, Chain]

    @property
    def rules(self) -> int:
        return sum(len(chain.rules) for chain in self.chains.values())
