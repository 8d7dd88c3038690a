"""What a plan of a swarm says beyond its lines, which are in tests/golden."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import begun, deployed

from overweave.backends.swarm import deployment, member_of, others
from overweave.facts.absent import Absent
from overweave.facts.swarm import Member, SwarmFacts
from overweave.steps import InitSwarm, JoinSwarm, RemoveNode


def site(count=4, **swarm):
    return Site(inventory_of(count, backend="swarm", store={}, swarm=swarm))


def steps(made, kind, facts=None):
    return [s for s in deployment(made.fleet, facts or made.facts()).steps if isinstance(s, kind)]


def test_who_joins_is_told_of_all_managers_but_itself_and_first_of_who_gives_the_token():
    joins = {step.host: step for step in steps(site(managers=3), JoinSwarm)}
    assert {step.via for step in joins.values()} == {"host1"}
    assert joins["host2"].remotes == ("10.0.0.11:2377", "10.0.0.13:2377")
    assert joins["host3"].remotes == ("10.0.0.11:2377", "10.0.0.12:2377")
    assert joins["host4"].remotes == ("10.0.0.11:2377", "10.0.0.12:2377", "10.0.0.13:2377")
    assert [step.manager for step in joins.values()] == [True, True, False]


def test_a_swarm_that_is_there_is_joined_by_its_own_manager():
    made = site(managers=3)
    begun(made, "host4")
    joins = {step.host: step for step in steps(made, JoinSwarm)}
    assert {step.via for step in joins.values()} == {"host4"}
    assert joins["host1"].remotes == ("10.0.0.14:2377", "10.0.0.12:2377")
    assert steps(made, InitSwarm) == []


@pytest.mark.parametrize(
    ("swarm", "port", "pool"),
    [({}, 4789, ""), ({"port": 4790, "pool": "10.60.0.0/16"}, 4790, "10.60.0.0/16")],
)
def test_what_a_swarm_is_begun_with(swarm, port, pool):
    (step,) = steps(site(1, **swarm), InitSwarm)
    assert (step.address, step.port, step.pool) == ("10.0.0.11", port, pool)


def stale(**changes):
    """Removals where the list has one more node called host4, which is down."""
    made = deployed(inventory_of(4, backend="swarm", store={}))
    seen = made.facts()
    old = replace(seen.swarm.nodes["n4"], id="old", state="down", **changes)
    return steps(made, RemoveNode, replace(seen, swarm=SwarmFacts({**seen.swarm.nodes, "old": old})))


def test_nodes_that_a_host_was_are_removed_and_no_others():
    assert [(step.host, step.node, step.name) for step in stale()] == [("host1", "old", "host4")]
    assert stale(name="elsewhere") == []


def test_the_node_that_a_host_is_stays_even_if_it_is_down_for_the_moment():
    made = deployed(inventory_of(4, backend="swarm", store={}))
    seen = made.facts()
    nodes = {id_: replace(node, state="down") for id_, node in seen.swarm.nodes.items()}
    assert steps(made, RemoveNode, replace(seen, swarm=SwarmFacts(nodes))) == []


def test_networks_of_others_are_those_that_are_not_ours_and_not_the_swarms_own():
    made = deployed(inventory_of(2, backend="swarm", store={}))
    assert others(made.fleet, made.facts()) == []
    made.shared |= {n: ["overlay", "swarm", ["10.0.9.0/24"], {}] for n in ("theirs", "more")}
    assert others(made.fleet, made.facts()) == ["more", "theirs"]


def test_a_host_without_an_engine_is_in_no_swarm():
    its = site(1).facts().hosts["host1"]
    assert member_of(replace(its, engine=Absent("no Docker"))) == Member()
