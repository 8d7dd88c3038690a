"""What engines know of a swarm's overlays, in the words of a store's records."""

from __future__ import annotations

import functools
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.golden.site import inventory_of
from tests.golden.test_plans import deployed

from overweave.errors import EngineError
from overweave.facts.absent import Absent
from overweave.facts.engine import Engine, NetworkFact, parse_network
from overweave.facts.fleet import FleetFacts
from overweave.facts.libnetwork import Endpoint, Network, Subnet
from overweave.facts.swarm import SwarmFacts
from overweave.facts.swarm_records import Own, own, records
from overweave.model import VNIS_OPTION as VNIS

OVERLAY = NetworkFact(
    "kp3q", "overweave", "overlay", "swarm", ("10.211.0.0/16",), {VNIS: "4097"}, attachable=True
)
INGRESS = replace(OVERLAY, id="ing", name="ingress", options={VNIS: "4096"}, attachable=False)
STORES = replace(OVERLAY, id="glob", name="old", scope="global")
BRIDGE = replace(OVERLAY, id="br", name="bridge", driver="bridge", scope="local")
TOLD = {
    "Containers": {
        "1f20": {
            "Name": "web",
            "EndpointID": "e1",
            "MacAddress": "02:42:0a:d3:00:02",
            "IPv4Address": "10.211.0.2/16",
        },
        "lb-overweave": {
            "Name": "overweave-endpoint",
            "EndpointID": "e2",
            "MacAddress": "02:42:0a:d3:00:04",
            "IPv4Address": "10.211.0.4/16",
        },
    },
    "Peers": [{"Name": "3b1c", "IP": "10.0.0.11"}, {"Name": "77aa", "IP": "10.0.0.12"}],
}
"""As 20.10.5 tells of a network that a container and a service are on, shortened."""


def engine(*networks, running=True):
    nothing = frozenset()
    return Engine(running, "20.10.5", True, "", (), nothing, nothing, networks)


class Told:
    """An engine that tells of its networks by id; ``asked`` are those that it was asked for."""

    def __init__(self, **told):
        self.told, self.asked = told, []

    def network(self, name):
        self.asked.append(name)
        if name not in self.told:
            raise EngineError(f"looking at network {name}: not found", status=404)
        return self.told[name]


def test_of_an_overlay_the_addresses_of_services_and_the_peers_in_its_gossip_are_told():
    found = own(Told(kp3q=TOLD), engine(OVERLAY), "10.0.0.11")
    service = ("e2", "overweave-endpoint", "kp3q", "10.211.0.4", "02:42:0a:d3:00:04", "10.0.0.11")
    assert found.endpoints == (Endpoint(*service),), "containers say their own"
    assert found.peers == {"kp3q": frozenset({"10.0.0.11", "10.0.0.12"})}


def test_only_the_swarms_overlays_are_asked_for():
    reader = Told(kp3q=TOLD)
    own(reader, engine(BRIDGE, INGRESS, OVERLAY, STORES), "10.0.0.11")
    assert reader.asked == ["kp3q"]


@pytest.mark.parametrize("its", [Absent("Docker is not installed: there is no dockerd"), engine()])
def test_an_engine_that_is_not_there_has_nothing(its):
    reader = Told()
    assert own(reader, its, "") == Own()
    assert reader.asked == []


@pytest.mark.parametrize("told", [{}, {"Containers": None, "Peers": None}, {"Containers": {}, "Peers": []}])
def test_a_network_that_nothing_is_on_has_no_peers(told):
    """A manager tells of networks that none of its own containers is on."""
    assert own(Told(kp3q=told), engine(OVERLAY), "10.0.0.11") == Own((), {"kp3q": frozenset()})


def test_a_network_that_went_since_it_was_listed_is_passed_over():
    """A worker has one only as long as a container is on it."""
    assert own(Told(), engine(OVERLAY), "10.0.0.11") == Own()


@pytest.mark.parametrize(
    "told",
    [
        {"Peers": [{"IP": 5}]},
        {"Peers": {}},
        {"Peers": ["x"]},
        {"Containers": [1]},
        {"Containers": {"lb-x": None}},
        {"Containers": {"lb-x": {"EndpointID": 1}}},
    ],
)
def test_what_makes_no_sense_is_an_error_of_ours(told):
    with pytest.raises(EngineError) as caught:
        own(Told(kp3q=told), engine(OVERLAY), "10.0.0.11")
    assert str(caught.value).startswith("what the engine says of network overweave makes no sense: ")
    assert caught.value.hint == "please report this with the output of `docker network inspect overweave`"


