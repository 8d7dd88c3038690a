"""What a session sees of a swarm, and what it says to whoever asks for a store there."""

from __future__ import annotations

import pytest
from tests.unit.sessions import Fleet

from overweave.errors import EngineError, Refused
from overweave.session import SETTLING_SECONDS, look, look_for_consul, look_for_store

NO_STORE = (
    "these hosts are in a swarm, which has no store\n"
    "  -> `fab status` shows its managers; what they know is on each of them"
)
SWARM = {"backend": "swarm", "store": {}}


def refused(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_who_asks_for_the_store_of_a_swarm_is_told_that_there_is_none():
    assert refused(look_for_store, Fleet(2, **SWARM).begin().session()) == NO_STORE


def test_so_is_who_asks_for_that_of_hosts_that_are_to_be_one():
    assert refused(look_for_store, Fleet(2, **SWARM).session()) == NO_STORE


def test_hosts_that_are_found_in_a_swarm_have_no_store_either():
    fleet = Fleet(2).begin()
    assert refused(look_for_store, fleet.session()) == NO_STORE
    assert ("", "the overlay is one of the engines' own swarm: host1 is in a swarm already") in fleet.said


def test_whoever_asks_a_swarms_session_for_a_key_is_told_the_same():
    session = Fleet(2, **SWARM).begin().session()
    assert refused(session.store().keys, "docker/") == NO_STORE


def test_hosts_in_no_swarm_may_have_a_store():
    session = Fleet(2).session()
    facts = look_for_store(session)
    assert (session.fleet.backend, session.fleet.servers, facts.store, facts.swarm) == (
        "consul",
        ("host1",),
        None,
        None,
    )


def test_what_works_on_consul_is_refused_where_the_store_is_in_etcd():
    said = (
        "these hosts have their store in etcd, and this works on a store in Consul alone\n"
        "  -> `fab store-status` and `fab doctor` look at it; docs/etcd.md says what else works there"
    )
    session = Fleet(2, store={"kind": "etcd"}).session()
    assert refused(look_for_consul, session) == said
    assert refused(session.store) == said
    assert look_for_store(session).store is None
    assert refused(look_for_consul, Fleet(2, **SWARM).session()) == NO_STORE
    assert (session.fleet.agents, session.credentials) == (("host1",), None)


def test_a_swarm_is_seen_as_its_manager_sees_it():
    session = Fleet(3, **SWARM).begin(managers=3).session()
    facts = look(session)
    nodes = facts.swarm.nodes.values()
    assert [(n.name, n.role, n.ready, n.leader) for n in nodes] == [
        ("host1", "manager", True, True),
        ("host2", "manager", True, False),
        ("host3", "manager", True, False),
    ]
    assert (facts.store, facts.views) == (None, {})
    assert session.fleet.managers == ("host1", "host2", "host3")
    assert [its.advertised for its in facts.hosts.values()] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]


def test_workers_alone_do_not_tell_their_nodes():
    fleet = Fleet(3, **SWARM).begin()
    assert look(fleet.session("host2", "host3")).swarm is None
    assert fleet.clock.pauses == [], "nobody becomes a manager by waiting"


def test_a_manager_that_can_not_tell_is_passed_over():
    fleet = Fleet(3, **SWARM).begin(managers=3)

    def nodes():
        raise EngineError("listing the swarm's nodes: The swarm does not have a leader.", status=503)

    fleet.engines["host1"].nodes = nodes
    assert look(fleet.session()).swarm.leader == "host1"
    assert fleet.clock.pauses == []


def test_without_a_manager_that_tells_one_is_waited_for_a_while():
    fleet = Fleet(3, **SWARM).begin()

    def nodes():
        raise EngineError("listing the swarm's nodes: The swarm does not have a leader.", status=503)

    fleet.engines["host1"].nodes = nodes
    assert look(fleet.session()).swarm is None
    assert SETTLING_SECONDS <= fleet.clock.now - fleet.clock.started < SETTLING_SECONDS + 2


def test_a_node_of_an_engine_that_runs_is_waited_for_until_it_is_ready():
    fleet = Fleet(3, **SWARM).begin()
    swarm = fleet.engines["host1"].swarm
    swarm.lose(fleet.engines["host3"].node)
    session = fleet.session()
    pause = fleet.clock.pause

    def back(seconds):
        pause(seconds)
        if len(fleet.clock.pauses) == 3:
            swarm.nodes[fleet.engines["host3"].node]["Status"]["State"] = "ready"

    fleet.clock.pause = back
    assert all(node.ready for node in look(session).swarm.nodes.values())
    assert len(fleet.clock.pauses) == 3


def test_a_node_that_does_not_come_is_told_as_it_is():
    fleet = Fleet(3, **SWARM).begin()
    fleet.engines["host1"].swarm.lose(fleet.engines["host3"].node)
    nodes = look(fleet.session()).swarm.nodes
    assert [node.state for node in nodes.values()] == ["ready", "ready", "down"]
    assert fleet.clock.now - fleet.clock.started >= SETTLING_SECONDS


def test_a_node_of_a_host_that_was_not_named_is_not_waited_for():
    fleet = Fleet(3, **SWARM).begin()
    fleet.lose("host3")
    nodes = look(fleet.session("host1", "host2")).swarm.nodes
    assert [node.state for node in nodes.values()] == ["ready", "ready", "down"]
    assert fleet.clock.pauses == []
