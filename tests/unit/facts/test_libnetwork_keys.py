"""The keys of an overlay from what its hosts know are those that were there, in all that engines read."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest
from tests.unit.facts.lost import NETWORK, SEGMENT, VTEPS, hosts, tree

from overweave.facts import address_mask, libnetwork
from overweave.facts import libnetwork_keys as keys
from overweave.facts.libnetwork_keys import Overlay

JOINED = tuple(its for host in hosts().values() for its in host.joined)
CREATED = "2026-11-22T02:02:09.457299403Z"
OVERLAY = Overlay(NETWORK, "overweave", (SEGMENT,), JOINED, {}, False, CREATED)
UNREAD = ("exposed_ports", "generic")
"""Of an endpoint; and the name that its interface had before it was moved."""


def made():
    found = {
        keys.network_key(NETWORK): keys.network(OVERLAY),
        keys.overlay_key(NETWORK): keys.overlay(OVERLAY),
        keys.count_key(NETWORK): keys.count(len(JOINED)),
        keys.VNIS: keys.vnis(None, [256]),
        keys.CONFIG: keys.pools(None, [SEGMENT.subnet]),
        keys.mask_key(SEGMENT.subnet): keys.mask(
            None, SEGMENT.subnet, [SEGMENT.gateway, *(its.address for its in JOINED)]
        ),
    }
    return found | {
        keys.endpoint_key(NETWORK, its.endpoint): keys.endpoint(its, SEGMENT.subnet, VTEPS[its.host])
        for its in JOINED
    }


def read(key, value):
    raw = json.loads(value)
    if key.startswith(libnetwork.ENDPOINTS):
        raw["ep_iface"].pop("srcName")
        raw = {name: its for name, its in raw.items() if name not in UNREAD}
    return raw


def test_they_are_as_they_were():
    was = {key: value for key, value in tree().items() if value and not key.startswith(libnetwork.NODES)}
    assert {key: read(key, its) for key, its in made().items()} == {
        key: read(key, its) for key, its in was.items()
    }


def test_they_are_read_as_what_they_were_made_from():
    assert {*libnetwork.parse(made()).endpoints} == {*libnetwork.parse(tree()).endpoints}
    assert libnetwork.parse(made()).networks == libnetwork.parse(tree()).networks


def test_an_mtu_and_options_that_somebody_knows_are_in_both_records():
    options = keys.options_of([SEGMENT.__class__(SEGMENT.subnet, "", 256, 1350)], {"a": "b"})
    assert options == {"a": "b", "com.docker.network.driver.mtu": "1400"}
    its = Overlay(NETWORK, "n", (SEGMENT,), (), options, True, "")
    raw = json.loads(keys.network(its))
    assert raw["generic"]["com.docker.network.generic"] == options
    assert raw["generic"]["com.docker.network.internal"] is raw["internal"] is True
    assert "created" not in raw
    assert json.loads(keys.overlay(its))["mtu"] == 1400
    assert keys.options_of([SEGMENT], {"com.docker.network.driver.mtu": "9000"}) == {}


def test_lists_get_longer_and_stay_as_they_are_where_all_is_in_them():
    subnet = IPv4Network("10.9.0.0/28")
    one = keys.mask(None, subnet, ["10.9.0.1"])
    two = keys.mask(one, subnet, ["10.9.0.7"])
    assert [n for n in range(16) if address_mask.parse(two).taken(n)] == [0, 1, 7, 15]
    assert keys.mask(two, subnet, ["10.9.0.1"]) is two
    vnis = keys.vnis(keys.vnis(None, [256]), [300])
    assert [n for n in range(64) if address_mask.parse(vnis).taken(n)] == [0, 44]
    assert keys.vnis(vnis, [300]) is vnis
    pools = keys.pools(keys.pools(None, [SEGMENT.subnet]), [subnet])
    assert keys.pools_there(pools) == {SEGMENT.subnet, subnet}
    assert keys.pools(pools, [subnet]) is pools


def test_a_vni_that_somebody_has_chosen_has_no_place_in_the_list():
    assert keys.vnis(None, [255, 1 << 24]) == keys.vnis(None, [])


@pytest.mark.parametrize(
    "value", [b"{", b"[]", b"null", b'{"Subnets": 7}', b'{"Subnets": {"a": 1}}', b"[" * 100_000]
)
def test_a_list_that_makes_no_sense_is_a_value_error(value):
    with pytest.raises(ValueError, match=r"."):
        keys.pools_there(value)
    with pytest.raises(ValueError, match=r"."):
        keys.vnis(value, [256])
    if value != b'{"Subnets": {"a": 1}}':
        with pytest.raises(ValueError, match=r"."):
            keys.pools(value, [SEGMENT.subnet])