def test_a_service_without_an_address_has_none():
    said = {"EndpointID": "e2", "Name": "n", "MacAddress": "", "IPv4Address": ""}
    (its,) = own(Told(kp3q={"Containers": {"lb-x": said}}), engine(OVERLAY), "10.0.0.11").endpoints
    assert (its.address, its.mac) == ("", "")


def swarm(count=2):
    """Facts of a swarm with one manager, whose network has a VNI."""
    site = deployed(inventory_of(count, backend="swarm", store={}, swarm={"managers": 1}))
    site.shared["overweave"] = ["overlay", "swarm", ["10.211.0.0/16"], {VNIS: "4097"}]
    return site


def test_a_swarm_has_its_nodes_and_networks_where_a_store_has_records():
    found = records(swarm().facts())
    assert found.nodes == {"10.0.0.11:", "10.0.0.12:"}
    subnet = Subnet(IPv4Network("10.211.0.0/16"), "", 4097)
    network = Network("id of overweave", "overweave", (subnet,))
    assert found.networks == {"id of overweave": network}, "the mesh of published ports is none of them"
    assert (found.endpoints, found.pools, found.sizes, found.unreadable) == ((), (), {}, ())


def test_endpoints_that_no_container_has_are_those_that_are_given():
    service = Endpoint("e2", "n", "id of overweave", "10.211.0.4", "", "10.0.0.11")
    assert records(swarm().facts(), (service,)).endpoints == (service,)


def test_a_node_that_is_not_ready_is_not_there():
    site = swarm()
    site.boxes["host2"].running = False
    assert records(site.facts()).nodes == {"10.0.0.11:"}


def test_a_network_that_only_workers_show_is_one():
    facts = swarm().facts()
    host1 = facts.hosts["host1"]
    bare = replace(host1, engine=replace(host1.engine, networks=()))
    hosts = {**facts.hosts, "host1": bare}
    assert list(records(replace(facts, hosts=hosts)).networks) == ["id of overweave"]


def test_without_a_manager_or_a_leader_there_are_no_records():
    facts = swarm().facts()
    assert records(replace(facts, swarm=None)) is None
    followers = {id_: replace(node, leader=False) for id_, node in facts.swarm.nodes.items()}
    assert records(replace(facts, swarm=SwarmFacts(followers))) is None


@functools.cache
def alone():
    return swarm(1).facts()


def subnets(**changes):
    facts = alone()
    host = facts.hosts["host1"]
    its = replace(host, engine=replace(host.engine, networks=(replace(OVERLAY, **changes),)))
    return records(FleetFacts({"host1": its}, swarm=facts.swarm)).networks["kp3q"].subnets


def test_each_subnet_has_its_own_vni():
    found = subnets(subnets=("10.1.0.0/24", "10.2.0.0/24"), options={VNIS: "4097,4098"})
    assert [(str(its.subnet), its.vni) for its in found] == [("10.1.0.0/24", 4097), ("10.2.0.0/24", 4098)]


def test_subnets_of_ipv6_have_no_vni():
    found = subnets(subnets=("fd00:1::/64", "10.1.0.0/24"), options={VNIS: "4097"})
    assert [(str(its.subnet), its.vni) for its in found] == [("10.1.0.0/24", 4097)]


@pytest.mark.parametrize(
    ("told", "vnis"),
    [
        (("10.1.0.0/24",), ""),
        (("10.1.0.0/24",), "x"),
        (("10.1.0.0/24",), "²"),
        (("10.1.0.0/99",), "4097"),
        (("x",), "4097"),
        ((), "4097"),
    ],
)
def test_a_subnet_or_a_vni_that_makes_no_sense_is_left_out(told, vnis):
    assert subnets(subnets=told, options={VNIS: vnis}) == ()


def test_a_network_without_its_vnis_is_known_by_its_name_alone():
    assert subnets(options={}) == ()


@given(st.lists(st.text(max_size=20), max_size=3), st.text(max_size=20))
def test_no_subnets_and_vnis_break_the_records(told, vnis):
    assert isinstance(subnets(subnets=tuple(told), options={VNIS: vnis}), tuple)


def test_ingress_is_known_by_its_name_as_engines_list_it():
    listed = {
        "Id": "ing",
        "Name": "ingress",
        "Driver": "overlay",
        "Scope": "swarm",
        "Ingress": True,
        "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]},
        "Options": {VNIS: "4096"},
    }
    reader = Told()
    own(reader, engine(parse_network(listed)), "10.0.0.11")
    assert reader.asked == []
