"""The store's records: as engines of 20.10.5 write them, and as nobody should."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest
from tests.unit.doctor.overlay import NETWORK, tree

from overweave.facts.libnetwork import ENDPOINTS, NETWORKS, OVERLAYS, SUBNETS, Endpoint, Subnet, parse


def test_what_engines_keep_is_read():
    found = parse(tree())
    assert found.unreadable == ()
    assert found.nodes == {"10.0.0.11:2376", "10.0.0.12:2376", "10.0.0.13:2376"}
    (network,) = found.networks.values()
    assert (network.id, network.name) == (NETWORK, "overweave")
    assert network.subnets == (Subnet(IPv4Network("10.211.0.0/16"), "10.211.0.1", 256),)
    assert found.endpoints[0] == Endpoint(
        "1" * 64, "app-host1", NETWORK, "10.211.0.2", "02:42:0a:d3:00:02", "10.0.0.11"
    )
    (pool,) = found.pools
    assert (str(pool.subnet), pool.used) == ("10.211.0.0/16", 6)
    assert [pool.holds(f"10.211.0.{n}") for n in (1, 4, 5)] == [True, True, False]


def test_networks_of_other_drivers_and_their_endpoints_are_left_out():
    raw = tree()
    raw[f"{NETWORKS}{'b' * 64}/"] = b'{"name": "lan", "networkType": "macvlan"}'
    raw[f"{ENDPOINTS}{'b' * 64}/{'9' * 64}/"] = b'{"name": "x", "ep_iface": {}}'
    assert parse(raw).networks.keys() == {NETWORK}
    assert len(parse(raw).endpoints) == 3


def test_an_endpoint_without_address_and_locator_is_one():
    raw = tree() | {f"{ENDPOINTS}{NETWORK}/{'9' * 64}/": b'{"name": "x", "ep_iface": {}}'}
    assert Endpoint("9" * 64, "x", NETWORK, "", "", "") in parse(raw).endpoints


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"name": 5, "networkType": [], "ep_iface": 1, "subnets": 7, "sequence": {}}',
        b'{"name": "x", "ep_iface": {"addr": "10.0.0"}, "subnets": [{"SubnetIP": 1}]}',
        b'{"subnets": [{"SubnetIP": "10.0.0.0/24", "GwIP": "10.0.0.1/24", "Vni": -1}], "ep_iface": 1}',
        b"[" * 100_000,
        b"1" * (2 << 20),
        b"\xff\xfe",
    ],
    ids=range(10),
)
@pytest.mark.parametrize(
    "key",
    [
        f"{ENDPOINTS}{NETWORK}/{'9' * 64}/",
        f"{OVERLAYS}{'c' * 64}/",
        f"{SUBNETS}10.7.0.0/16/",
        f"{SUBNETS}no subnet/",
    ],
)
def test_a_value_that_makes_no_sense_is_named_and_the_rest_is_read(key, value):
    found = parse(tree() | {key: value})
    assert found.unreadable == (key.rstrip("/"),) or found.unreadable == (key,)
    assert len(found.endpoints) == 3
    assert len(found.networks) == 1


def test_names_are_one_printable_line():
    raw = tree()
    raw[f"{ENDPOINTS}{NETWORK}/{'9' * 64}/"] = json.dumps(
        {"name": "a\nb\x1b[2J", "ep_iface": {"addr": "10.211.0.9/16"}}
    ).encode()
    assert [e.name for e in parse(raw).endpoints if e.id == "9" * 64] == ["a b [2J"]
