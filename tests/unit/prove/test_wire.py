"""What is tried outside of a network on the hosts' own wire, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from rich.console import Console

from overweave.prove.matrix import Isolation, Outside, Pair, Verdict
from overweave.prove.wire import CHECKS, judged, targets
from overweave.report import matrix_text
from overweave.wanted import Subnet, WantedNetwork

from .test_matrix import matrix

SUBNET = Subnet(IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.1"))
LAN = WantedNetwork("lan", "macvlan", ("a", "b"), (SUBNET,))
SHIMS = replace(SUBNET, shims={"a": IPv4Address("10.0.0.135"), "b": IPv4Address("10.0.0.143")})
HELD = {"a": {"10.0.0.11": "eth0", "172.17.0.1": "docker0"}, "b": {"10.9.0.12": "eth1", "10.0.0.12": "eth0"}}
OK = Verdict(True, "x")


def proof(*red, isolation=()):
    """Of two hosts; ``red``: names of checks that fail from a to b."""
    pairs = [
        Pair(x, y, {c: Verdict(False, "no") if x == "a" and c in red else OK for c in CHECKS}, wanted=CHECKS)
        for x, y in (("a", "b"), ("b", "a"))
    ]
    return replace(matrix(*pairs), isolation=tuple(isolation), evidence={})


def tried(network, reached=lambda host, target: True):
    its = targets(network, HELD)
    seen = [Isolation(h, t.told, t.told if reached(h, t) else "") for h in ("a", "b") for t in its]
    return judged(proof(isolation=seen), network, its)


def test_each_container_reaches_the_other_hosts_and_not_its_own():
    found = tried(LAN, reached=lambda host, target: host != target.host)
    assert found.outside == (
        Outside("a", "a (10.0.0.11)", False, False),
        Outside("a", "b (10.0.0.12)", True, True),
        Outside("b", "a (10.0.0.11)", True, True),
        Outside("b", "b (10.0.0.12)", False, False),
    )
    assert (found.green, found.isolation) == (True, ())


def test_with_a_shim_it_reaches_its_own_host_too():
    kept = replace(LAN, subnets=(SHIMS,))
    assert not any(t.shim for t in targets(kept, HELD)), "their addresses are kept, and nobody has them"
    found = tried(replace(kept, shim=True), reached=lambda host, target: not target.shim)
    must = [(t.source, t.target, t.reached) for t in found.outside if t.wanted]
    assert must == [
        ("a", "a itself (10.0.0.135)", False),
        ("a", "b (10.0.0.12)", True),
        ("b", "a (10.0.0.11)", True),
        ("b", "b itself (10.0.0.143)", False),
    ]
    assert not found.green


def test_what_is_behind_the_gateway_is_told_and_not_judged():
    far = replace(LAN, subnets=(replace(SUBNET, subnet=IPv4Network("10.5.0.0/24")),))
    found = tried(far, reached=lambda host, target: False)
    assert {t.wanted for t in found.outside} == {False}
    assert [t.target for t in found.outside] == ["a (10.0.0.11)", "b (10.9.0.12)"] * 2
    assert found.green


@pytest.mark.parametrize(
    ("driver", "seen"),
    [
        (
            "macvlan",
            "nothing passes between containers: frames of other MACs than the hosts' own may be dropped",
        ),
        ("ipvlan", "nothing passes between containers: other addresses than the hosts' own may be dropped"),
    ],
)
def test_a_pair_that_nothing_came_back_through_has_a_cause(driver, seen):
    its = replace(LAN, driver=driver)
    found = judged(proof("icmp", "connect", "tcp", "mtu"), its, [])
    assert [(c.where, c.seen, c.pairs) for c in found.causes] == [("a, b", seen, (("a", "b"),))]
    assert judged(proof("mtu"), its, []).causes == (), "a smaller wire is another cause"


def told(result):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(matrix_text.matrix(result, 120))
    return capture.get()


def test_a_report_says_what_was_reached_outside():
    assert "outside: all of 2 tries reached the hosts' own addresses" in told(tried(LAN))
    red = told(tried(LAN, reached=lambda host, target: host == target.host))
    assert "NOT REACHED: from a to b (10.0.0.12)" in red
    assert "outside, reached, as may be: a to a (10.0.0.11), b to b (10.0.0.12)" in red
