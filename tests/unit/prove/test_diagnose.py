"""Each pattern of verdicts has its cause, in these words, and nothing else is blamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.prove.diagnose import causes
from overweave.prove.matrix import CHECKS, UNDERLAY
from overweave.prove.rules import RULES
from overweave.prove.signs import Context

from .test_matrix import matrix, pair

VTEPS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3", "d": "10.0.0.4"}
DEAD = ("icmp", "udp", "connect", "tcp", "mtu")
ALL = tuple(c for c in CHECKS if c != "vxlan")
GOSSIP_CLOSED = (
    "their engines don't see each other: the gossip's port is closed (moby#25836, moby#35807): "
    "open TCP and UDP 7946 between 10.0.0.1 and 10.0.0.2, then `fab repair`"
)
UNEXPLAINED = "red, and no rule explains it: `fab doctor` and `fab trace` show more"

# Rule, what a -> b shows, what is known beside it, and what is said.
PATTERNS = [
    (
        "silent-host",
        {"missing": ALL},
        {},
        "not all could be measured there: no answer: see `journalctl -u docker` there, then prove again",
    ),
    (
        "silent-host",
        {"red": DEAD},
        {"lost": {"b": "there is no perl"}},
        "not all could be measured there: there is no perl: "
        "see `journalctl -u docker` there, then prove again",
    ),
    (
        "underlay-dead",
        {"red": DEAD, "under": UNDERLAY},
        {"unseen": {"a": ("b",)}},
        "nothing passes on the underlay either: "
        "look at cable, switch, route and firewall between 10.0.0.1 and 10.0.0.2",
    ),
    (
        "vxlan-port",
        {"red": DEAD, "under": ("udp-4789",)},
        {"rows": {("a", "b"): "10.0.0.2"}},
        "VXLAN packets don't arrive on the underlay, others do (moby#29979, moby#33416): "
        "open UDP 4789 from 10.0.0.1 to 10.0.0.2; `fab preflight` names the rule that drops it",
    ),
    (
        "vxlan-port",
        {"red": DEAD, "under": ("udp-4789",)},
        {"vxlan": 4790},
        "VXLAN packets don't arrive on the underlay, others do (moby#29979, moby#33416): "
        "open UDP 4790 from 10.0.0.1 to 10.0.0.2; `fab preflight` names the rule that drops it",
    ),
    ("gossip-port", {"red": DEAD, "under": ("tcp-7946",)}, {"unseen": {"a": ("b",)}}, GOSSIP_CLOSED),
    ("gossip-port", {"red": DEAD, "under": ("udp-7946",)}, {"unseen": {"b": ("a",)}}, GOSSIP_CLOSED),
    (
        "gossip-split",
        {"red": DEAD, "under": ()},
        {"unseen": {"a": ("b",)}, "rows": {("a", "b"): ""}},
        "the gossip is split: their engines don't see each other (moby#35807, libnetwork#962): "
        "`fab repair` heals it without a restart",
    ),
    (
        "device-down",
        {"red": DEAD, "under": ()},
        {"down": frozenset({"b"}), "rows": {("a", "b"): "10.0.0.2"}},
        "the vxlan device in the overlay's namespace is down: `fab trace` shows it and the command that "
        "brings it up; an engine's restart makes it anew",
    ),
    (
        "row-wrong",
        {"red": (*DEAD, "vxlan"), "under": ()},
        {"rows": {("a", "b"): "10.0.0.3"}},
        "the forwarding row leads to another host (moby#52661): `fab repair` writes the right one",
    ),
    (
        "row-missing",
        {"red": (*DEAD, "vxlan"), "under": ()},
        {"rows": {("a", "b"): ""}},
        "the forwarding row is missing (moby#35807, moby#52661): "
        "`fab repair` writes it; if names are missing too, `fab doctor` looks at the gossip",
    ),
    (
        "row-missing",
        {"red": ("icmp", "vxlan"), "wanted": ("icmp", "vxlan")},
        {"rows": {("a", "b"): ""}},
        "the forwarding row is missing (moby#35807, moby#52661): "
        "`fab repair` writes it; if names are missing too, `fab doctor` looks at the gossip",
    ),
    (
        "row-missing",
        {"red": DEAD, "under": ()},
        {"rows": {("a", "b"): "10.0.0.2"}, "unknown": frozenset({("a", "b")})},
        "the neighbour row is missing, and the engine finds nobody who knows the address (moby#35807): "
        "`fab repair` writes it",
    ),
    (
        "vxlan-swallowed",
        {"red": DEAD, "under": ()},
        {"rows": {("a", "b"): "10.0.0.2"}},
        "the rows are right, other VXLAN packets arrive, these don't: a device on the way is down: "
        "`fab trace` shows the hop",
    ),
    (
        "vxlan-lost",
        {"red": DEAD},
        {"rows": {("a", "b"): "10.0.0.2"}},
        "the rows are right and packets don't arrive (moby#29979, moby#33416): "
        "open UDP 4789 from 10.0.0.1 to 10.0.0.2; `fab preflight` names the rule that drops it",
    ),
    (
        "icmp-filtered",
        {"red": ("icmp", "mtu")},
        {},
        "everything passes but ping: "
        "a rule in the containers' namespace, or of a security tool on a host, drops ICMP",
    ),
    (
        "mtu",
        {"red": ("mtu", "tcp")},
        {"largest": {("a", "b"): 1420}},
        "small packets pass, full-size ones don't: the underlay carries 1420 bytes at most "
        "(libnetwork#1021, libnetwork#2661): "
        "set `network: mtu:` to the smallest on the path and deploy with --replace-network",
    ),
    (
        "mtu",
        {"red": ("mtu",)},
        {},
        "small packets pass, full-size ones don't: the underlay's MTU is smaller "
        "(libnetwork#1021, libnetwork#2661): "
        "set `network: mtu:` to the smallest on the path and deploy with --replace-network",
    ),
    (
        "checksum",
        {"red": ("connect", "tcp")},
        {},
        "ping passes and TCP doesn't (moby#41775, moby#46385): "
        "if the NIC offloads checksums: `ethtool -K INTERFACE tx-checksum-ip-generic off` on both",
    ),
    (
        "stream",
        {"red": ("tcp",)},
        {},
        "TCP connects and its data does not arrive whole (moby#41775, moby#46385): "
        "if the NIC offloads segmentation: `ethtool -K INTERFACE tso off gso off` on both",
    ),
    (
        "stream",
        {"red": ("tcp",), "under": ("tcp-7946",)},
        {"unseen": {"a": ("b",)}, "rows": {("a", "b"): ""}},
        "TCP connects and its data does not arrive whole (moby#41775, moby#46385): "
        "if the NIC offloads segmentation: `ethtool -K INTERFACE tso off gso off` on both",
    ),
    (
        "names",
        {"red": ("dns",)},
        {},
        "packets pass, the name does not resolve (moby#19376): `fab status` shows whether the store is "
        "reachable from a; `fab doctor` looks at the endpoints",
    ),
    (
        "other-address",
        {"red": ("vxlan",)},
        {"rows": {("a", "b"): "10.9.9.9"}},
        "packets pass, but by a row that leads to another address than the host advertises (moby#17248): "
        "`fab status` shows what the engines advertise; `fab repair` writes the right row",
    ),
    ("unexplained", {"red": ("udp",)}, {}, UNEXPLAINED),
    ("unexplained", {"red": ("vxlan",)}, {"rows": {("a", "b"): "10.0.0.2"}}, UNEXPLAINED),
    (
        "loss",
        {"loss": 0.3, "red": ("tcp",)},
        {},
        "so many packets get lost that TCP stalls: look at load, cable and queues between 10.0.0.1 and "
        "10.0.0.2: `ip -s link`, `ethtool -S`",
    ),
    (
        "loss",
        {"loss": 0.05},
        {},
        "packets get lost: look at load, cable and queues between 10.0.0.1 and 10.0.0.2: "
        "`ip -s link`, `ethtool -S`",
    ),
]


def of(pairs, **context):
    hosts = sorted({p.source for p in pairs} | {p.target for p in pairs})
    return causes(matrix(*pairs, hosts=hosts), Context(VTEPS, **context))


def mirrored(context):
    """What is known of a -> b known of b -> a, too."""
    other = {"a": "b", "b": "a"}
    rows = {
        (other[a], other[b]): VTEPS["a"] if row == VTEPS["b"] else row
        for (a, b), row in context.get("rows", {}).items()
    }
    largest = {(other[a], other[b]): size for (a, b), size in context.get("largest", {}).items()}
    return context | {
        "rows": context.get("rows", {}) | rows,
        "largest": context.get("largest", {}) | largest,
        "unknown": frozenset(p for a, b in context.get("unknown", ()) for p in ((a, b), (b, a))),
    }


@pytest.mark.parametrize(("rule", "shown", "known", "told"), PATTERNS)
def test_one_pattern_one_cause(rule, shown, known, told):
    back = pair("b", "a", wanted=shown.get("wanted", CHECKS))
    # Where it is of a host, both directions are in it.
    if known.get("lost"):
        back = pair("b", "a", red=DEAD)
    (cause,) = of([pair("a", "b", **shown), back], **known)
    where = "a <-> b" if known.get("lost") else "a -> b"
    assert (cause.rule, cause.told) == (rule, f"{where}: {told}")
    (cause,) = of([pair("a", "b", **shown), pair("b", "a", **shown)], **mirrored(known))
    assert (cause.rule, cause.told) == (rule, f"a <-> b: {told}")
    assert cause.pairs == (("a", "b"), ("b", "a"))


def test_every_rule_has_a_pattern():
    assert {rule for rule, *_ in PATTERNS} == {rule.name for rule in RULES}
    assert [rule.name for rule in RULES if rule.warns] == ["loss"]


def test_a_green_matrix_has_no_cause():
    assert of([pair("a", "b"), pair("b", "a")]) == ()
    assert of([pair("a", "b", under=UNDERLAY), pair("b", "a")], unseen={"a": ("b",)}) == ()


def test_where_answers_alone_are_missing_the_other_direction_is_blamed():
    answers = ("icmp", "connect", "tcp", "mtu")
    found = of([pair("a", "b", red=DEAD), pair("b", "a", red=answers)], rows={("a", "b"): ""})
    assert [(c.rule, c.where) for c in found] == [("row-missing", "a -> b")]


def fleet(hosts, ill, red=DEAD):
    """All pairs of hosts, of which some are ill."""
    return [pair(a, b, red=red if ill(a, b) else ()) for a in hosts for b in hosts if a != b]


@pytest.mark.parametrize(
    ("hosts", "red", "places"),
    [
        ("abc", lambda a, b: True, ["all hosts"]),
        ("ab", lambda a, b: True, ["a <-> b"]),
        ("ab", lambda a, b: a == "a", ["a -> b"]),
        ("abc", lambda a, b: "b" in (a, b), ["b"]),
        ("abc", lambda a, b: b == "b", ["to b"]),
        ("abc", lambda a, b: a == "b", ["from b"]),
        ("abc", lambda a, b: {a, b} == {"a", "b"}, ["a <-> b"]),
        ("abc", lambda a, b: (a, b) == ("c", "b"), ["c -> b"]),
        ("abcd", lambda a, b: {"a", "b"} & {a, b}, ["a", "b"]),
        ("abcd", lambda a, b: "a" in (a, b) or (a, b) == ("c", "d"), ["a", "c -> d"]),
        ("abcd", lambda a, b: b in "ab", ["to a", "to b"]),
        ("abcd", lambda a, b: b == "b" or a == "c", ["to b", "c -> a", "c -> d"]),
        ("abcd", lambda a, b: {a, b} in ({"a", "b"}, {"c", "d"}), ["a <-> b", "c <-> d"]),
        ("abcd", lambda a, b: a in "ab" and b in "cd", ["a -> c", "a -> d", "b -> c", "b -> d"]),
    ],
)
def test_pairs_are_told_by_the_widest_place_that_they_fill(hosts, red, places):
    pairs = fleet(hosts, red)
    found = of(pairs, rows={(p.source, p.target): "" for p in pairs})
    assert [c.where for c in found] == places
    assert {c.rule for c in found} == {"row-missing"}
    blamed = [pair for c in found for pair in c.pairs]
    assert sorted(blamed) == [(p.source, p.target) for p in sorted(pairs, key=str) if red(p.source, p.target)]


def test_the_ends_of_a_place_are_in_its_words():
    def fix(red):
        pairs = fleet("abc", red)
        rows = {(p.source, p.target): VTEPS[p.target] for p in pairs}
        (cause,) = of(pairs, rows=rows)
        return cause.fix.partition(";")[0]

    assert fix(lambda a, b: True) == "open UDP 4789 from any host to any other"
    assert fix(lambda a, b: "b" in (a, b)) == "open UDP 4789 from 10.0.0.2 to the others"
    assert fix(lambda a, b: b == "b") == "open UDP 4789 from the others to 10.0.0.2"
    assert fix(lambda a, b: a == "b") == "open UDP 4789 from 10.0.0.2 to the others"
    assert fix(lambda a, b: (a, b) == ("b", "c")) == "open UDP 4789 from 10.0.0.2 to 10.0.0.3"


def test_the_smallest_of_the_largest_packets_is_told_and_a_host_without_an_address_by_its_name():
    pairs = fleet("abc", lambda a, b: b == "b", red=("mtu",))
    (cause,) = of(pairs, largest={("a", "b"): 1420, ("c", "b"): 1400, ("a", "c"): 1300})
    assert "the underlay carries 1400 bytes at most" in cause.seen
    context = Context({"b": "10.0.0.2"}, rows={("a", "b"): "10.0.0.2"})
    found = causes(matrix(pair("a", "b", red=DEAD)), context)
    assert "from a to 10.0.0.2" in found[0].fix


def test_a_fault_of_two_kinds_is_two_causes():
    pairs = [pair("a", "b", red=DEAD), pair("b", "a", red=("mtu",))]
    found = of(pairs, rows={("a", "b"): ""})
    assert [(c.rule, c.where) for c in found] == [("row-missing", "a -> b"), ("mtu", "b -> a")]


def test_braces_in_what_a_host_tells_stay_what_they_are():
    (cause,) = of([pair("a", "b", red=DEAD)], lost={"b": "{a} %s {0}"})
    assert "{a} %s {0}" in cause.seen


def test_two_directions_that_excuse_each_other_are_unexplained():
    """VXLAN of one does not arrive on the underlay, while the overlay's packets do, but not the other way."""
    chosen = ("dns", "udp")
    odd = pair("a", "b", red=("dns",), under=("udp-4789",), wanted=chosen)
    (cause,) = of([odd, pair("b", "a", red=("udp",), wanted=chosen)])
    assert (cause.rule, cause.where) == ("unexplained", "a <-> b")


