"""Addresses and routes, from what `ip -json` says."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result
from overweave.errors import CommandFailed
from overweave.facts.interfaces import QUERIES, Interface, Route, parse

CAPTURED = Path(__file__).parent / "captured"


def told(address, route):
    return parse([Result(q, 0, text, "") for q, text in zip(QUERIES, (address, route), strict=True)])


def test_the_captured_answers_of_a_host_with_docker():
    found = told((CAPTURED / "address.json").read_text(), (CAPTURED / "route.json").read_text())
    assert found.all == (
        Interface("lo", 65536, ()),
        Interface("eth0", 1500, (IPv4Interface("10.96.0.11/24"),)),
        Interface("docker0", 1500, (IPv4Interface("172.17.0.1/16"),)),
        Interface("docker_gwbridge", 1500, (IPv4Interface("172.18.0.1/16"),)),
    )
    assert found.routes == (
        Route(IPv4Network("10.96.0.0/24"), "eth0"),
        Route(IPv4Network("172.17.0.0/16"), "docker0"),
        Route(IPv4Network("172.18.0.0/16"), "docker_gwbridge"),
    )
    assert found.named("eth0") == found.holding("10.96.0.11") == found.all[1]
    assert found.named("eth9") is found.holding("10.96.0.12") is found.holding("127.0.0.1") is None


def test_several_addresses_stay_in_the_kernels_order_and_only_global_ones_count():
    link = {
        "ifname": "eth1",
        "mtu": 9000,
        "addr_info": [
            {"family": "inet", "local": "10.0.0.2", "prefixlen": 24, "scope": "global", "secondary": True},
            {"family": "inet", "local": "169.254.1.1", "prefixlen": 16, "scope": "link"},
            {"family": "inet6", "local": "fd00::1", "prefixlen": 64, "scope": "global"},
            {"family": "inet", "local": "10.0.0.1", "prefixlen": 32, "scope": "global"},
        ],
    }
    # iproute2 prints an empty object for each link that has no IPv4 address.
    found = told(json.dumps([{}, link]), "[]")
    assert found.all == (
        Interface("eth1", 9000, (IPv4Interface("10.0.0.2/24"), IPv4Interface("10.0.0.1/32"))),
    )


@pytest.mark.parametrize(
    ("raw", "routes"),
    [
        (
            {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0"},
            (Route(IPv4Network("0.0.0.0/0"), "eth0", gateway=True),),
        ),
        (
            {"dst": "10.0.0.0/8", "nexthops": [{"gateway": "10.9.0.1", "dev": "eth1"}, {"dev": "eth2"}]},
            (Route(IPv4Network("10.0.0.0/8"), "eth1", gateway=True),),
        ),
        ({"dst": "default", "nexthops": []}, (Route(IPv4Network("0.0.0.0/0"), ""),)),
        ({"dst": "10.9.8.7", "dev": "tun0"}, (Route(IPv4Network("10.9.8.7/32"), "tun0"),)),
        ({"type": "blackhole", "dst": "10.0.0.0/8"}, ()),
        ({"type": "unreachable", "dst": "default"}, ()),
    ],
)
def test_routes_that_lead_somewhere(raw, routes):
    assert told("[]", json.dumps([raw])).routes == routes


def test_nothing_at_all_is_no_interfaces():
    assert told("", "") == told("[]", "[]")


@pytest.mark.parametrize("failing", [0, 1])
def test_an_iproute2_that_knows_no_json_is_refused(failing):
    results = [Result(q, 0, "[]", "") for q in QUERIES]
    results[failing] = Result(QUERIES[failing], 255, "", 'Option "-json" is unknown, try "ip -help".\n')
    with pytest.raises(CommandFailed) as caught:
        parse(results)
    assert str(caught.value) == (
        f"`ip -json -4 {('address', 'route')[failing]} show` ended with exit code 255:\n"
        '    Option "-json" is unknown, try "ip -help".\n'
        "  -> install iproute2 4.13 or later"
    )


KEYS = st.sampled_from(
    ["ifname", "mtu", "addr_info", "family", "local", "prefixlen", "scope", "dst", "dev", "type"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["inet", "global", "10.0.0.1", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=15,
)


@given(JSON.map(json.dumps) | st.text(max_size=20), JSON.map(json.dumps) | st.text(max_size=20))
def test_no_answer_breaks_the_parser_other_than_as_the_caller_expects(address, route):
    try:
        told(address, route)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
