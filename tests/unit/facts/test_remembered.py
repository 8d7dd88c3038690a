"""What hosts know of their overlays: as engines of 20.10.5 tell, and as nobody should."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from tests.golden.test_plans import deployed
from tests.unit.facts.lost import ANONYMOUS, CAPTURED, NETWORK, joined

from overweave.command import Result
from overweave.errors import EngineError, OverweaveError
from overweave.facts import remembered
from overweave.facts.namespaces import Link, Namespace
from overweave.facts.remembered import Joined, Remembered, Segment, parse
from overweave.facts.swarm import Member
from overweave.model import Access, Host

WEB = CAPTURED["containers"]["host1"][0]
VXLAN = Link("vxlan0", 5, "vxlan", "", 1450, True, True, "br0", 0, 256, 4789, "", (), 0, 0)
BRIDGE = Link("br0", 2, "bridge", "", 1450, True, True, "", 0, 0, 0, "", ("10.211.0.1/16",), 0, 0)


def test_a_container_with_aliases_and_an_address_of_its_own():
    web = next(its for its in joined("host1") if its.container == "web")
    assert web == Joined(
        host="host1",
        container="web",
        network=NETWORK,
        network_name="overweave",
        endpoint="9d259d7bf10ec04a109a46b1e5ad6942d1d544f7c84b36f243f2a2938c458108",
        sandbox="6ca483f1fc4a7faa646808cd3e504a9318b958da60bc49274f27625e6f228e01",
        address="10.211.5.5",
        mac="02:42:0a:d3:05:05",
        aliases=("www", "site", "eed6f02c1d08"),
        created="2026-11-22T02:02:44.648054072Z",
    )
    assert str(web) == "web on host1"


def test_anchors_are_ours_and_containers_without_a_name_anonymous():
    assert {its.container for its in joined("host3") if its.ours} == {"overweave-anchor-overweave-host3"}
    assert {its.container for its in joined("host3") if its.anonymous} == {"cool_tharp"}
    assert ANONYMOUS.startswith("6aece622d47f")


def test_a_container_on_no_overlay_and_one_that_has_no_endpoint_are_left_out():
    stopped = copy.deepcopy(WEB)
    stopped["NetworkSettings"]["Networks"]["overweave"]["EndpointID"] = ""
    assert list(parse(stopped, "host1", [NETWORK])) == []
    assert list(parse(WEB, "host1", ["b" * 64])) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EndpointID", "../../nodes"),
        ("EndpointID", ["x"]),
        ("IPAddress", "10.211.5"),
        ("IPAddress", ""),
        ("MacAddress", 7),
        ("Aliases", "www"),
    ],
)
def test_what_no_engine_says_is_an_error_that_the_look_can_tell(key, value):
    raw = copy.deepcopy(WEB)
    raw["NetworkSettings"]["Networks"]["overweave"][key] = value
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        list(parse(raw, "host1", [NETWORK]))


def test_a_time_that_is_none_is_left_out():
    raw = copy.deepcopy(WEB) | {"Created": "yesterday"}
    assert [its.created for its in parse(raw, "host1", [NETWORK])] == [""]


def test_subnets_gateways_and_vnis_are_those_of_the_newest_namespace():
    old = Namespace("1-ff28f29359", 1, (replace(VXLAN, vni=300), BRIDGE), (), (), ())
    new = Namespace("2-ff28f29359", 2, (VXLAN, BRIDGE), (), (), ())
    spaces = {space.name: space for space in (old, new)}
    (segment,) = remembered.segments(spaces, NETWORK)
    assert segment == Segment(segment.subnet, "10.211.0.1", 256, 1450)
    assert str(segment.subnet) == "10.211.0.0/16"


@pytest.mark.parametrize(
    "links",
    [(), (BRIDGE,), (VXLAN,), (replace(VXLAN, port=8472), BRIDGE), (replace(VXLAN, vni=0), BRIDGE)],
)
def test_a_namespace_that_is_half_made_or_of_somebody_else_tells_nothing(links):
    spaces = {"1-ff28f29359": Namespace("1-ff28f29359", 1, links, (), (), ())}
    assert list(remembered.segments(spaces, NETWORK)) == []


class Told:
    """A host whose script gives these parts, and whose engine these containers."""

    def __init__(self, *parts, status=0, containers=()):
        self.host, self._parts, self._status = Host("h", Access("10.0.0.1")), parts, status
        self.engine = self
        self._containers = containers

    def ask(self, *queries):
        mark = queries[0].words[4]
        told = "".join(f"{part}\n{mark}\n" for part in self._parts)
        first, *others = (Result(query, self._status, told, "ip: not found") for query in queries)
        return (first, *(replace(its, stdout="") for its in others))

    def containers(self):
        return [its[0] for its in self._containers]

    def container(self, name):
        for listed, inspected in self._containers:
            if listed["Names"] == [f"/{name}"] and inspected:
                return inspected
        raise EngineError("no such container", status=404)


HOST_LINKS = ("host 1", '[{"ifname": "lo"}]', "[]", "[]", "[]")
OVERLAY_LINKS = (
    "1-ff28f29359 2",
    '[{"ifname": "br0", "addr_info": [{"family": "inet", "local": "10.211.0.1", "prefixlen": 16}]},'
    ' {"ifname": "vxlan0", "master": "br0", "mtu": 1450,'
    ' "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 256, "port": 4789}}}]',
    "[]",
    "[]",
    "[]",
)
LISTED = {"Names": ["/web"], "State": "running", "NetworkSettings": WEB["NetworkSettings"]}
FACTS = deployed().facts().hosts["host1"]


def test_a_host_tells_of_its_overlays_and_of_containers_that_are_still_there():
    host = Told(
        *HOST_LINKS, *OVERLAY_LINKS, containers=[(LISTED, WEB), (LISTED | {"Names": ["/gone"]}, None)]
    )
    found = remembered.look(host, FACTS)
    assert [str(its) for its in found.joined] == ["web on h"]
    assert [segment.vni for segment in found.segments[NETWORK]] == [256]
    assert remembered.look(Told(*HOST_LINKS, containers=[(LISTED, WEB)]), FACTS) == Remembered()


def test_an_engine_that_is_down_or_in_a_swarm_remembers_nothing():
    for changes in ({"running": False}, {"member": Member("active")}):
        its = replace(FACTS, engine=replace(FACTS.engine, **changes))
        assert remembered.look(None, its) == Remembered()


@pytest.mark.parametrize(("status", "parts"), [(0, ()), (1, HOST_LINKS)])
def test_namespaces_that_can_not_be_looked_at_are_an_error(status, parts):
    with pytest.raises(OverweaveError) as caught:
        remembered.look(Told(*parts, status=status), FACTS)
    assert str(caught.value) == (
        "h: its network namespaces could not be looked at: ip: not found\n"
        "  -> is iproute2 4.13 or later there, and nsenter?"
    )


def test_an_engine_that_lies_is_an_error_of_its_host():
    host = Told(*HOST_LINKS, *OVERLAY_LINKS, containers=[(LISTED, WEB | {"Id": "../x"})])
    with pytest.raises(OverweaveError) as caught:
        remembered.look(host, FACTS)
    assert str(caught.value) == (
        "h: the engine's containers make no sense: ValueError: '../x' is no id\n"
        "  -> please report this with the output of `docker ps -a` and `docker inspect`"
    )
