"""``networks:`` of an inventory: what is read, how ranges are cut, and what is refused in which words."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave import ranges
from overweave.errors import InventoryError
from overweave.inventory import choose, parse

HOSTS = "hosts: {a: , b: , c: }\n"
LAN = "driver: macvlan, parent: eth0, subnets: "

SEE = "\n  -> see inventory/example.yml"


def networks(text, more=""):
    return parse(f"{HOSTS}{more}networks: {{lan: {{{text}}}}}").networks


def test_an_inventory_that_says_nothing_of_networks_is_not_one_that_lists_none():
    assert parse(HOSTS).networks is None
    assert parse(f"{HOSTS}networks: {{}}").networks == ()


def test_a_subnet_is_cut_by_the_place_of_each_host_and_a_range_that_is_given_wins():
    (its,) = networks(LAN + "[{subnet: 10.0.0.0/24, slots: 4, ranges: {b: 10.0.0.192/26}}]")
    assert {h: str(r) for h, r in its.subnets[0].ranges.items()} == {
        "a": "10.0.0.0/26",
        "b": "10.0.0.192/26",
        "c": "10.0.0.128/26",
    }
    assert its.subnets[0].gateway == IPv4Address("10.0.0.1")


def test_some_hosts_of_a_fleet_have_the_ranges_that_they_have_with_all():
    fleet = parse(f"{HOSTS}networks: {{lan: {{{LAN}[10.0.0.0/24]}}}}")
    assert choose(["b"], fleet).networks == fleet.networks
    assert fleet.networks[0].subnets[0].ranges["b"] == IPv4Network("10.0.0.16/28")


def test_a_shim_has_the_last_address_of_its_range_that_a_host_can_have():
    text = "{subnet: 10.0.0.0/24, slots: 4, ranges: {a: 10.0.0.192/26}, reserved: {x: 10.0.0.127}}"
    (its,) = networks(f"{LAN}[{text}], shim: true")
    assert {h: str(a) for h, a in its.subnets[0].shims.items()} == {
        "a": "10.0.0.254",
        "b": "10.0.0.126",
        "c": "10.0.0.191",
    }


def test_an_address_is_kept_for_a_later_shim_where_that_leaves_one_for_a_container():
    text = "{subnet: 10.0.0.0/24, ranges: {a: 10.0.0.0/30, b: 10.0.0.8/31, c: 10.0.0.12/32}, %s}"
    (its,) = networks(f"{LAN}[{text % 'slots: 4'}]")
    assert {h: str(a) for h, a in its.subnets[0].shims.items()} == {"a": "10.0.0.3", "b": "10.0.0.9"}
    (its,) = networks(f"{LAN}[{text % 'reserved: {x: 10.0.0.2, y: 10.0.0.9}'}]")
    assert its.subnets[0].shims == {}
    (its,) = networks(f"{LAN}[10.0.0.0/24], hosts: [a]")
    assert its.subnets[0].shims == {}, "all of the subnet is no part of it"


def test_a_vlan_is_a_sub_interface_of_each_hosts_parent():
    (its,) = networks("driver: ipvlan, parent: eth1, parents: {b: bond0}, vlan: 50, subnets: [10.0.0.0/24]")
    assert its.parents == {"a": "eth1.50", "b": "bond0.50", "c": "eth1.50"}


@given(st.integers(1, 64), st.integers(0, 40))
def test_no_two_hosts_share_an_address_and_who_is_added_changes_nobodys(count, more):
    hosts = [f"h{n}" for n in range(count + more)]
    subnet = IPv4Network("10.0.0.0/16")
    found = ranges.cut(subnet, hosts, {}, 128)
    assert len({int(r.network_address) for r in found.values()}) == len(hosts)
    assert not any(r.overlaps(o) for h, r in found.items() for k, o in found.items() if h != k)
    assert ranges.cut(subnet, hosts[:count], {}, 128).items() <= found.items()


@pytest.mark.parametrize(("hosts", "slots"), [(1, 16), (16, 16), (17, 64), (65, 256), (1024, 1024)])
def test_there_is_room_for_hosts_to_come(hosts, slots):
    assert ranges.slots_for(hosts) == slots


AT = "networks.lan"
REFUSED = [
    (
        "driver: vxlan",
        f"{AT}.driver: input should be 'overlay', 'bridge', 'macvlan' or 'ipvlan', not 'vxlan'",
    ),
    ("driver: bridge, hots: [a]", f"{AT}.hots: unknown key\n  -> did you mean 'hosts'?"),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, gatway: 1}]",
        f"{AT}.subnets.0.gatway: unknown key\n  -> did you mean 'gateway'?",
    ),
    (
        "driver: bridge, containers: [{host: a, nam: x}]",
        f"{AT}.containers.0.nam: unknown key\n  -> did you mean 'name'?",
    ),
    ("driver: bridge, hosts: [z]", f"{AT}.hosts: 'z' is no host\n  -> hosts: a, b, c"),
    ("driver: bridge, hosts: [a, a]", f"{AT}.hosts: has a host twice\n  -> name each host once"),
    (
        "driver: bridge, parent: eth0",
        f"{AT}.parent: is for macvlan and ipvlan\n  -> remove it, or change `driver: bridge`",
    ),
    (
        f"{LAN}[10.0.0.0/24], mtu: 1400",
        f"{AT}.mtu: is for overlay and bridge: others have their parent's\n"
        "  -> remove it, or change `driver: macvlan`",
    ),
    (
        "driver: macvlan, subnets: [10.0.0.0/24]",
        f"{AT}.parent: is missing for a\n  -> name the interface that the network is on",
    ),
    (
        "driver: macvlan, parent: eth0",
        f"{AT}.subnets: is missing: each engine would choose another one, on one wire\n"
        "  -> give the subnet that the hosts share, as in [10.0.50.0/24]",
    ),
    (
        f"{LAN}[10.0.0.0/24], mode: l2",
        f"{AT}.mode: 'l2' is none of macvlan\n  -> take one of bridge, private, vepa, passthru",
    ),
    (
        f"{LAN}[10.0.0.0/24], shim: true, mode: private",
        f"{AT}.shim: reaches nobody in mode private\n  -> remove it, or `mode: bridge`",
    ),
    (
        f"{LAN}[10.0.0.0/24], shim: true, internal: true",
        f"{AT}.shim: is a way out of an internal network\n  -> remove one of them",
    ),
    (
        f"{LAN}[10.0.0.0/24], shim: true, hosts: [a]",
        f"{AT}.subnets.0: a shim needs a part of the subnet: give `range` or `slots`",
    ),
    (
        "driver: macvlan, parent: enp0s31f6abcde, vlan: 50, subnets: [10.0.0.0/24]",
        f"{AT}.vlan: enp0s31f6abcde.50 is longer than the 15 characters of an interface",
    ),
    (
        "driver: overlay, encrypted: true",
        f"{AT}.encrypted: works in Swarm mode only: with a cluster store containers fail to join\n"
        "  -> remove it, or say `backend: swarm`",
    ),
    (
        "driver: bridge, options: {parent: eth0}",
        f"{AT}.options.parent: is set by `parent:`\n  -> give it there",
    ),
    (
        "driver: bridge, labels: {io.overweave.x: y}",
        f"{AT}.labels.io.overweave.x: io.overweave.* are Overweave's own\n  -> as io.overweave.network",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, gateway: 10.0.1.1}]",
        f"{AT}.subnets.0.gateway: 10.0.1.1 is no address of a host in 10.0.0.0/24",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, reserved: {x: 10.0.0.1}}]",
        f"{AT}.subnets.0.reserved.x: is the gateway, which nobody gives out anyway",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, range: 10.0.1.0/26}]",
        f"{AT}.subnets.0.range: 10.0.1.0/26 is not in 10.0.0.0/24",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, range: x}]",
        f"{AT}.subnets.0.range: 'x' is not a range such as 10.0.0.64/26",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, range: 10.0.0.1/26}]",
        f"{AT}.subnets.0.range: '10.0.0.1/26' is not a range such as 10.0.0.64/26: "
        "10.0.0.1/26 has host bits set",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, gateway: x}]",
        f"{AT}.subnets.0.gateway: 'x' is not an IPv4 address",
    ),
    (
        "driver: bridge, subnets: [{subnet: 10.0.0.0/24, slots: 4}]",
        f"{AT}.subnets.0.slots: is for macvlan and ipvlan, whose engines share a subnet\n  -> remove it",
    ),
    (
        f"{LAN}[{{subnet: 10.0.0.0/24, slots: 6}}]",
        f"{AT}.subnets.0: 6 slots are no power of two, as in 4, 8 or 16",
    ),
    (f"{LAN}[{{subnet: 10.0.0.0/24, slots: 2}}]", f"{AT}.subnets.0: 2 slots are not enough for 3 hosts"),
    (
        f"{LAN}[10.0.0.0/27]",
        f"{AT}.subnets.0: 10.0.0.0/27 has 32 addresses, too few for 16 ranges: give fewer `slots`, a larger "
        "subnet, or `ranges`",
    ),
    (
        f"{LAN}[{{subnet: 10.0.0.0/24, slots: 4, ranges: {{c: 10.0.0.32/27}}}}]",
        f"{AT}.subnets.0: 10.0.0.0/26 of a and 10.0.0.32/27 of c overlap: both would give out the same "
        "addresses",
    ),
    (
        f"{LAN}[{{subnet: 10.0.0.0/24, ranges: {{c: 10.0.1.0/27}}}}]",
        f"{AT}.subnets.0: 10.0.1.0/27 of c is not in 10.0.0.0/24",
    ),
    (
        f"{LAN}[10.0.0.0/24], containers: [{{host: a, name: x, address: 10.0.0.20}}]",
        f"{AT}.containers.0.address: 10.0.0.20 is in the range of b, which may give it to another container\n"
        "  -> take one of 10.0.0.0/28, or one that is in no host's range",
    ),
    (
        f"{LAN}[10.0.0.0/24], containers: [{{host: a, name: x, address: 10.0.1.20}}]",
        f"{AT}.containers.0.address: 10.0.1.20 is not in 10.0.0.0/24",
    ),
    (
        f"{LAN}[10.0.0.0/24], containers: [{{host: a, name: x, address: 10.0.0.1}}]",
        f"{AT}.containers.0.address: 10.0.0.1 is no container's in 10.0.0.0/24",
    ),
    (
        f"{LAN}[10.0.0.0/24], shim: true, containers: [{{host: a, name: x, address: 10.0.0.15}}]",
        f"{AT}.containers.0.address: 10.0.0.15 is reserved for a itself",
    ),
    (
        "driver: bridge, containers: [{host: a, name: x}, {host: a, name: x}]",
        f"{AT}.containers.1: x of a is given twice\n  -> keep one of them",
    ),
    (
        f"{LAN}[10.0.0.0/24], containers: [{{host: a, name: x, address: 10.0.0.250}}, "
        "{host: b, name: y, address: 10.0.0.250}]",
        f"{AT}.containers.1.address: 10.0.0.250 is x's already",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_contradicts_itself_is_refused(text, message):
    with pytest.raises(InventoryError) as caught:
        networks(text)
    assert str(caught.value) == (message if "\n  -> " in message else message + SEE)


def test_a_bridge_has_the_same_addresses_on_each_host():
    listed = "[{host: a, name: x, address: 10.0.0.9}, {host: b, name: x, address: 10.0.0.9}]"
    (its,) = networks(f"driver: bridge, subnets: [10.0.0.0/24], containers: {listed}")
    assert [j.address for j in its.containers] == ["10.0.0.9", "10.0.0.9"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{x: {driver: bridge, subnets: [10.0.0.0/24]}, y: {driver: bridge, subnets: [10.0.0.128/25]}}",
            "networks.y.subnets.0: 10.0.0.128/25 overlaps 10.0.0.0/24 of x\n  -> choose another subnet",
        ),
        (
            "{x: {driver: bridge, subnets: [10.211.5.0/24]}}",
            "networks.x.subnets.0: 10.211.5.0/24 overlaps 10.211.0.0/16 of overweave\n"
            "  -> choose another subnet",
        ),
        (
            f"{{x: {{{LAN}[10.0.0.0/24]}}, y: {{{LAN}[10.0.1.0/24]}}}}",
            "networks.y.parent: eth0 of a is x's already: an engine has one network on each\n"
            "  -> give it a VLAN of its own with `vlan:`, or more subnets to one network",
        ),
        (
            "{overweave: {driver: bridge}}",
            "networks.overweave: is the name of the overlay of `network:`\n  -> choose another name",
        ),
        (
            "{bridge: {driver: bridge}}",
            "networks.bridge: is the name of a network of the engine's own\n  -> choose another name",
        ),
    ],
)
def test_what_contradicts_another_network_is_refused(text, message):
    with pytest.raises(InventoryError) as caught:
        parse(f"{HOSTS}networks: {text}")
    assert str(caught.value) == (message if "\n  -> " in message else message + SEE)


def test_two_networks_may_have_one_subnet_on_different_hosts():
    text = "{driver: bridge, subnets: [10.0.0.0/24], hosts: [%s]}"
    assert len(parse(f"{HOSTS}networks: {{x: {text % 'a'}, y: {text % 'b'}}}").networks) == 2
