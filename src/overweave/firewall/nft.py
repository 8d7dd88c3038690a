"""`nft -j list ruleset` as tables. What isn't understood becomes an unknown condition, never an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

from .rules import ALWAYS, NEVER, UNKNOWN, Act, Chain, Condition, Rule, Span, Table, Tool, What

FAMILIES = ("ip", "inet", "netdev")
NOTHING = ("counter", "log", "comment", "mangle", "notrack", "set", "map", "ct helper", "ct timeout", "dup")
"""Statements after which a rule goes on."""
VERDICTS = {
    "accept": Act.ACCEPT,
    "drop": Act.DROP,
    "reject": Act.DROP,
    "return": Act.RETURN,
    "continue": Act.NOTHING,
}
FIELDS = {
    ("ip", "saddr"): What.SOURCE,
    ("ip", "daddr"): What.DESTINATION,
    ("ip", "protocol"): What.PROTOCOL,
    **{(protocol, "dport"): What.PORT for protocol in ("tcp", "udp", "th")},
    **{(protocol, "sport"): What.SOURCE_PORT for protocol in ("tcp", "udp", "th")},
}
META = {
    "l4proto": What.PROTOCOL,
    "iifname": What.INTO,
    "iif": What.INTO,
    "oifname": What.OUT_OF,
    "oif": What.OUT_OF,
}
NUMBERS = (What.SOURCE, What.DESTINATION, What.PORT, What.SOURCE_PORT)

Json = Any
Key = tuple[str, str]
"""Family and name of a table."""


class Unreadable(ValueError):
    """This is not what nft prints."""


def parse(text: str, listing: str = "") -> list[Table]:
    """``listing`` is `nft -a list ruleset`, which has the rules as nft prints them. Raises `Unreadable`."""
    try:
        objects = json.loads(text or '{"nftables": []}')["nftables"]
        return _Ruleset(objects, _texts(listing)).tables()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Unreadable(f"nft printed something that makes no sense: {type(e).__name__}") from e


def _texts(listing: str) -> dict[tuple[str, str, int], str]:
    """Rules by family, table and handle."""
    found: dict[tuple[str, str, int], str] = {}
    family = table = ""
    for line in listing.splitlines():
        if head := re.match(r"table (\S+) (\S+) \{", line):
            family, table = head[1], head[2]
        elif rule := re.match(r"\s+(.*) # handle ([0-9]{1,18})$", line):
            found[family, table, int(rule[2])] = rule[1]
    return found


class _Ruleset:
    def __init__(self, objects: list[Json], texts: Mapping[tuple[str, str, int], str]) -> None:
        self._texts = texts
        self._of_kind: dict[str, list[Json]] = {}
        for its in objects:
            for kind, value in its.items():
                self._of_kind.setdefault(kind, []).append(value)
        self._sets = {
            (str(s["family"]), str(s["table"]), str(s["name"])): list(s.get("elem") or ())
            for kind in ("set", "map")
            for s in self._of_kind.get(kind, ())
        }

    def tables(self) -> list[Table]:
        rules: dict[tuple[Key, str], list[Rule]] = {}
        for raw in self._of_kind.get("rule", ()):
            key = (str(raw["family"]), str(raw["table"]))
            if key[0] in FAMILIES:
                rules.setdefault((key, str(raw["chain"])), []).extend(self._rules(key, raw))
        chains: dict[Key, dict[str, Chain]] = {}
        for raw in self._of_kind.get("chain", ()):
            key, name = (str(raw["family"]), str(raw["table"])), str(raw["name"])
            # A chain of type nat drops nothing.
            hook = "" if raw.get("type") == "nat" else str(raw.get("hook") or "")
            priority = raw.get("prio")
            chains.setdefault(key, {})[name] = Chain(
                name,
                tuple(rules.get((key, name), ())),
                hook,
                VERDICTS.get(str(raw.get("policy") or "accept"), Act.ACCEPT),
                priority if isinstance(priority, int) else 0,
            )
        return [
            Table(Tool.NFT, family, name, its) for (family, name), its in chains.items() if family in FAMILIES
        ]

    def _rules(self, key: Key, raw: Json) -> Iterator[Rule]:
        """More than one where a rule looks its verdict up in a map."""
        handle = raw.get("handle")
        text = self._texts.get(
            (*key, handle if isinstance(handle, int) else -1), f"rule with handle {handle}"
        )
        conditions: list[Condition] = []
        for statement in raw["expr"]:
            for kind, value in statement.items():
                if kind == "match":
                    conditions += self._match(key, value)
                elif kind in VERDICTS:
                    yield Rule(text, tuple(conditions), VERDICTS[kind])
                    return
                elif kind in ("jump", "goto"):
                    yield Rule(text, tuple(conditions), Act(kind), str(value["target"]))
                    return
                elif kind == "vmap":
                    for its, act, target in self._map(key, value):
                        yield Rule(text, (*conditions, *its), act, target)
                    return
                elif kind in ("limit", "quota", "ct count"):
                    conditions.append(UNKNOWN)
                elif kind not in NOTHING:
                    yield Rule(text, (*conditions, UNKNOWN), Act.UNKNOWN)
                    return
        yield Rule(text, tuple(conditions), Act.NOTHING)

    def _match(self, key: Key, raw: Json) -> Iterator[Condition]:
        op, left, right = raw.get("op"), raw["left"], self._resolved(key, raw["right"])
        if op not in ("==", "!=", "in") or (op == "!=" and "concat" in left):
            yield UNKNOWN
            return
        *implied, last = _conditions(left, right)
        yield from implied
        yield last if last is NEVER else replace(last, negated=last.negated is not (op == "!="))

    def _resolved(self, key: Key, right: Json) -> list[Json]:
        """The values on the right side of a match, those of a named set too."""
        if isinstance(right, str) and right.startswith("@"):
            # What a set without a list holds, such as one that is filled by packets, isn't known.
            return self._sets.get((*key, right[1:])) or [None]
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        return [_value(r) for r in right] if isinstance(right, list) else [right]

    def _map(self, key: Key, raw: Json) -> Iterator[tuple[list[Condition], Act, str]]:
        for element in self._resolved(key, raw["data"]):
            if not isinstance(element, list) or len(element) != 2 or not isinstance(element[1], dict):
                yield [UNKNOWN], Act.UNKNOWN, ""
                continue
            ((verdict, its),) = element[1].items()
            value, left = _value(element[0]), raw["key"]
            if isinstance(left, dict) and "concat" in left:
                values = value["concat"] if isinstance(value, dict) else [None] * len(left["concat"])
                found = [
                    c for one, v in zip(left["concat"], values, strict=True) for c in _conditions(one, [v])
                ]
            else:
                found = list(_conditions(left, [value]))
            if verdict in ("jump", "goto"):
                yield found, Act(verdict), str(its["target"])
            else:
                yield found, VERDICTS.get(verdict, Act.UNKNOWN), ""


def _value(element: Json) -> Json:
    """A value without what a set notes beside it, such as a timeout."""
    if isinstance(element, dict) and "elem" in element:
        return element["elem"]["val"]
    return element


def _conditions(left: Json, values: list[Json]) -> Iterator[Condition]:
    """What it takes for ``left`` to be one of ``values``, the last, and what it takes to have it at all,
    before: a port of TCP is one of no other protocol."""
    if isinstance(left, dict) and "concat" in left:
        yield from _concatenated(left["concat"], values)
        return
    kind, about = next(iter(left.items())) if isinstance(left, dict) and len(left) == 1 else ("", {})
    values = [_value(v) for v in values]
    what = None
    if kind == "payload":
        where = (str(about.get("protocol")), str(about.get("field")))
        what = FIELDS.get(where)
        if where[0] in ("ip6", "icmp", "icmpv6", "arp", "ether", "vlan", "esp", "ah", "sctp"):
            yield UNKNOWN if where[0] in ("ether", "vlan") else NEVER
            return
    elif kind == "meta":
        key = str(about.get("key"))
        if key in ("nfproto", "protocol"):
            yield from _if_all(values, {"ipv4": True, "ip": True, "ipv6": False, "ip6": False, "arp": False})
            return
        what = META.get(key)
    elif kind == "ct" and about.get("key") == "state":
        what = What.STATE
    elif kind == "ct" and about.get("key") == "status":
        yield from _if_all(values, {"dnat": False, "snat": False, "seen-reply": False, "assured": False})
        return
    if what is None:
        yield UNKNOWN
        return
    if kind == "payload" and about["protocol"] in ("tcp", "udp"):
        yield Condition(What.PROTOCOL, names=(about["protocol"],))
    if what in NUMBERS:
        spans = [_span(v) for v in values]
        yield Condition(what, spans=tuple(s for s in spans if s), partial=None in spans)
    else:
        names = [_name(v) for v in values]
        yield Condition(what, names=tuple(n for n in names if n), partial=None in names)


def _concatenated(parts: list[Json], values: list[Json]) -> Iterator[Condition]:
    """``a . b`` is one of several pairs: that ``a`` fits one of them and ``b`` one is not enough."""
    rows = [v["concat"] if isinstance(v, dict) and "concat" in v else None for v in map(_value, values)]
    known = [row for row in rows if row and len(row) == len(parts)]
    for index, part in enumerate(parts):
        for condition in _conditions(part, [row[index] for row in known]):
            yield replace(condition, partial=condition.partial or len(known) < len(rows))
    yield ALWAYS if len(rows) == 1 else UNKNOWN


def _if_all(values: list[Json], told: Mapping[str, bool]) -> Iterator[Condition]:
    flags = [told.get(v) if isinstance(v, str) else None for v in values]
    yield ALWAYS if True in flags else UNKNOWN if None in flags else NEVER


def _span(value: Json) -> Span | None:
    """None for what isn't understood; a range of IPv6 is one that holds nothing."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return (value, value)
    try:
        if isinstance(value, str):
            if ":" in value:
                IPv6Address(value)
                return (1, 0)
            address = int(IPv4Address(value))
            return (address, address)
        if isinstance(value, dict) and "prefix" in value:
            if ":" in str(value["prefix"]["addr"]):
                return (1, 0)
            network = IPv4Network((str(value["prefix"]["addr"]), int(value["prefix"]["len"])), strict=False)
            return (int(network.network_address), int(network.broadcast_address))
        if isinstance(value, dict) and "range" in value:
            low, high = (_span(end) for end in value["range"])
            return (low[0], high[1]) if low and high else None
    except ValueError:
        return None
    return None


PROTOCOLS = {6: "tcp", 17: "udp"}


def _name(value: Json) -> str | None:
    if isinstance(value, int):
        return PROTOCOLS.get(value)
    return value if isinstance(value, str) and not value.startswith("@") else None
