"""`iptables-save` output as tables. What isn't understood becomes an unknown condition, never an error."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from .rules import ALWAYS, NEVER, UNKNOWN, Act, Chain, Condition, Rule, Span, Table, Tool, What

PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp"}

ACTS = {"ACCEPT": Act.ACCEPT, "DROP": Act.DROP, "REJECT": Act.DROP, "TARPIT": Act.DROP, "RETURN": Act.RETURN}
HARMLESS = {
    *("AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "ECN", "HMARK", "IDLETIMER"),
    *("LED", "LOG", "MARK", "NFLOG", "NOTRACK", "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TEE"),
    *("TOS", "TRACE", "TTL", "ULOG"),
}
"""Targets after which the packet goes on to the next rule."""
WITHOUT_MEANING = frozenset(
    {"tcp", "udp", "comment", "multiport", "conntrack", "state", "addrtype", "iprange"}
)
"""Modules whose meaning is all in their options."""

SYN_OUT_OF = frozenset({"FIN", "SYN", "RST", "ACK", "PSH", "URG", "ALL"})


def parse(text: str, tool: Tool) -> list[Table]:
    """The tables that a packet for or from the host meets; ``nat`` is none: it drops nothing."""
    tables: list[Table] = []
    name, policies, rules = "", {}, {}  # type: str, dict[str, str], dict[str, list[Rule]]
    for line in text.splitlines():
        if line.startswith("*"):
            name, policies, rules = line[1:].strip(), {}, {}
        elif line.startswith(":"):
            chain, _, policy = line[1:].partition(" ")
            policies[chain] = policy.partition(" ")[0]
            rules.setdefault(chain, [])
        elif line.strip() == "COMMIT" and name and name != "nat":
            tables.append(Table(tool, "ip", name, _chains(name, policies, rules)))
        elif found := re.match(r"(?:\[\d+:\d+\] )?(-A (\S+) .*)", line):
            rules.setdefault(found[2], []).append(_rule(found[1]))
    return tables


def _chains(table: str, policies: dict[str, str], rules: dict[str, list[Rule]]) -> dict[str, Chain]:
    return {
        name: Chain(
            name,
            tuple(its),
            hook=name.lower() if policies.get(name, "-") != "-" else "",
            policy=ACTS.get(policies.get(name, "-"), Act.ACCEPT),
            priority=PRIORITIES.get(table, 0),
        )
        for name, its in rules.items()
    }


def _rule(text: str) -> Rule:
    try:
        words = shlex.split(text)[2:]
    except ValueError:
        return Rule(text, (UNKNOWN,), Act.UNKNOWN)
    reading = _Reading(words)
    reading.run()
    return Rule(text, tuple(reading.conditions), reading.act, reading.target)


@dataclass
class _Reading:
    """The words of one rule, taken from the left."""

    words: list[str]
    conditions: list[Condition] = field(default_factory=list)
    act: Act = Act.NOTHING
    target: str = ""

    def run(self) -> None:
        negated = False
        while self.words:
            word = self.words.pop(0)
            if word == "!":
                negated = True
                continue
            if word in ("-j", "-g"):
                self._goes(word, self._value())
                return
            self.conditions += self._read(word, negated)
            negated = False

    def _value(self) -> str:
        return self.words.pop(0) if self.words else ""

    def _goes(self, word: str, target: str) -> None:
        if target in HARMLESS:
            return
        self.act = ACTS.get(target, Act.GOTO if word == "-g" else Act.JUMP)
        self.target = target

    def _read(self, word: str, negated: bool) -> Iterator[Condition]:
        match word:
            case "-p":
                value = self._value()
                name = PROTOCOLS.get(value, value)
                yield (
                    ALWAYS
                    if name in ("all", "0")
                    else Condition(What.PROTOCOL, names=(name,), negated=negated)
                )
            case "-s":
                yield _addresses(What.SOURCE, self._value(), negated)
            case "-d":
                yield _addresses(What.DESTINATION, self._value(), negated)
            case "--src-range":
                yield _addresses(What.SOURCE, self._value(), negated)
            case "--dst-range":
                yield _addresses(What.DESTINATION, self._value(), negated)
            case "-i":
                yield Condition(What.INTO, names=(_prefix(self._value()),), negated=negated)
            case "-o":
                yield Condition(What.OUT_OF, names=(_prefix(self._value()),), negated=negated)
            case "--dport" | "--dports":
                yield _ports(What.PORT, self._value(), negated)
            case "--sport" | "--sports":
                yield _ports(What.SOURCE_PORT, self._value(), negated)
            case "--ctstate" | "--state":
                states = tuple(self._value().lower().split(","))
                yield Condition(What.STATE, names=states, negated=negated)
            case "--dst-type":
                yield _local(self._value(), What.INTO, negated)
            case "--src-type":
                yield _local(self._value(), What.OUT_OF, negated)
            case "--tcp-flags":
                yield _flags(self._value(), self._value(), negated)
            case "--comment":
                self._value()
            case "-f":
                yield ALWAYS if negated else NEVER
            case "-m":
                if self._value() not in WITHOUT_MEANING:
                    yield UNKNOWN
            case _ if word.startswith("-"):
                yield UNKNOWN
            # Else a value of an option that isn't known, which has been said.


def _prefix(interface: str) -> str:
    return f"{interface[:-1]}*" if interface.endswith("+") else interface


def _addresses(what: What, text: str, negated: bool) -> Condition:
    low, dash, high = text.partition("-")
    try:
        if dash:
            span = (int(IPv4Address(low)), int(IPv4Address(high)))
        else:
            network = IPv4Network(text, strict=False)
            span = (int(network.network_address), int(network.broadcast_address))
    except (AddressValueError, NetmaskValueError, ValueError):
        return UNKNOWN
    return Condition(what, spans=(span,), negated=negated)


def _ports(what: What, text: str, negated: bool) -> Condition:
    spans: list[Span] = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        if not re.fullmatch(r"[0-9]{1,5}", low) or not re.fullmatch(r"[0-9]{0,5}", high):
            return UNKNOWN
        spans.append((int(low), int(high or low)))
    return Condition(what, spans=tuple(spans), negated=negated)


def _local(kinds: str, here: What, negated: bool) -> Condition:
    """``here``: the side of the packet whose address is the host's own."""
    if kinds == "LOCAL":
        return Condition(here, names=("*",), negated=negated)
    return UNKNOWN


def _flags(mask: str, wanted: str, negated: bool) -> Condition:
    """Of the first packet of a connection, which has SYN and nothing else."""
    masks, set_ = set(mask.split(",")), set(wanted.split(",")) - {"NONE"}
    if not (masks | set_) <= SYN_OUT_OF:
        return UNKNOWN
    seen = {"SYN"} if masks & {"SYN", "ALL"} else set()
    return ALWAYS if (seen == set_) is not negated else NEVER
