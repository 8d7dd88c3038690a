"""What would break a macvlan or an ipvlan network on a host, in the words that are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reconcile.world import World

from overweave.command import Result
from overweave.facts import parents as parent_facts
from overweave.facts.parents import Parent, Parents
from overweave.reconcile.preflight import findings

LAN = {"driver": "macvlan", "parent": "eth0", "subnets": ["10.0.50.0/24"]}
SHOWN = [
    '[{"ifname": "lo", "flags": ["UP"], "mtu": 65536},'
    ' {"ifname": "br0", "flags": ["UP"], "mtu": 1500, "linkinfo": {"info_kind": "bridge"}},'
    ' {"ifname": "eth0", "flags": ["BROADCAST"], "mtu": 9000, "master": "br0"},'
    ' {"ifname": "wlan0", "flags": ["UP"], "mtu": 1500},'
    ' {"ifname": "eth1.5", "flags": ["UP"], "mtu": 1500, "linkinfo": {"info_kind": "vlan"}}]',
    "under \nmacvlan \nipvlan Error: Unknown device type.\nvlan Error: Unknown device type.\n",
    "/sys/class/net/wlan0/wireless\n",
    "vmware\n",
]


class Host:
    """Tells what a host would."""

    def ask(self, *queries):
        return tuple(Result(q, 0, text, "") for q, text in zip(queries, SHOWN, strict=True))


def test_a_host_tells_its_interfaces_and_what_its_kernel_lacks():
    its = parent_facts.look(Host())
    assert its.lacks == dict.fromkeys(("ipvlan", "vlan"), "Error: Unknown device type.")
    assert its.interfaces["eth0"] == Parent("eth0", False, 9000, bridge="br0")
    assert (its.interfaces["wlan0"].wireless, its.interfaces["eth1.5"].vlan) == (True, True)
    assert its.machine == "vmware"


def seen(world):
    return [(f.host, f.told) for f in findings(world.fleet, world.facts(), world.parents)]


def test_nothing_is_found_where_all_is_well():
    assert seen(World({"lan": LAN, "shop": {"driver": "bridge", "subnets": ["10.77.0.0/24"]}})) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"interfaces": {"eth1": Parent("eth1", True, 1500)}},
            "error: network lan: there is no interface eth0 -> name one of eth1 by `parent` or `parents`",
        ),
        (
            {"interfaces": {"eth0": Parent("eth0", False, 1500)}},
            "error: network lan: eth0 is down -> `ip link set eth0 up` there",
        ),
        (
            {"interfaces": {"eth0": Parent("eth0", True, 1500, bridge="br0")}},
            "error: network lan: eth0 is a port of the bridge br0, which takes all its frames -> "
            "name br0 as the parent",
        ),
        (
            {"interfaces": {"eth0": Parent("eth0", True, 1500, wireless=True)}},
            "error: network lan: eth0 is wireless: access points take frames of its own MAC alone -> "
            "take `driver: ipvlan`, whose containers have the MAC of the parent",
        ),
        (
            {"lacks": {"macvlan": "Error: Unknown device type."}},
            "error: network lan: its kernel can make no macvlan interface: Error: Unknown device type. -> "
            "`modprobe macvlan` there, or a kernel that has it",
        ),
        (
            {"machine": "vmware"},
            "warning: network lan: it is a virtual machine of vmware, which may drop frames of other MACs: "
            "containers reach nobody on other hosts then; the proof measures it -> its port group needs "
            "promiscuous mode, MAC address changes and forged transmits; or `driver: ipvlan`",
        ),
    ],
)
def test_what_is_wrong_with_a_parent(change, told):
    world = World({"lan": LAN})
    world.parents["host2"] = replace(world.parents["host2"], **change)
    assert seen(world) == [("host2", told)]


def test_a_vlan_needs_what_it_is_on_and_a_kernel_that_can_make_it():
    world = World({"lan": LAN | {"vlan": 50, "driver": "ipvlan"}}, hosts=1)
    world.parents["host1"] = replace(
        world.parents["host1"], lacks=dict.fromkeys(("ipvlan", "vlan"), "Error: Unknown device type.")
    )
    assert [told for _, told in seen(world)] == [
        "error: network lan: its kernel can make no ipvlan interface: Error: Unknown device type. -> "
        "`modprobe ipvlan` there, or a kernel that has it",
        "error: network lan: its kernel can make no vlan interface: Error: Unknown device type. -> "
        "`modprobe 8021q` there, or a kernel that has it",
    ]


def test_parents_of_different_sizes_lose_packets():
    world = World({"lan": LAN})
    world.parents["host2"] = Parents({"eth0": Parent("eth0", True, 9000)})
    assert seen(world) == [
        (
            "",
            "error: network lan: its parents have different MTUs: eth0 of host1 has 1500, eth0 of host2 has "
            "9000: larger packets are lost without a word: nobody on one wire cuts them -> give all of them "
            "the same with `ip link set INTERFACE mtu BYTES`",
        )
    ]


def test_a_parent_that_another_network_is_on():
    world = World({"lan": LAN}, hosts=1)
    world.make("host1", "theirs", driver="macvlan", Options={"parent": "eth0"})
    assert seen(world) == [
        (
            "host1",
            "error: network lan: eth0 is the parent of the docker network theirs, and an engine has one "
            "network on each -> give it another parent or a `vlan:`, or `docker network rm theirs` there",
        )
    ]


def test_an_address_of_a_host_is_given_to_no_container():
    lan = LAN | {"subnets": [{"subnet": "10.0.0.0/24", "slots": 4, "gateway": "10.0.0.254"}]}
    world = World({"lan": lan})
    assert seen(world)[0] == (
        "host1",
        "error: network lan: 10.0.0.11 of eth0 is in the range 10.0.0.0/26 that host1 gives to containers -> "
        "give a `range` without it, or name it under `reserved`",
    )
    lan["subnets"][0]["range"] = "10.0.0.64/26"
    assert seen(world) == []


def test_a_bridge_whose_subnet_is_elsewhere():
    world = World({"shop": {"driver": "bridge", "subnets": ["10.0.0.0/16"]}}, hosts=1)
    assert seen(world) == [
        (
            "host1",
            "error: network shop: its subnet 10.0.0.0/16 overlaps the route to 10.0.0.0/24 on eth0 -> "
            "choose another subnet",
        )
    ]
