"""What is done for the networks of an inventory: made once, connected, and only what is ours removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import inventory_of, lines
from tests.golden.test_plans import IN_A_SWARM, deployed
from tests.unit.reconcile.world import World

from overweave.wanted import LABEL

LAN = {"driver": "macvlan", "parent": "eth0", "subnets": [{"subnet": "10.0.50.0/24", "slots": 4}]}
SHOP = {"driver": "bridge", "subnets": ["10.77.0.0/24"]}
MESH = {"driver": "overlay", "subnets": ["10.78.0.0/16"]}
NOTE = "/var/lib/overweave/connected.json"
LISTED = "(the inventory lists it)"
KNOWN = "(who was connected is known when it is to be disconnected)"


def test_local_networks_are_made_on_each_host_and_an_overlay_once():
    world = World({"lan": LAN, "shop": SHOP, "mesh": MESH}, overlay=True)
    assert world.apply() == [
        "-- networks",
        f"host1: create macvlan network lan (10.0.50.0/24, giving out 10.0.50.0/26, parent=eth0) {LISTED}",
        f"host2: create macvlan network lan (10.0.50.0/24, giving out 10.0.50.64/26, parent=eth0) {LISTED}",
        f"host1: create bridge network shop (10.77.0.0/24) {LISTED}",
        f"host2: create bridge network shop (10.77.0.0/24) {LISTED}",
        f"host1: create overlay network mesh (10.78.0.0/16) {LISTED}",
    ]
    assert world.networks["host1"]["lan"]["Labels"] == {LABEL: "lan"}
    assert "Attachable" not in world.networks["host1"]["mesh"], "an engine of a cluster store refuses it"


def test_a_host_that_is_added_behind_the_others_changes_nobodys_range():
    world = World({"lan": LAN}, hosts=3)
    world.only = ("host1", "host2")
    world.apply()
    world.only = None
    assert world.apply() == [
        "-- networks",
        "host3: create macvlan network lan (10.0.50.0/24, giving out 10.0.50.128/26, parent=eth0) "
        "(the inventory lists it)",
    ]


def test_an_overlay_of_a_swarm_is_attachable_and_made_at_a_manager():
    site = deployed(inventory_of(2, **IN_A_SWARM, swarm={"managers": 1}))
    world = World({"mesh": MESH | {"encrypted": True}}, site=site)
    world.apply()
    its = world.networks["host2"]["mesh"]
    assert (its["Attachable"], its["Options"]) == (True, {"encrypted": ""})


def test_without_a_store_or_a_swarm_there_is_no_overlay():
    assert World({"mesh": MESH}).refused() == [
        "no engine here can make the overlay mesh\n"
        "  -> `fab deploy-overlay` gives them a cluster store or a swarm first"
    ]


def test_containers_are_connected_and_disconnected_and_those_of_others_stay():
    listed = [{"host": "host1", "name": "app", "aliases": ["web"]}, {"host": "host2", "name": "later"}]
    world = World({"shop": SHOP | {"containers": listed}})
    world.run("host1", "app")
    assert world.apply() == [
        "-- note",
        f"host1: write {NOTE} {KNOWN}",
        "-- networks",
        "host1: create bridge network shop (10.77.0.0/24) (the inventory lists it)",
        "host2: create bridge network shop (10.77.0.0/24) (the inventory lists it)",
        "-- containers on networks",
        "host1: connect container app to network shop as web (the inventory lists it)",
    ]
    assert [(j.host, j.container) for j in world.decide().waiting] == [("host2", "later")]
    world.run("host1", "theirs", "shop")
    world.wanted = {"shop": SHOP}
    assert world.apply() == [
        "-- containers off networks",
        "host1: disconnect container app from network shop [destructive] "
        "(the inventory does not list it any more)",
        "-- note of it",
        f"host1: remove {NOTE} and its folder (nobody is connected any more)",
    ]
    assert world.containers["host1"]["theirs"].endpoints, "nobody of ours has connected it"


def test_another_container_of_that_name_is_not_the_one_that_was_connected():
    world = World({"shop": SHOP | {"containers": [{"host": "host1", "name": "app"}]}})
    world.run("host1", "app")
    world.apply()
    world.run("host1", "filler")
    del world.containers["host1"]["app"]
    world.run("host1", "app", "shop")
    world.run("host1", "app2")
    world.wanted = {"shop": SHOP}
    assert world.apply() == [
        "-- note of it",
        f"host1: remove {NOTE} and its folder (nobody is connected any more)",
    ]


@pytest.mark.parametrize(
    ("aliases", "fixed", "change", "why"),
    [
        (("web",), "", {"aliases": ["web", "www"]}, "aliases web, wanted web, www"),
        ((), "10.77.0.9", {"address": "10.77.0.8"}, "address 10.77.0.9, wanted 10.77.0.8"),
    ],
)
def test_a_container_with_other_names_or_another_address_joins_again(aliases, fixed, change, why):
    world = World({"shop": SHOP})
    world.apply()
    world.run("host1", "app", "shop", aliases=aliases, fixed=fixed)
    world.wanted = {"shop": SHOP | {"containers": [{"host": "host1", "name": "app", **change}]}}
    told = world.apply()
    assert f"host1: disconnect container app from network shop [destructive] ({why})" in told
    assert told[-1].startswith("host1: connect container app to network shop")


def test_what_a_user_has_given_more_than_was_listed_is_left():
    world = World({"shop": SHOP})
    world.apply()
    world.run("host1", "app", "shop", aliases=("web", "own"), fixed="10.77.0.9")
    world.wanted = {"shop": SHOP | {"containers": [{"host": "host1", "name": "app", "aliases": ["web"]}]}}
    assert world.plan() == []


@pytest.mark.parametrize("mode", ["host", "none"])
def test_a_container_without_networks_of_its_own_is_refused(mode):
    world = World({"shop": SHOP | {"containers": [{"host": "host1", "name": "app"}]}})
    world.run("host1", "app", mode=mode)
    assert world.refused() == [
        f"host1: app can't join shop: it was made with --network {mode}\n"
        "  -> take it out of `networks.shop.containers`, or make it without that"
    ]


OTHERWISE = [
    ({"mtu": 1400}, "MTU 1500, wanted 1400"),
    ({"internal": True}, "internal no, wanted yes"),
    ({"labels": {"team": "web"}}, "label team unset, wanted web"),
    ({"options": {"com.docker.network.bridge.name": "shop0"}}, "option com.docker.network.bridge.name unset"),
    ({"subnets": ["10.79.0.0/24"]}, "subnets 10.77.0.0/24, wanted 10.79.0.0/24"),
    ({"subnets": [{"subnet": "10.77.0.0/24", "gateway": "10.77.0.9"}]}, "gateway of 10.77.0.0/24 10.77.0.1"),
    ({"subnets": [{"subnet": "10.77.0.0/24", "range": "10.77.0.64/26"}]}, "range of 10.77.0.0/24 all"),
    (
        {"subnets": [{"subnet": "10.77.0.0/24", "reserved": {"printer": "10.77.0.7"}}]},
        "reserved of 10.77.0.0/24 none, wanted printer 10.77.0.7",
    ),
]


@pytest.mark.parametrize(("change", "told"), OTHERWISE, ids=[told for _, told in OTHERWISE])
def test_a_difference_is_told_by_its_name_and_made_good_when_that_is_asked_for(change, told):
    world = World({"shop": SHOP}, hosts=1)
    world.apply()
    world.wanted = {"shop": SHOP | change}
    (refused,) = world.refused()
    assert refused.startswith(f"host1: network shop differs: {told}")
    assert "--replace, which takes its containers off it for a moment" in refused
    (drift,) = world.decide().drift
    assert str(drift.differences[0]).startswith(told)
    assert len(world.apply(replace=True)) == 4


def test_a_replaced_network_gets_its_containers_back():
    world = World({"shop": SHOP | {"containers": [{"host": "host1", "name": "app", "aliases": ["web"]}]}})
    world.run("host1", "app")
    world.apply()
    world.wanted["shop"] |= {"mtu": 1400}
    why = "MTU 1500, wanted 1400"
    assert world.apply(replace=True) == [
        "-- containers off networks",
        f"host1: disconnect container app from network shop [destructive] ({why})",
        "-- old networks",
        f"host1: remove network shop [destructive] ({why})",
        f"host2: remove network shop [destructive] ({why})",
        "-- networks",
        f"host1: create bridge network shop (10.77.0.0/24, com.docker.network.driver.mtu=1400) ({why})",
        f"host2: create bridge network shop (10.77.0.0/24, com.docker.network.driver.mtu=1400) ({why})",
        "-- containers on networks",
        "host1: connect container app to network shop as web (the inventory lists it)",
    ]


def test_users_containers_that_are_not_listed_keep_a_network_from_being_replaced_and_removed():
    world = World({"shop": SHOP})
    world.apply()
    world.run("host1", "theirs", "shop")
    world.run("host1", "old", "shop", running=False)
    told = [
        "host1: network shop can't be removed: on it are theirs on host1, old on host1 (stopped), which "
        "apply-networks did not connect\n"
        "  -> list them under `containers:`, or `docker network disconnect shop CONTAINER`"
    ]
    world.wanted = {"shop": SHOP | {"mtu": 1400}}
    assert world.refused(replace=True) == told
    world.wanted = {}
    assert world.refused() == told


def test_a_network_of_somebody_else_is_used_as_it_is_and_never_changed_or_removed():
    world = World({"shop": SHOP | {"containers": [{"host": "host1", "name": "app"}]}}, hosts=1)
    world.make("host1", "shop", IPAM={"Config": [{"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}]})
    world.run("host1", "app")
    assert "host1: connect container app to network shop (the inventory lists it)" in world.apply()
    world.wanted["shop"] |= {"internal": True}
    assert world.refused(replace=True) == [
        "host1: network shop differs: internal no, wanted yes; and it was not made by apply-networks\n"
        "  -> list it as it is or by another name, or `docker network rm shop` there"
    ]
    world.wanted = {}
    assert not [line for line in world.apply() if "remove network" in line]


def test_what_is_not_listed_any_more_is_removed_on_every_host_and_an_overlay_once():
    world = World({"lan": LAN, "mesh": MESH}, overlay=True)
    world.apply()
    world.make("host1", "theirs")
    world.wanted = {"lan": LAN | {"hosts": ["host1"]}}
    assert world.apply() == [
        "-- old networks",
        "host1: remove network mesh [destructive] (the inventory does not list it any more)",
        "host2: remove network lan [destructive] (the inventory does not list it any more)",
    ]
    assert "theirs" in world.networks["host1"]


def test_a_shim_comes_and_goes_with_its_network():
    world = World({"lan": LAN | {"shim": True}}, hosts=1)
    told = world.apply()
    assert told[-2:] == [
        "-- shims",
        "host1: install overweave-shim-lan.service (the host is to reach its own containers)",
    ]
    text = world.notes["host1"].shims["lan"]
    assert "ip link add ow-094a367b link eth0 type macvlan mode bridge" in text, text
    assert "ip address add 10.0.50.63/32 dev ow-" in text
    assert "ip route add 10.0.50.0/26 dev ow-" in text
    its = world.networks["host1"]["lan"]["IPAM"]["Config"][0]
    assert its["AuxiliaryAddresses"] == {"shim": "10.0.50.63"}, "no container may have it"
    world.wanted = {}
    assert world.apply() == [
        "-- old shims",
        "host1: remove overweave-shim-lan.service (the inventory does not list it any more)",
        "-- old networks",
        "host1: remove network lan [destructive] (the inventory does not list it any more)",
    ]


def test_a_shim_is_added_to_a_network_that_is_there_and_taken_from_it():
    world = World({"lan": LAN}, hosts=1)
    world.apply()
    world.run("host1", "theirs", "lan")
    world.wanted = {"lan": LAN | {"shim": True}}
    assert world.apply() == [
        "-- shims",
        "host1: install overweave-shim-lan.service (the host is to reach its own containers)",
    ]
    world.wanted = {"lan": LAN}
    assert world.apply() == [
        "-- old shims",
        "host1: remove overweave-shim-lan.service (the inventory does not list it any more)",
    ]


def test_a_network_that_keeps_no_address_for_a_shim_is_as_wanted_until_one_is():
    world = World({"lan": LAN}, hosts=1)
    world.apply()
    del world.networks["host1"]["lan"]["IPAM"]["Config"][0]["AuxiliaryAddresses"]
    assert world.plan() == []
    world.wanted = {"lan": LAN | {"shim": True}}
    (refused,) = world.refused()
    assert "host1: network lan differs: reserved of 10.0.50.0/24 none, wanted shim 10.0.50.63" in refused


def test_a_teardown_takes_away_all_of_it_and_leaves_what_others_have_made():
    listed = [{"host": "host1", "name": "app"}]
    world = World({"lan": LAN | {"shim": True, "containers": listed}, "mesh": MESH}, overlay=True)
    world.run("host1", "app")
    world.apply()
    world.make("host2", "theirs")
    made = world.removal()
    assert next(iter(lines(made.plan))) == "-- containers off networks"
    world.carry_out(made.plan)
    assert not world.removal().plan
    assert [list(its) for its in world.networks.values()] == [[], ["theirs"]]


def test_a_host_that_leaves_loses_what_is_its_own_and_no_other_host_anything():
    listed = [{"host": "host2", "name": "app"}]
    lan, mesh = (its | {"containers": listed} for its in (LAN | {"shim": True}, MESH))
    world = World({"lan": lan, "mesh": mesh, "shop": SHOP}, overlay=True)
    world.run("host2", "app")
    world.apply()
    before = (dict(world.networks["host1"]), world.notes["host1"])
    world.make("host2", "theirs")
    made = world.departing("host2")
    assert list(lines(made.plan)) == [
        "-- containers off networks",
        "host2: disconnect container app from network lan [destructive] (it leaves)",
        "-- old shims",
        "host2: remove overweave-shim-lan.service (it leaves)",
        "-- old networks",
        "host2: remove network lan [destructive] (it leaves)",
        "host2: remove network shop [destructive] (it leaves)",
        "-- note of it",
        f"host2: remove {NOTE} and its folder (nobody is connected any more)",
    ]
    world.carry_out(made.plan)
    assert not world.departing("host2").plan
    assert list(world.networks["host2"]) == ["mesh", "theirs"], "an overlay is of all hosts"
    assert (world.networks["host1"], world.notes["host1"]) == before


def test_a_host_does_not_leave_while_somebodys_container_is_on_what_would_go():
    world = World({"shop": SHOP})
    world.apply()
    world.run("host2", "theirs", "shop")
    (refused,) = world.departing("host2").refused
    assert str(refused) == (
        "host2: network shop can't be removed: on it are theirs on host2, which apply-networks did not "
        "connect\n"
        "  -> list them under `containers:`, or `docker network disconnect shop CONTAINER`"
    )
    assert not world.departing("host1").refused


def test_an_engine_that_is_down_is_told_before_anything_is_planned():
    world = World({"shop": SHOP})
    world.site.boxes["host2"].running = False
    assert world.refused() == [
        "host2: its engine is down: the engine does not answer\n  -> `systemctl start docker` there"
    ]


def test_two_containers_of_one_name_are_not_on_one_overlay_of_a_cluster_store():
    both = [{"host": host, "name": "app"} for host in ("host1", "host2")]
    world = World({"mesh": MESH | {"containers": both}}, overlay=True)
    assert world.refused() == [
        "app of host1 and app of host2 can't both be on the overlay mesh: with a cluster store each name is "
        "there once\n  -> give one of the containers another name: `docker rename`"
    ]
    site = deployed(inventory_of(2, **IN_A_SWARM, swarm={"managers": 1}))
    assert World({"mesh": MESH | {"containers": both}}, site=site).refused() == []


def test_a_container_whose_connection_has_failed_is_not_on_the_network():
    """As the engine leaves one that runs: with the network's name, and no endpoint."""
    world = World({"shop": SHOP | {"containers": [{"host": "host1", "name": "app"}]}}, hosts=1)
    world.run("host1", "app")
    world.apply()
    its = world.containers["host1"]["app"]
    cut = replace(its, endpoints=tuple(replace(e, id="") for e in its.endpoints))
    world.containers["host1"]["app"] = cut
    assert world.plan() == [
        "-- containers on networks",
        "host1: connect container app to network shop (the inventory lists it)",
    ]
    world.wanted = {}
    assert not [line for line in world.plan() if "disconnect" in line]


def test_an_address_that_a_swarm_has_given_is_not_one_that_was_asked_for():
    site = deployed(inventory_of(2, **IN_A_SWARM, swarm={"managers": 1}))
    world = World({"mesh": MESH | {"containers": [{"host": "host2", "name": "app"}]}}, site=site)
    world.run("host2", "app")
    world.apply()
    its = world.containers["host2"]["app"]
    given = tuple(replace(e, fixed="10.78.0.5") for e in its.endpoints)
    world.containers["host2"]["app"] = replace(its, endpoints=given)
    assert world.plan() == []
