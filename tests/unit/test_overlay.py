"""The wanted network, and how another one differs from it, in words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from tests.golden.site import Site, inventory_of

from overweave.facts.engine import NetworkFact
from overweave.facts.swarm import Member
from overweave.model import MTU_OPTION, Network
from overweave.overlay import container_mtu, network_differences, network_spec, underlay_mtu, vxlan_port


def site(mtus=(1500, 1500), **network):
    made = Site(inventory_of(len(mtus), network={"name": "blue", "subnet": "10.50.0.0/24", **network}))
    for mtu, box in zip(mtus, made.boxes.values(), strict=True):
        box.interfaces = {"eth0": [mtu, f"{box.address}/24"]}
    return made


@pytest.mark.parametrize(
    ("wanted", "member", "port"),
    [
        ({}, {}, 4789),
        ({"backend": "swarm", "store": {}}, {}, 4789),
        ({"backend": "swarm", "store": {}, "swarm": {"port": 4790}}, {}, 4790),
        ({"backend": "swarm", "store": {}, "swarm": {"port": 4790}}, {"cluster": "c", "port": 4791}, 4791),
        ({"backend": "swarm", "store": {}, "swarm": {"port": 4790}}, {"cluster": "c"}, 4789),
        ({"backend": "swarm", "store": {}, "swarm": {"port": 4790}}, {"state": "active"}, 4790),
        ({"store": {}, "backend": "consul"}, {"cluster": "c", "port": 4791}, 4789),
    ],
)
def test_a_swarm_that_is_there_has_its_own_port_and_one_to_be_the_inventorys(wanted, member, port):
    made = Site(inventory_of(2, **wanted))
    facts = made.facts()
    its = facts.hosts["host2"]
    hosts = {**facts.hosts, "host2": replace(its, engine=replace(its.engine, member=Member(**member)))}
    assert vxlan_port(made.fleet, replace(facts, hosts=hosts)) == port


@pytest.mark.parametrize(
    ("mtus", "network", "options"),
    [
        ((1500, 1500), {}, {}),
        ((1500, 1450), {}, {MTU_OPTION: "1450"}),
        ((9000, 9000), {}, {MTU_OPTION: "9000"}),
        ((9000, 9000), {"mtu": 1500}, {}),
        ((1500, 1500), {"mtu": 1280}, {MTU_OPTION: "1280"}),
        ((1500, 1500), {"options": {"x": "1"}}, {"x": "1"}),
    ],
)
def test_the_mtu_is_the_smallest_underlays_unless_it_is_given(mtus, network, options):
    made = site(mtus, **network)
    assert network_spec(made.fleet, made.facts()) == {
        "Name": "blue",
        "Driver": "overlay",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.50.0.0/24"}]},
        "Options": options,
    }


def there(driver="overlay", scope="global", subnets=("10.50.0.0/24",), **options):
    return NetworkFact("id", "blue", driver, scope, subnets, options)


def test_containers_get_what_the_network_was_made_for_less_vxlans_overhead():
    assert container_mtu(there()) == 1450
    assert container_mtu(there(**{MTU_OPTION: "9000"})) == 8950
    assert underlay_mtu(there(**{MTU_OPTION: "9000"})) == 9000


def test_an_encrypted_network_leaves_room_for_esp():
    """As engines have it: libnetwork's maxMTU()."""
    assert container_mtu(there(encrypted="")) == 1424
    assert container_mtu(there(**{MTU_OPTION: "1400", "encrypted": ""})) == 1324
    assert container_mtu(there(**{MTU_OPTION: "1402", "encrypted": ""})) == 1324
    assert underlay_mtu(there(encrypted="")) == 1500


BRIDGE = "driver bridge and scope local, wanted overlay and global"
SWARM = "driver overlay and scope swarm, wanted overlay and global"


@pytest.mark.parametrize(
    ("network", "differences"),
    [
        (there(), []),
        (there(**{MTU_OPTION: "1500"}), []),
        (there(**{"com.docker.network.driver.overlay.vxlanid_list": "256"}), []),
        (there("bridge", "local"), [BRIDGE]),
        (there(scope="swarm"), [SWARM]),
        (there(subnets=("10.51.0.0/24",)), ["subnet 10.51.0.0/24, wanted 10.50.0.0/24"]),
        (there(subnets=()), ["subnet none, wanted 10.50.0.0/24"]),
        (
            there(subnets=("10.50.0.0/24", "10.1.0.0/24")),
            ["subnet 10.50.0.0/24, 10.1.0.0/24, wanted 10.50.0.0/24"],
        ),
        (there(**{MTU_OPTION: "9000"}), [f"option {MTU_OPTION} 9000, wanted 1500"]),
        (there(b="1", a="2"), ["option a 2, wanted unset", "option b 1, wanted unset"]),
    ],
)
def test_attributes_are_compared_not_names(network, differences):
    made = site()
    assert network_differences(made.fleet, made.facts(), network) == differences


NOT_IN_IT = "driver overlay and scope global, wanted overlay and swarm"


@pytest.mark.parametrize(
    ("network", "differences"),
    [
        (replace(there(scope="swarm"), attachable=True), []),
        (there(scope="swarm"), ["not attachable"]),
        (
            there(scope="swarm", subnets=("10.51.0.0/24",)),
            ["not attachable", "subnet 10.51.0.0/24, wanted 10.50.0.0/24"],
        ),
        (replace(there(), attachable=True), [NOT_IN_IT]),
        (there("bridge", "local"), ["driver bridge and scope local, wanted overlay and swarm"]),
        (
            replace(there(scope="swarm", encrypted=""), attachable=True),
            ["option encrypted , wanted unset"],
        ),
    ],
)
def test_a_network_of_a_swarm_has_to_be_one_that_containers_can_join(network, differences):
    made = site()
    made.wanted |= {"backend": "swarm", "store": {}}
    assert network_differences(made.fleet, made.facts(), network) == differences


def test_the_network_of_a_swarm_is_asked_for_as_attachable():
    made = site()
    assert "Attachable" not in network_spec(made.fleet, made.facts())
    plain = network_spec(made.fleet, made.facts())
    made.wanted |= {"backend": "swarm", "store": {}}
    assert network_spec(made.fleet, made.facts()) == plain | {"Attachable": True}


def test_an_option_that_is_wanted_and_not_there_differs():
    made = site(options={"x": "1"})
    assert network_differences(made.fleet, made.facts(), there()) == ["option x unset, wanted 1"]


def test_the_defaults_of_a_network():
    assert Network() == Network("overweave", IPv4Network("10.211.0.0/16"), None, {})
