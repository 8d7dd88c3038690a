"""What carries the overlay, why, and which hosts manage a swarm."""

from __future__ import annotations

import json

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import begun, deployed

from overweave.backend import abilities, choose, no_store, settle
from overweave.inventory import parse


def site(count=3, /, changes=None, **inventory):
    made = Site(inventory_of(count, **inventory))
    for name, its in (changes or {}).items():
        for key, value in its.items():
            assert hasattr(made.boxes[name], key)
            setattr(made.boxes[name], key, value)
    return made


def facts(made):
    return {name: box.facts(made.shared) for name, box in made.boxes.items()}


def wanted(made):
    """As the inventory has it, before anybody looked."""
    return parse(json.dumps(made.wanted))


NEW = {"version": "26.1.5+dfsg1"}
DEBIAN_12 = {"version": "20.10.24+dfsg1", "speaks_consul": False}
OLD = {"version": "1.12.6"}
FLAGS = {"arguments": ["dockerd", "--cluster-store=consul://10.0.0.1:8500"]}
DROP_IN = {"drop_in": "[Service]\nExecStart=dockerd --cluster-store=consul://10.0.0.1:8500\n"}
ETCD_FLAGS = {"arguments": ["dockerd", "--cluster-store=etcd://10.0.0.1:2379,10.0.0.2:2379"]}
MEMBER = {"member": {"state": "active", "node": "n"}}


def undecided(made):
    made.wanted = made.wanted | {"store": {}}
    return made


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("consul", "all engines have a cluster store")),
        ({"host2": DEBIAN_12}, ("etcd", "host2 has Docker 20.10.24+dfsg1, built without Consul")),
        (
            {"host2": DEBIAN_12 | {"speaks_etcd": False}},
            ("swarm", "host2 has Docker 20.10.24+dfsg1, built without Consul"),
        ),
        (
            {"host2": DEBIAN_12, "host3": NEW},
            ("swarm", "host2 has Docker 20.10.24+dfsg1, built without Consul, and 1 more"),
        ),
        ({"host2": ETCD_FLAGS}, ("etcd", "host2 uses a cluster store already")),
    ],
)
def test_a_store_in_etcd_is_taken_where_all_can_have_that_and_not_all_one_in_consul(changes, expected):
    made = undecided(site(3, changes))
    assert choose(wanted(made), facts(made)) == expected
    fleet = settle(wanted(made), facts(made))
    assert fleet.backend == expected[0]
    if fleet.backend == "etcd":
        its = fleet.store
        assert (its.kind, its.image, its.port) == ("etcd", "quay.io/coreos/etcd:v3.4.23", 2379)
        assert fleet.agents == fleet.servers


def test_a_kind_that_the_inventory_names_is_the_only_one():
    for kind, changes, chosen in (
        ("consul", {"host2": DEBIAN_12}, "swarm"),
        ("etcd", {}, "etcd"),
        ("etcd", {"host2": {"speaks_etcd": False}}, "swarm"),
    ):
        made = site(3, changes, store={"kind": kind})
        assert choose(wanted(made), facts(made))[0] == chosen


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("consul", "all engines have a cluster store")),
        ({"host1": OLD}, ("consul", "all engines have a cluster store")),
        ({"host2": FLAGS}, ("consul", "host2 uses a cluster store already")),
        ({"host2": DROP_IN | {"running": False}}, ("consul", "host2 uses a cluster store already")),
        ({"host1": NEW, "host2": FLAGS}, ("consul", "host2 uses a cluster store already")),
        ({"host1": MEMBER, "host2": FLAGS}, ("consul", "host2 uses a cluster store already")),
        ({"host3": MEMBER}, ("swarm", "host3 is in a swarm already")),
        ({"host3": {"member": {"state": "locked"}}}, ("swarm", "host3 is in a swarm already")),
        ({"host2": NEW}, ("swarm", "host2 has Docker 26.1.5+dfsg1, without a cluster store")),
        (
            {"host2": NEW, "host3": DEBIAN_12},
            ("swarm", "host2 has Docker 26.1.5+dfsg1, without a cluster store, and 1 more"),
        ),
        ({"host1": DEBIAN_12}, ("swarm", "host1 has Docker 20.10.24+dfsg1, built without Consul")),
        (
            {"host1": NEW | {"running": False}},
            ("swarm", "host1 has Docker 26.1.5+dfsg1, without a cluster store"),
        ),
        ({"host1": {"version": "1.13.1"}, "host2": NEW}, None),
        ({"host1": OLD, "host2": NEW}, ("consul", "no backend fits all engines")),
        ({"host1": {"installed": False}}, ("consul", "all engines have a cluster store")),
        (
            {"host1": {"installed": False}, "host2": NEW},
            ("swarm", "host2 has Docker 26.1.5+dfsg1, without a cluster store"),
        ),
        ({"host1": {"has_unit": False}}, ("consul", "all engines have a cluster store")),
    ],
)
def test_the_backend_is_what_runs_already_else_what_all_engines_can_do(changes, expected):
    made = site(changes=changes)
    found = choose(wanted(made), facts(made))
    assert found == (expected or ("swarm", "host2 has Docker 26.1.5+dfsg1, without a cluster store"))


