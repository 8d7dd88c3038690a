"""Where the store is: told, found, or the first host."""

from __future__ import annotations

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import deployed

from overweave.store_host import settle, told_store


def reordered(site, *names, **marks):
    hosts = {n: site.wanted["hosts"][n] | marks.get(n, {}) for n in names}
    site.wanted = site.wanted | {"hosts": hosts}
    return settle(site.fleet, site.facts().hosts).store_host.name


def site_of(count, **store):
    wanted = inventory_of(count)
    return Site(wanted | {"store": wanted["store"] | store})


def marked(site, **zones):
    for name, zone in zones.items():
        site.wanted["hosts"][name]["zone"] = zone
    return settle(site.fleet, site.facts().hosts).servers


@pytest.mark.parametrize(("hosts", "servers"), [(1, 1), (2, 1), (3, 3), (9, 3), (10, 5), (25, 5)])
def test_a_fleet_of_three_or_more_has_a_store_that_survives_a_host(hosts, servers):
    assert marked(site_of(hosts)) == tuple(f"host{n}" for n in range(1, servers + 1))


def test_the_inventory_says_how_many_servers_there_are():
    assert marked(site_of(5, servers=5)) == ("host1", "host2", "host3", "host4", "host5")
    assert marked(site_of(5, servers=1)) == ("host1",)


def test_servers_are_spread_over_zones():
    site = site_of(6)
    assert marked(site, host1="a", host2="a", host3="a", host4="b", host5="b", host6="c") == (
        "host1",
        "host4",
        "host6",
    )


def test_marked_hosts_come_first_and_others_fill_up():
    site = site_of(5, servers=3)
    site.wanted["hosts"]["host5"]["store"] = True
    assert marked(site) == ("host1", "host2", "host5")


def test_a_store_of_one_server_grows_only_if_that_is_wanted():
    site = deployed()
    assert settle(site.fleet, site.facts().hosts).servers == ("host1",)
    site.wanted["store"] = site.wanted["store"] | {"servers": 3}
    assert settle(site.fleet, site.facts().hosts).servers == ("host1", "host2", "host3")


def test_a_clean_fleets_store_comes_to_the_first_host():
    assert reordered(Site(), "host2", "host1", "host3") == "host2"


def test_the_order_of_hosts_does_not_move_a_store_that_is_there():
    assert reordered(deployed(), "host3", "host2", "host1") == "host1"


def test_an_engine_that_is_down_still_tells_where_its_store_is():
    site = deployed()
    for box in site.boxes.values():
        box.running = False
    assert reordered(site, "host3", "host1") == "host1"


def test_what_the_inventory_marks_is_what_counts():
    assert reordered(deployed(), "host1", "host2", "host3", host3={"store": True}) == "host3"


def test_where_drop_ins_differ_most_of_them_are_right():
    site = deployed()
    site.boxes["host3"].drop_in = site.boxes["host3"].drop_in.replace(
        "consul://10.0.0.11", "consul://10.0.0.13"
    )
    assert reordered(site, "host3", "host2", "host1") == "host1"


def test_a_store_on_none_of_the_hosts_is_told_and_moves_nothing():
    site = deployed(inventory_of(3))
    assert reordered(site, "host2", "host3") == "host2"
    assert [told_store(its) for its in site.facts().hosts.values()] == [("10.0.0.11",)] * 2
    assert told_store(Site().facts().hosts["host1"]) == ()
