"""`nft -j list ruleset`, a rule at a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.firewall.nft import Unreadable, parse

from .packets import packet, verdict
from .test_captured import CAPTURED

DROPS, PASSES, MAYBE = ["drop"], "passes", ["?"]


def match(left, right, op="=="):
    kind, _, field = left.partition(" ")
    key = {"meta": {"key": field}} if kind == "meta" else {"ct": {"key": field}} if kind == "ct" else None
    return {
        "match": {"op": op, "left": key or {"payload": {"protocol": kind, "field": field}}, "right": right}
    }


def ruleset(*rules, objects=(), family="inet", hook="input", **more):
    base = {"family": family, "table": "t", "name": "c", "type": "filter", "hook": hook, "prio": 0}
    return json.dumps(
        {
            "nftables": [
                {"metainfo": {"version": "0.9.8"}},
                {"table": {"family": family, "name": "t", "handle": 1}},
                *objects,
                {"chain": {**base, "policy": "accept", **more}},
                *(
                    {"rule": {"family": family, "table": "t", "chain": "c", "handle": n, "expr": list(rule)}}
                    for n, rule in enumerate(rules)
                ),
            ]
        }
    )


def judge(text, its):
    found = verdict(parse(text), packet(its))
    return found if found == "passes" else ["?" if text.endswith(" ?") else "drop" for text in found]


def prefix(address, length):
    return {"prefix": {"addr": address, "len": length}}


UDP = {"payload": {"protocol": "udp", "field": "dport"}}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}


@pytest.mark.parametrize(
    ("condition", "its", "found"),
    [
        (match("udp dport", 4789), "udp 4789", DROPS),
        (match("udp dport", 4789), "tcp 4789", PASSES),
        (match("udp dport", 4789, "!="), "udp 4789", PASSES),
        (match("udp dport", 22, "!="), "udp 4789", DROPS),
        (match("udp dport", 22, "!="), "tcp 4789", PASSES),
        (match("th dport", {"set": [22, {"range": [4000, 5000]}]}), "tcp 4789", DROPS),
        (match("udp dport", 4000, ">"), "udp 4789", MAYBE),
        (match("udp sport", {"range": [0, 65535]}), "udp 4789", DROPS),
        (match("udp sport", {"range": [1024, 65535]}), "udp 4789", MAYBE),
        (match("ip saddr", "10.0.0.12"), "udp 4789", DROPS),
        (match("ip saddr", prefix("10.0.0.0", 24), "!="), "udp 4789", PASSES),
        (match("ip saddr", {"set": ["10.0.0.1", prefix("10.0.0.8", 29)]}), "udp 4789", DROPS),
        (match("ip saddr", {"set": [{"elem": {"val": "10.0.0.12", "timeout": 9}}]}), "udp 4789", DROPS),
        (match("ip daddr", "10.0.0.99"), "udp 4789", PASSES),
        (match("ip6 saddr", "fe80::1", "!="), "udp 4789", PASSES),
        (match("icmp type", "echo-request"), "udp 4789", PASSES),
        (match("ip protocol", "udp"), "udp 4789", DROPS),
        (match("meta l4proto", 17), "udp 4789", DROPS),
        (match("meta l4proto", {"set": ["icmp", "tcp"]}), "udp 4789", PASSES),
        (match("meta nfproto", "ipv6"), "udp 4789", PASSES),
        (match("meta protocol", "ip"), "udp 4789", DROPS),
        (match("meta iifname", "eth0"), "udp 4789", DROPS),
        (match("meta iifname", "eth*"), "udp 4789", DROPS),
        (match("meta iif", "lo", "!="), "udp 4789", DROPS),
        (match("meta oifname", "eth0"), "udp 4789", PASSES),
        (match("meta mark", 1), "udp 4789", MAYBE),
        (match("ct state", ["established", "related"], "in"), "udp 4789", PASSES),
        (match("ct state", {"set": ["invalid", "new"]}), "udp 4789", DROPS),
        (match("ct state", "new", "!="), "udp 4789", PASSES),
        (match("ct status", "dnat", "in"), "udp 4789", PASSES),
        (match("ct mark", 1), "udp 4789", MAYBE),
        (match("ether saddr", "00:11:22:33:44:55"), "udp 4789", MAYBE),
        (match("ip saddr", "@peers"), "udp 4789", DROPS),
        (match("ip saddr", "@others"), "udp 4789", PASSES),
        (match("ip saddr", "@filled"), "udp 4789", MAYBE),
        (match("ip saddr", "@nowhere"), "udp 4789", MAYBE),
        ({"match": {"op": "==", "left": {"fib": {"result": "oif"}}, "right": False}}, "udp 4789", MAYBE),
        ({"match": {"op": "==", "left": {"concat": [SADDR, UDP]}, "right": {"concat": ["10.0.0.12", 4789]}}},
         "udp 4789", DROPS),
        ({"match": {"op": "==", "left": {"concat": [SADDR, UDP]}, "right": {"concat": ["10.0.0.12", 4789]}}},
         "tcp 4789", PASSES),
        ({"match": {"op": "==", "left": {"concat": [SADDR, UDP]},
                    "right": {"set": [{"concat": ["10.0.0.12", 22]}, {"concat": ["10.0.0.9", 4789]}]}}},
         "udp 4789", MAYBE),
        ({"match": {"op": "!=", "left": {"concat": [SADDR, UDP]}, "right": {"concat": ["10.0.0.12", 22]}}},
         "udp 4789", MAYBE),
        ({"limit": {"rate": 5, "per": "second"}}, "udp 4789", MAYBE),
        ({"counter": {"packets": 0, "bytes": 0}}, "udp 4789", DROPS),
        ({"xt": None}, "udp 4789", MAYBE),
    ],
)  # fmt: skip
def test_a_condition(condition, its, found):
    sets = [
        {"set": {"family": "inet", "table": "t", "name": name, "type": "ipv4_addr", **more}}
        for name, more in {
            "peers": {"elem": [prefix("10.0.0.0", 24)]}, "others": {"elem": ["10.9.9.9"]}, "filled": {},
        }.items()
    ]  # fmt: skip
    assert judge(ruleset([condition, {"drop": None}], objects=sets), its) == found


VERDICTS = {"set": [[22, {"accept": None}], [4789, {"drop": None}], [7946, {"jump": {"target": "closed"}}]]}
CLOSED = [
    {"chain": {"family": "inet", "table": "t", "name": "closed", "handle": 9}},
    {"rule": {"family": "inet", "table": "t", "chain": "closed", "handle": 10, "expr": [{"reject": None}]}},
    {"map": {"family": "inet", "table": "t", "name": "verdicts", "map": "verdict", "elem": VERDICTS["set"]}},
]


@pytest.mark.parametrize("data", [VERDICTS, "@verdicts"])
@pytest.mark.parametrize(("its", "found"), [("udp 4789", DROPS), ("udp 7946", DROPS), ("udp 22", PASSES),
                                            ("udp 80", PASSES), ("tcp 4789", PASSES)])  # fmt: skip
def test_a_map_of_verdicts(data, its, found):
    rule = [{"vmap": {"key": UDP, "data": data}}]
    assert judge(ruleset(rule, objects=CLOSED), its) == found


@pytest.mark.parametrize(
    ("text", "its", "found"),
    [
        (ruleset([{"drop": None}], family="ip6"), "udp 4789", PASSES),
        (ruleset([{"drop": None}], family="bridge"), "udp 4789", PASSES),
        (ruleset([{"drop": None}], family="netdev", hook="ingress"), "udp 4789", DROPS),
        (ruleset([{"drop": None}], hook="forward"), "udp 4789", PASSES),
        (ruleset([{"drop": None}], hook="output"), "udp 4789 out", DROPS),
        (ruleset([{"drop": None}], type="nat"), "udp 4789", PASSES),
        (ruleset(policy="drop"), "udp 4789", DROPS),
        (ruleset([{"return": None}], [{"drop": None}], policy="drop"), "udp 4789", DROPS),
        (ruleset([{"queue": {"num": 0}}]), "udp 4789", MAYBE),
        (ruleset([{"log": None}, {"accept": None}], policy="drop"), "udp 4789", PASSES),
        (ruleset([{"goto": {"target": "closed"}}], objects=CLOSED), "udp 4789", DROPS),
        (ruleset([{"vmap": {"key": UDP, "data": {"set": [5]}}}]), "udp 4789", MAYBE),
        ("", "udp 4789", PASSES),
    ],
)
def test_chains(text, its, found):
    assert judge(text, its) == found


def test_a_rule_is_told_as_nft_prints_it():
    listing = (
        "table inet t { # handle 1\n\tchain c { # handle 1\n\t\tudp dport 4789 drop # handle 0\n\t}\n}\n"
    )
    rule = [match("udp dport", 4789), {"drop": None}]
    assert verdict(parse(ruleset(rule), listing), packet("udp 4789")) == ["udp dport 4789 drop"]
    assert verdict(parse(ruleset(rule)), packet("udp 4789")) == ["rule with handle 0"]


@pytest.mark.parametrize("text", ["{", "[]", '{"nftables": 1}', '{"nftables": [{"rule": 1}]}', "[" * 100_000])
def test_what_nft_does_not_print_is_unreadable(text):
    with pytest.raises(Unreadable, match=r"^nft printed something that makes no sense: \w+$"):
        parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from(["10.0.0.1", "@s", "::", "udp", "dport", "eth*", "drop"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(
        ["match", "left", "right", "op", "payload", "protocol", "field", "meta", "key", "set", "prefix",
         "addr",
         "len", "range", "elem", "val", "concat", "vmap", "data", "drop", "jump", "target", "ct", "xt"]),
        inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["match", "vmap", "drop", "jump", "x"]), JSON, max_size=2), max_size=4
    )
)
def test_no_statement_breaks_it(statements):
    try:
        tables = parse(ruleset(statements))
    except Unreadable:
        return
    verdict(tables, packet("udp 4789"))


@given(st.data())
def test_no_change_of_a_real_ruleset_breaks_it(data):
    text = (CAPTURED / "mixed.json").read_text()
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 40, len(text))))
    try:
        tables = parse(text[:at] + data.draw(st.text(max_size=5)) + text[end:])
    except Unreadable:
        return
    verdict(tables, packet("udp 4789"))
