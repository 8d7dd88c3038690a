"""Each pattern of verdicts has its cause, in these words, and no other is blamed."""

from __future__ import annotations

import pytest

from overweave.prove.diagnose import causes

from .test_matrix import matrix, pair

VTEPS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
DEAD = ("dns", "icmp", "tcp", "mtu")
BLOCKED = (
    "a {} b: the rows are right and packets don't arrive (moby#33416): "
    "open UDP 4789 between 10.0.0.1 and 10.0.0.2, both ways"
)
LOST = (
    "a {} b: the overlay has no forwarding rows for the other (moby#35807): "
    "open TCP and UDP 7946 between 10.0.0.1 and 10.0.0.2, then deploy again"
)
MTU = (
    "a {} b: small packets pass, full-size ones don't (moby#24906): the underlay's MTU is smaller than the "
    "network's: set `network: mtu:` to the smallest on the path and deploy with --replace-network"
)
TCP = (
    "a {} b: ping passes and TCP doesn't (moby#41775): if the NIC offloads checksums, "
    "`ethtool -K INTERFACE tx-checksum-ip-generic off` on both"
)
DNS = "a {} b: packets pass, the name does not resolve: is the store reachable from a? `fab status` shows it"


@pytest.mark.parametrize(
    ("red", "cause"),
    [
        (DEAD, BLOCKED),
        (("icmp",), BLOCKED),
        ((*DEAD, "vxlan"), LOST),
        (("icmp", "vxlan"), LOST),
        (("mtu",), MTU),
        (("mtu", "tcp"), MTU),
        (("mtu", "dns"), MTU),
        (("tcp",), TCP),
        (("tcp", "dns"), TCP),
        (("dns",), DNS),
    ],
)
def test_one_pattern_one_cause(red, cause):
    one_way = matrix(pair("a", "b", red=red), pair("b", "a"))
    assert causes(one_way, VTEPS) == (cause.format("->"),)
    both = matrix(pair("a", "b", red=red), pair("b", "a", red=red))
    assert causes(both, VTEPS) == (cause.format("<->"),)


def test_a_green_matrix_has_no_cause():
    assert causes(matrix(pair("a", "b"), pair("b", "a")), VTEPS) == ()


@pytest.mark.parametrize("red", [("vxlan",), ("dns", "vxlan")])
def test_every_red_pair_has_a_cause(red):
    assert causes(matrix(pair("a", "b", red=red), pair("b", "a")), VTEPS) != ()


def test_a_pair_that_said_nothing_at_all_is_not_blamed_on_a_firewall():
    """No verdict is not a red verdict: the probe or its host did not answer."""
    silent = matrix(pair("a", "b", missing=DEAD), pair("b", "a"))
    found = causes(silent, VTEPS)
    assert found != ()
    assert "4789" not in "".join(found)


def test_different_patterns_of_two_directions_are_two_causes():
    found = causes(matrix(pair("a", "b", red=DEAD), pair("b", "a", red=("mtu",))), VTEPS)
    assert found == (
        BLOCKED.format("->"),
        MTU.format("->").replace("a -> b", "b -> a"),
    )


def test_one_host_cut_off_is_blamed_with_each_other_and_the_others_not():
    hosts = "abc"
    pairs = [pair(x, y, red=DEAD if "c" in (x, y) else ()) for x in hosts for y in hosts if x != y]
    assert [c.split(":")[0] for c in causes(matrix(*pairs, hosts=hosts), VTEPS)] == ["a <-> c", "b <-> c"]


def test_a_host_of_unknown_address_is_named():
    assert "between a and 10.0.0.2" in causes(matrix(pair("a", "b", red=DEAD)), {"b": "10.0.0.2"})[0]
