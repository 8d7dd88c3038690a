"""What `fab status` sums up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import deployed

from overweave.facts.node_certificate import NodeCertificate
from overweave.facts.swarm import SwarmFacts
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


def in_a_swarm(count=3, **swarm):
    return deployed(inventory_of(count, backend="swarm", store={}, swarm=swarm))


def test_a_swarm_that_is_whole_is_healthy():
    found = state(in_a_swarm(3, managers=1))
    assert found.healthy
    assert found.hosts == tuple(
        HostState(f"host{n}", "20.10.5+dfsg1 up", f"10.0.0.1{n}", True, 2, role)
        for n, role in ((1, "manager leads"), (2, "worker ready"), (3, "worker ready"))
    )
    assert found.store == "swarm, leader host1, 3 of 3 nodes ready"
    assert found.islands == ()
    assert found.networks == (
        "ingress 10.0.0.0/24 (swarm, id id of ingres)",
        "overweave 10.211.0.0/16 (swarm, id id of overwe)",
    )


def test_a_nodes_certificate_that_is_not_renewed_is_told_with_the_day_of_its_end():
    site = in_a_swarm(3, managers=1)
    facts, day = site.facts(), timedelta(days=1)
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    hosts = dict(facts.hosts)
    for name, left in (("host1", 40), ("host2", 2), ("host3", 5)):
        its = NodeCertificate(begins, begins + 90 * day, begins + (90 - left) * day)
        hosts[name] = replace(hosts[name], node_certificate=its)
    found = summarize(site.fleet, replace(facts, hosts=hosts))
    assert found.store.endswith("3 of 3 nodes ready, the certificate of host2 ends on 2026-04-01")
    hosts["host3"] = replace(hosts["host3"], node_certificate=NodeCertificate(begins, begins, begins + day))
    found = summarize(site.fleet, replace(facts, hosts=hosts))
    assert found.store.endswith("nodes ready, the certificate of host3 ended on 2026-01-01")


def test_a_manager_that_is_down_is_told():
    site = in_a_swarm()
    assert [host.store for host in state(site).hosts] == [
        "manager leads",
        "manager reachable",
        "manager reachable",
    ]
    site.boxes["host1"].running = False
    found = state(site)
    assert not found.healthy
    assert found.store == "swarm, leader host2, 2 of 3 nodes ready"
    assert [(host.engine, host.registered, host.sees, host.store) for host in found.hosts] == [
        ("20.10.5+dfsg1 DOWN", False, 0, "-"),
        ("20.10.5+dfsg1 up", True, 1, "manager leads"),
        ("20.10.5+dfsg1 up", True, 1, "manager reachable"),
    ]


def test_a_manager_that_is_locked_is_told():
    site = in_a_swarm()
    site.boxes["host1"].member["state"] = "locked"
    found = state(site)
    assert not found.healthy
    assert [(host.registered, host.store) for host in found.hosts] == [
        (False, "manager LOCKED"),
        (True, "manager leads"),
        (True, "manager reachable"),
    ]


def test_nodes_that_are_no_host_of_the_fleet_count_for_the_swarm_and_not_for_its_hosts():
    site = in_a_swarm(2, managers=1)
    site.nodes |= {
        "x": {"name": "elsewhere", "role": "worker"},
        "y": {"name": "z", "role": "worker", "gone": 1},
    }
    found = state(site)
    assert found.store == "swarm, leader host1, 3 of 4 nodes ready"
    assert [host.sees for host in found.hosts] == [1, 1]


def test_a_swarm_without_a_manager_that_answers():
    site = in_a_swarm(2, managers=1)
    site.boxes["host1"].running = False
    found = state(site)
    assert not found.healthy
    assert found.store == "no manager of a swarm answers"
    assert [host.store for host in found.hosts] == ["-", "-"]


def test_a_clean_fleet_that_is_to_be_a_swarm_has_none():
    found = state(Site(inventory_of(2, backend="swarm", store={})))
    assert not found.healthy
    assert (found.store, found.networks) == ("no manager of a swarm answers", ())


def seen_by_managers(site, **changes):
    """Facts of a site whose managers list some nodes otherwise."""
    facts = site.facts()
    nodes = {i: replace(node, **changes.get(i, {})) for i, node in facts.swarm.nodes.items()}
    return summarize(site.fleet, replace(facts, swarm=SwarmFacts(nodes)))


def test_a_swarm_without_a_leader_is_told():
    found = seen_by_managers(in_a_swarm(), n1={"leader": False})
    assert found.store == "swarm, no leader, 3 of 3 nodes ready"
    assert [host.store for host in found.hosts] == ["manager reachable"] * 3


def test_a_manager_whom_the_others_do_not_reach_is_no_node_that_is_ready():
    found = seen_by_managers(in_a_swarm(), n2={"manager": "unreachable"})
    assert not found.healthy
    assert found.store == "swarm, leader host1, 2 of 3 nodes ready"
    assert [(host.registered, host.sees, host.store) for host in found.hosts] == [
        (True, 1, "manager leads"),
        (False, 0, "manager unreachable"),
        (True, 1, "manager reachable"),
    ]


def test_a_worker_that_is_down_for_its_managers_says_so():
    found = seen_by_managers(in_a_swarm(3, managers=1), n3={"state": "down"})
    assert (found.hosts[2].registered, found.hosts[2].store) == (False, "worker down")
    assert [host.sees for host in found.hosts] == [1, 1, 0]


def test_a_host_that_is_not_in_the_swarm_of_the_others_is_told():
    site = in_a_swarm(3, managers=1)
    site.boxes["host3"].member = {}
    found = state(site)
    assert not found.healthy
    assert [(host.registered, host.sees, host.store) for host in found.hosts] == [
        (True, 1, "manager leads"),
        (True, 1, "worker ready"),
        (False, 0, "-"),
    ]
    assert "overweave 10.211.0.0/16 (swarm, id id of overwe), only on host1, host2" in found.networks


def test_a_host_without_docker_is_in_no_swarm():
    site = in_a_swarm(3, managers=1)
    site.boxes["host3"].installed = False
    its = state(site).hosts[2]
    assert (its.engine, its.registered, its.store) == ("no Docker", False, "-")


def test_a_swarm_of_one_host_is_whole():
    found = state(in_a_swarm(1))
    assert found.healthy
    assert (found.store, found.hosts[0].sees) == ("swarm, leader host1, 1 of 1 nodes ready", 0)