HOSTS = st.sampled_from(["ab", "abc", "abcd"])
CHOSEN = st.sets(st.sampled_from(CHECKS), min_size=1).map(lambda s: tuple(c for c in CHECKS if c in s))
SOME = st.sets(st.sampled_from(CHECKS)).map(tuple)
UNDER = st.none() | st.sets(st.sampled_from(UNDERLAY)).map(tuple)


@given(st.data())
def test_whatever_is_red_has_a_cause_or_its_other_direction_has_one(data):
    hosts, wanted = data.draw(HOSTS), data.draw(CHOSEN)
    ends = [(a, b) for a in hosts for b in hosts if a != b]
    pairs = [
        pair(*e, red=data.draw(SOME), missing=data.draw(SOME), under=data.draw(UNDER), wanted=wanted)
        for e in ends
    ]
    whole = matrix(*pairs, hosts=hosts)
    address = st.sampled_from([*VTEPS.values(), "", "10.9.9.9"])
    context = Context(
        VTEPS,
        rows=data.draw(st.dictionaries(st.sampled_from(ends), address)),
        unseen=data.draw(st.dictionaries(st.sampled_from(hosts), st.sets(st.sampled_from(hosts)).map(tuple))),
        lost=data.draw(st.dictionaries(st.sampled_from(hosts), st.just("x"), max_size=1)),
    )
    found = causes(whole, context)
    named = [pair for cause in found for pair in cause.pairs]
    red = {(p.source, p.target) for p in whole.red}
    assert len(named) == len(set(named)), "nothing is blamed twice"
    assert set(named) <= red, "nothing green is blamed"
    for a, b in red - set(named):
        assert (b, a) in named
    assert bool(found) is bool(red)
