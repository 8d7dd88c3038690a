"""What is asked of a swarm's engines in place of a store's records: over fake engines."""

from __future__ import annotations

import pytest
from tests.unit.sessions import NETWORK, Fleet

from overweave.checkup import examine, look_at_all, make_repair
from overweave.errors import EngineError
from overweave.facts.libnetwork import Endpoint

SWARM = {"backend": "swarm", "store": {}}
SERVICE = {
    "Name": "overweave-endpoint",
    "EndpointID": "e9",
    "MacAddress": "02:42:0a:d3:00:09",
    "IPv4Address": "10.211.0.9/16",
}


@pytest.fixture
def fleet():
    return Fleet(3, **SWARM).begin(managers=3)


def app(number):
    """A running container on the network, as an engine lists it."""
    its = {
        "NetworkID": NETWORK,
        "EndpointID": f"e{number}",
        "IPAddress": f"10.211.0.{number + 1}",
        "MacAddress": f"02:42:0a:d3:00:0{number + 1}",
    }
    return {
        "Names": [f"/app{number}"],
        "Image": "busybox:1.36",
        "State": "running",
        "NetworkSettings": {"Networks": {"overweave": its}},
    }


def told(checkup):
    return [(fault.finding.check, fault.finding.host, fault.finding.seen) for fault in checkup.faults]


def test_networks_nodes_and_peers_come_from_the_engines(fleet):
    live = look_at_all(fleet.session())
    assert [network.name for network in live.records.networks.values()] == ["overweave"]
    assert live.records.nodes == {"10.0.0.11:", "10.0.0.12:", "10.0.0.13:"}
    everybody = frozenset({"10.0.0.11", "10.0.0.12", "10.0.0.13"})
    assert [its.peers for its in live.hosts.values()] == [{NETWORK: everybody}] * 3
    assert live.chosen == live.vteps


def test_the_address_of_a_service_is_its_engines_and_not_stale(fleet):
    fleet.engines["host2"].overlays["overweave"]["Containers"] = {"lb-overweave": SERVICE}
    live = look_at_all(fleet.session())
    address, mac = "10.211.0.9", "02:42:0a:d3:00:09"
    assert live.records.endpoints == (
        Endpoint("e9", "overweave-endpoint", NETWORK, address, mac, "10.0.0.12"),
    )
    assert [its.inspected for its in live.hosts.values()] == [frozenset(), frozenset({"e9"}), frozenset()]


def test_an_engine_that_is_down_is_not_asked_for_its_networks():
    fleet = Fleet(3, **SWARM).begin()
    fleet.lose("host3")
    live = look_at_all(fleet.session())
    assert live.hosts["host3"].attachments is None
    assert live.hosts["host3"].peers == {}
    assert "looking at network" not in " ".join(fleet.engines["host3"].calls)
    assert live.records.nodes == {"10.0.0.11:", "10.0.0.12:"}


def test_without_a_manager_that_answers_there_are_no_records():
    live = look_at_all(Fleet(2, **SWARM).session())
    assert (live.records, live.fleet.swarm) == (None, None)


def test_a_swarm_that_is_whole_is_healthy_at_the_first_look(fleet):
    for number, engine in enumerate(fleet.engines.values(), 1):
        engine.there = [app(number)]
    checkup, facts = examine(fleet.session())
    assert (told(checkup), checkup.healthy) == ([], True)
    assert fleet.clock.pauses == []
    assert ("", "something looks wrong: look again") not in fleet.said
    assert not make_repair(fleet.session(), checkup, facts)


def test_an_engine_that_lacks_peers_for_long_is_told(fleet):
    for number, engine in enumerate(fleet.engines.values(), 1):
        engine.there = [app(number)]
    fleet.engines["host1"].overlays["overweave"] |= {"Peers": [{"Name": "a", "IP": "10.0.0.11"}]}
    checkup, facts = examine(fleet.session())
    assert told(checkup) == [
        ("swarm.gossip", "host1", "the engine does not see host2, host3 in the gossip of overweave")
    ]
    assert not checkup.healthy
    assert fleet.clock.now - fleet.clock.started >= 10, "it finds the others by then, if it has just started"
    assert not make_repair(fleet.session(), checkup, facts)


def test_an_engine_that_finds_its_peers_meanwhile_is_blamed_for_nothing(fleet):
    for number, engine in enumerate(fleet.engines.values(), 1):
        engine.there = [app(number)]
    its = fleet.engines["host1"].overlays["overweave"]
    there, its["Peers"] = its["Peers"], []
    session = fleet.session()
    pause = fleet.clock.pause

    def found(seconds):
        pause(seconds)
        its["Peers"] = there

    fleet.clock.pause = found
    assert told(examine(session)[0]) == []


def test_a_manager_that_is_lost_is_told(fleet):
    fleet.lose("host3")
    checkup, _ = examine(fleet.session("host1", "host2"))
    assert told(checkup) == [("swarm.manager", "", "manager host3 (10.0.0.13) is unreachable")]


def test_an_engine_that_fails_inside_is_named(fleet):
    def network(name):
        raise EngineError(f"looking at network {name}: the engine gave up", status=500)

    fleet.engines["host2"].network = network
    with pytest.raises(EngineError) as caught:
        look_at_all(fleet.session())
    assert str(caught.value) == (
        f"host2: looking at network {NETWORK}: the engine gave up\n"
        "  -> see `journalctl -u docker` on the host"
    )
