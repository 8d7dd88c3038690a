"""Walks through chains: jumps, returns, loops, and what is known where not every rule is understood."""

from __future__ import annotations

import pytest

from overweave.firewall.judge import drops
from overweave.firewall.rules import ALWAYS, NEVER, UNKNOWN, Act, Chain, Rule, Table, Tool

from .packets import packet, verdict

FITS = {"": (), "always": (ALWAYS,), "never": (UNKNOWN, NEVER), "perhaps": (ALWAYS, UNKNOWN)}


def chain(name, text, **more):
    """One rule a word: ``drop``, ``never:accept``, ``jump>other``; its text is the word itself."""
    rules = []
    for word in text.split():
        fits, _, does = word.rpartition(":")
        act, _, target = does.partition(">")
        rules.append(Rule(word, FITS[fits], Act(act), target))
    return Chain(name, tuple(rules), **more)


def table(**chains):
    """``input`` is at the hook; ``policy=drop`` as its first word is its policy."""
    made = {}
    for name, text in chains.items():
        policy, text = (Act.DROP, text[11:]) if text.startswith("policy=drop") else (Act.ACCEPT, text)
        made[name] = chain(name, text, hook=name if name in ("input", "output") else "", policy=policy)
    return Table(Tool.NFT, "ip", "t", made)


@pytest.mark.parametrize(
    ("chains", "found"),
    [
        ({"input": ""}, "passes"),
        ({"input": "policy=drop"}, ["policy of input"]),
        ({"input": "accept drop"}, "passes"),
        ({"input": "never:accept drop accept"}, ["drop"]),
        ({"input": "nothing never:drop"}, "passes"),
        ({"input": "perhaps:accept drop"}, ["drop ?"]),
        ({"input": "perhaps:drop accept"}, ["perhaps:drop ?"]),
        ({"input": "perhaps:drop always:drop"}, ["always:drop"]),
        ({"input": "policy=drop perhaps:drop"}, ["policy of input"]),
        ({"input": "policy=drop perhaps:accept"}, ["policy of input ?"]),
        ({"input": "policy=drop jump>a", "a": "never:accept"}, ["policy of input"]),
        ({"input": "policy=drop jump>a", "a": "accept"}, "passes"),
        ({"input": "jump>a drop", "a": "return accept"}, ["drop"]),
        ({"input": "jump>a drop", "a": "perhaps:return accept"}, ["drop ?"]),
        ({"input": "goto>a drop", "a": "return"}, "passes"),
        ({"input": "policy=drop goto>a accept", "a": ""}, ["policy of input"]),
        ({"input": "jump>a drop", "a": "goto>b accept", "b": ""}, ["drop"]),
        ({"input": "perhaps:goto>a accept", "a": "drop"}, ["drop ?"]),
        ({"input": "perhaps:jump>a accept", "a": "drop"}, ["drop ?"]),
        ({"input": "policy=drop return accept"}, ["policy of input"]),
        ({"input": "unknown accept"}, ["unknown ?"]),
        ({"input": "jump>nowhere drop"}, ["jump>nowhere ?"]),
        ({"input": "jump>a drop", "a": "jump>b", "b": "jump>a"}, ["drop ?"]),
        ({"input": "jump>input drop"}, ["drop ?"]),
        ({"output": "drop"}, "passes"),
        ({"stray": "drop"}, "passes"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_packet(chains, found):
    assert verdict([table(**chains)], packet("udp 4789")) == found


def test_what_leaves_meets_other_hooks():
    assert verdict([table(input="drop", output="accept drop")], packet("udp 4789 out")) == "passes"
    assert verdict([table(input="accept", output="drop")], packet("udp 4789 out")) == ["drop"]


def test_a_packet_has_to_pass_all_tables_and_meets_them_in_their_order():
    tables = [
        Table(Tool.NFT, "ip", name, {"c": chain("c", f"always:{act}", hook=hook, priority=priority)})
        for name, act, hook, priority in [
            ("late", "drop", "input", 10), ("early", "drop", "input", -10), ("open", "accept", "input", 0),
            ("first", "drop", "prerouting", 300),
        ]
    ]  # fmt: skip
    assert [d.table.name for d in drops(tables, packet("udp 4789"))] == ["first", "early", "late"]


def test_the_way_through_the_chains_is_told():
    made = table(input="jump>a never:jump>b jump>c drop", a="", b="", c="jump>a")
    (found,) = drops([made], packet("udp 4789"))
    assert found.path == ("input", "a", "c")


def test_rules_without_an_end_are_given_up():
    made = table(
        input=" ".join(f"jump>c{n}" for n in range(400)), **{f"c{n}": "nothing " * 400 for n in range(400)}
    )
    assert verdict([made], packet("udp 4789")) == "passes"
    deep = {f"c{n}": f"jump>c{n + 1}" for n in range(5000)}
    assert verdict([table(input="jump>c0 drop", **deep)], packet("udp 4789")) == ["drop ?"]
