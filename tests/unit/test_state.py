"""What `fab status` sums up."""

from __future__ import annotations

import pytest
from tests.golden.site import Site
from tests.golden.test_plans import deployed

from overweave.state import HostState, summarize


def state(site):
    return summarize(site.fleet, site.facts())


def test_a_deployed_fleet_is_healthy():
    found = state(deployed())
    assert found.healthy
    assert found.hosts == tuple(
        HostState(f"host{n}", "20.10.5+dfsg1 up", f"10.0.0.1{n}", True, 2, store)
        for n, store in ((1, "consul:1.8.7 up"), (2, "-"), (3, "-"))
    )
    assert found.store == "Consul on host1, leader 10.0.0.11:8300, 3 engines registered"
    assert found.islands == (("host1", "host2", "host3"),)
    assert found.networks == ("overweave 10.211.0.0/16 (global, id id of overwe)",)


def test_a_clean_fleet_has_nothing():
    found = state(Site())
    assert not found.healthy
    assert (found.store, found.islands, found.networks) == ("none runs", (), ())


@pytest.mark.parametrize(
    ("change", "attribute", "expected"),
    [
        ({"running": False}, "engine", "20.10.5+dfsg1 DOWN"),
        ({"installed": False, "running": False}, "engine", "no Docker"),
        ({"registered": False}, "registered", False),
        ({"gossips": False}, "sees", 0),
        ({"interfaces": {"lo": [1, "10.9.9.9/32"]}}, "advertise", ""),
    ],
)
def test_one_host_that_is_not_well_makes_the_fleet_unhealthy(change, attribute, expected):
    site = deployed()
    for key, value in change.items():
        setattr(site.boxes["host3"], key, value)
    found = state(site)
    assert not found.healthy
    assert getattr(found.hosts[2], attribute) == expected


def test_islands_and_a_store_without_a_leader_are_told():
    site = deployed()
    site.islands, site.leader = [["host1"], ["host2", "host3"]], False
    found = state(site)
    assert not found.healthy
    assert found.store == "Consul on host1, no leader"
    assert found.islands == (("host2", "host3"), ("host1",))
    assert [host.sees for host in found.hosts] == [0, 1, 1]


def test_a_network_that_only_some_engines_show_says_which():
    site = deployed()
    site.boxes["host3"].arguments = ["dockerd"]
    assert state(site).networks == (
        "overweave 10.211.0.0/16 (global, id id of overwe), only on host1, host2",
    )


def test_a_stopped_store_is_told():
    site = deployed()
    site.boxes["host1"].containers["consul"][1] = False
    found = state(site)
    assert (found.hosts[0].store, found.store) == ("consul:1.8.7 STOPPED", "none runs")