def test_a_store_that_the_inventory_names_is_used():
    made = site(changes={"host1": NEW}, store={"external": "10.9.9.9"})
    assert choose(wanted(made), facts(made)) == ("consul", "the inventory names a store")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"version": "22.05"}, ""),
        ({"version": "22.06.0-beta.0"}, "Docker 22.06.0-beta.0, without a cluster store"),
        ({"version": "23.0.0", "speaks_consul": False}, "Docker 23.0.0, without a cluster store"),
        ({"speaks_consul": False}, "Docker 20.10.5+dfsg1, built without Consul"),
    ],
)
def test_why_an_engine_can_have_no_store_in_consul(changes, why):
    made = site(1, changes={"host1": changes})
    assert no_store(facts(made)["host1"].engine, "consul") == why


@pytest.mark.parametrize("asked", ["consul", "swarm"])
def test_what_was_asked_for_is_not_chosen_anew(asked):
    made = site(changes={"host1": MEMBER, "host2": NEW}, backend=asked, store={})
    assert settle(wanted(made), facts(made)).backend == asked


def test_auto_becomes_a_backend_and_its_hosts_are_marked():
    made = site()
    found = settle(wanted(made), facts(made))
    assert (found.backend, found.servers, found.managers) == ("consul", ("host1", "host2", "host3"), ())
    made = site(changes={"host2": NEW})
    found = settle(wanted(made), facts(made))
    assert (found.backend, found.servers) == ("swarm", ())
    assert found.managers == ("host1", "host2", "host3")


def managers(made):
    return settle(wanted(made), facts(made)).managers


SWARM = {"backend": "swarm", "store": {}}


@pytest.mark.parametrize(("hosts", "count"), [(1, 1), (2, 1), (3, 3), (9, 3), (10, 5), (25, 5)])
def test_a_new_swarm_gets_managers_by_the_fleets_size(hosts, count):
    assert managers(site(hosts, **SWARM)) == tuple(f"host{n}" for n in range(1, count + 1))


def test_the_inventory_says_how_many_or_which():
    assert managers(site(5, **SWARM, swarm={"managers": 1})) == ("host1",)
    hosts = {f"host{n}": {"address": f"10.0.0.{n}", "manager": n in (2, 5)} for n in range(1, 6)}
    assert managers(site(5, **SWARM | {"hosts": hosts})) == ("host2", "host5")
    more = SWARM | {"hosts": hosts, "swarm": {"managers": 3}}
    assert managers(site(5, **more)) == ("host1", "host2", "host5")


def test_hosts_of_one_zone_fail_together():
    hosts = {f"host{n}": {"address": f"10.0.0.{n}", "zone": "ab"[n > 3]} for n in range(1, 6)}
    assert managers(site(5, **SWARM | {"hosts": hosts})) == ("host1", "host2", "host4")


def test_a_swarm_that_is_there_keeps_its_managers_and_does_not_grow_by_itself():
    made = site(5, **SWARM)
    begun(made, "host4")
    assert managers(made) == ("host4",)
    made.wanted |= {"swarm": {"managers": 3}}
    assert managers(made) == ("host1", "host2", "host4")


def test_a_swarm_that_has_more_managers_than_wanted_keeps_the_first_of_them():
    made = deployed(inventory_of(4, **SWARM, swarm={"managers": 3}))
    made.wanted |= {"swarm": {"managers": 1}}
    assert managers(made) == ("host1",)
    del made.wanted["swarm"]
    assert managers(made) == ("host1", "host2", "host3")
    made.wanted["hosts"]["host4"] |= {"manager": True}
    assert managers(made) == ("host4",), "those that are marked, and no others"


def test_members_of_a_swarm_whose_managers_are_others_get_no_manager():
    """Preflight says whom to name."""
    made = site(3, changes={"host2": MEMBER}, **SWARM)
    assert [host.name for host in settle(wanted(made), facts(made)).hosts if host.manager] == []


def test_a_manager_whose_engine_was_down_at_the_first_look_is_one_at_the_second():
    """What a session has settled is what it settles again."""
    made = deployed(inventory_of(4, **SWARM))
    made.boxes["host2"].running = False
    first = settle(wanted(made), facts(made))
    made.boxes["host2"].running = True
    assert settle(first, facts(made)).managers == ("host1", "host2", "host3")


def test_what_each_host_can_carry():
    made = site(3, {"host1": NEW, "host2": OLD, "host3": {"installed": False}})
    found = abilities(wanted(made), facts(made))
    assert [(its.host, its.engine, dict(its.cannot), its.uses) for its in found.hosts] == [
        (
            "host1",
            "26.1.5+dfsg1",
            dict.fromkeys(("consul", "etcd"), "Docker 26.1.5+dfsg1, without a cluster store"),
            "",
        ),
        ("host2", "1.12.6", {"swarm": "Docker 1.12.6, without attachable networks"}, ""),
        (
            "host3",
            "no Docker",
            dict.fromkeys(("consul", "etcd", "swarm"), "Docker is not installed: there is no dockerd"),
            "",
        ),
    ]
    assert (found.chosen, found.why, found.fits) == ("consul", "no backend fits all engines", False)


def test_what_hosts_use_is_what_they_keep():
    made = site(2, {"host1": MEMBER, "host2": FLAGS})
    found = abilities(wanted(made), facts(made))
    assert [its.uses for its in found.hosts] == ["swarm", "consul"]
    assert found.fits


def test_an_engine_that_is_down_and_was_deployed_without_flags_was_in_a_swarm():
    made = deployed(inventory_of(2, **SWARM))
    del made.wanted["backend"]
    for box in made.boxes.values():
        box.running = False
    assert choose(wanted(made), facts(made)) == (
        "swarm",
        "host1, whose engine is down, was deployed in a swarm",
    )
