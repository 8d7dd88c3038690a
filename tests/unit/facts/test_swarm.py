"""What engines say of their swarm: captured on Docker 20.10.5, and as nobody should."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.errors import EngineError
from overweave.facts.swarm import Cluster, Member, Node, SwarmFacts, look, parse_member

CAPTURED = json.loads((Path(__file__).parent / "captured/swarm.json").read_text())
MANAGER = "dtd6v483lttbk587slcmhte8d"


class Told:
    def __init__(self, nodes, cluster=None):
        self._nodes, self._cluster = nodes, {} if cluster is None else cluster

    def nodes(self):
        return self._nodes

    def cluster(self):
        return self._cluster


def test_a_manager_that_began_its_swarm():
    assert parse_member(CAPTURED["20.10.5"]["info"]) == Member(
        state="active",
        node=MANAGER,
        address="10.77.77.77",
        manager=True,
        remotes=("10.77.77.77:2377",),
        cluster="h0284mg0s55d8yod3wemyo9mn",
        port=4789,
    )


def test_docker_26_says_the_same():
    its = parse_member(CAPTURED["26.1.5"]["info"])
    assert (its.state, its.manager, its.node) == ("active", True, "e1m5niuq6yk1iqf70oqlxzxei")
    assert (its.cluster, its.port, its.remotes) == ("eut1cmxamc7ure0f61wb7qzb4", 4789, ("10.77.77.77:2377",))


def test_an_engine_without_a_swarm():
    for version in CAPTURED.values():
        assert parse_member(version["inactive"]) == Member()
    assert not Member().there


@pytest.mark.parametrize("info", [{}, {"Swarm": None}, {"Swarm": {}}, {"Swarm": {"LocalNodeState": ""}}])
def test_engines_that_know_of_no_swarms(info):
    assert parse_member(info) == Member()


@pytest.mark.parametrize(
    ("state", "there", "active"),
    [
        ("inactive", False, False),
        ("pending", True, False),
        ("active", True, True),
        ("error", True, False),
        ("locked", True, False),
    ],
)
def test_whether_it_is_in_a_swarm_however_that_goes(state, there, active):
    its = parse_member({"Swarm": {"LocalNodeState": state}})
    assert (its.there, its.active) == (there, active)


def test_why_an_engine_is_not_in_its_swarm_is_one_line():
    its = {"LocalNodeState": "error", "Error": "rpc error\n\x1b[31mcode = Unavailable"}
    assert parse_member({"Swarm": its}).error == "rpc error  [31mcode = Unavailable"


@pytest.mark.parametrize("version", CAPTURED)
def test_the_nodes_as_their_manager_lists_them(version):
    found = look(Told(CAPTURED[version]["nodes"]))
    (node,) = found.nodes.values()
    assert list(found.nodes) == [CAPTURED[version]["info"]["Swarm"]["NodeID"]]
    assert node == Node(
        node.id, "host1", "manager", "active", "ready", "10.77.77.77", "reachable", leader=True, version=9
    )
    assert node.spec == {"Labels": {}, "Role": "manager", "Availability": "active"}
    assert node.ready
    assert found.leader == "host1"


@pytest.mark.parametrize(
    ("status", "manager", "ready"),
    [
        ("ready", None, True),
        ("ready", {}, True),
        ("ready", {"Reachability": "reachable"}, True),
        ("ready", {"Reachability": "unreachable"}, False),
        ("ready", {"Reachability": "unknown"}, False),
        ("down", None, False),
        ("down", {"Reachability": "reachable"}, False),
        ("unknown", None, False),
        ("disconnected", None, False),
    ],
)
def test_a_node_is_ready_where_its_engine_is_and_the_other_managers_reach_it(status, manager, ready):
    (node,) = look(Told([{"ID": "n", "Status": {"State": status}, "ManagerStatus": manager}])).nodes.values()
    assert node.ready is ready


def test_nodes_that_say_nothing_of_themselves():
    node = Node("n", "", "", "", "", "")
    for said in (
        {"ID": "n"},
        {"ID": "n", "Spec": None, "Description": None, "Status": None, "Version": None},
    ):
        assert look(Told([said])) == SwarmFacts({"n": node})


AUTHORITY = {"TrustRoot": "pem\n", "CertIssuerSubject": "MBM=", "CertIssuerPublicKey": "MFk="}


def test_what_a_swarm_is_by_itself():
    said = {
        "Version": {"Index": 12},
        "TLSInfo": AUTHORITY,
        "RootRotationInProgress": True,
        "Spec": {
            "EncryptionConfig": {"AutoLockManagers": True},
            "CAConfig": {"ExternalCAs": [{"Protocol": "cfssl", "URL": "https://ca\n.example"}]},
        },
    }
    nodes = [
        {"ID": "n", "Description": {"TLSInfo": AUTHORITY}},
        {"ID": "m", "Description": {"TLSInfo": None}},
    ]
    found = look(Told(nodes, said))
    assert found.cluster == Cluster(
        12, authority=found.nodes["n"].authority, rotating=True, external="https://ca .example", autolock=True
    )
    assert found.cluster.spec == said["Spec"]
    assert found.cluster.authority.split() == ["pem", "MFk="]
    assert found.nodes["m"].authority == ""
    assert look(Told([])).cluster == Cluster()


def test_a_swarm_without_a_leader():
    assert SwarmFacts({}).leader == ""
    said = copy.deepcopy(CAPTURED["20.10.5"]["nodes"])
    del said[0]["ManagerStatus"]["Leader"]
    assert look(Told(said)).leader == ""


def test_an_engine_that_is_no_manager_can_not_be_asked():
    class NoManager:
        def nodes(self):
            raise EngineError("listing the swarm's nodes: This node is not a swarm manager.", status=503)

    with pytest.raises(EngineError, match="not a swarm manager"):
        look(NoManager())


WORDS = [
    "ID", "Spec", "Status", "State", "Addr", "ManagerStatus", "Reachability", "Leader", "Description",
    "Hostname", "Version", "Index", "Role", "Availability", "Swarm", "LocalNodeState", "NodeID", "NodeAddr",
    "ControlAvailable", "RemoteManagers", "Error", "Cluster", "DataPathPort", "TLSInfo", "TrustRoot",
    "CAConfig", "ExternalCAs", "URL", "EncryptionConfig", "AutoLockManagers", "RootRotationInProgress",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
NODE = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6)


@given(
    st.fixed_dictionaries({"Swarm": JSON}),
    st.lists(NODE.map(lambda its: {"ID": "n"} | its), max_size=3),
    NODE,
)
def test_no_answer_breaks_the_parsers_other_than_as_the_caller_expects(info, nodes, cluster):
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        assert isinstance(parse_member(info), Member)
    with contextlib.suppress(EngineError):
        assert isinstance(look(Told(nodes, cluster)), SwarmFacts)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([{}], "KeyError: 'ID'"),
        ([{"ID": 7}], "ValueError: 7 is no text"),
        ([7], "AttributeError: 'int' object has no attribute 'get'"),
        ([{"ID": "n", "Version": {"Index": -1}}], "ValueError: -1 is no whole number"),
        (None, "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_nodes_that_make_no_sense_are_an_error_of_ours(said, why):
    with pytest.raises(EngineError) as caught:
        look(Told(said))
    assert str(caught.value) == (
        f"the swarm's nodes make no sense: {why}\n  -> please report this with the output of `docker node ls`"
    )


@pytest.mark.parametrize(
    "its",
    [
        {"NodeID": 1},
        {"LocalNodeState": ["active"]},
        {"RemoteManagers": {"Addr": "x"}},
        {"Cluster": {"DataPathPort": -1}},
        {"Cluster": {"DataPathPort": True}},
        {"Cluster": {"DataPathPort": 1 << 64}},
        {"Cluster": {"ID": [1]}},
    ],
)
def test_values_of_another_type_are_refused(its):
    with pytest.raises(ValueError, match="is no "):
        parse_member({"Swarm": its})


def test_names_are_printable_and_bounded():
    said = {"ID": "n\n1", "Description": {"Hostname": "h\x1b[2J" + "x" * 9000}}
    (node,) = look(Told([said])).nodes.values()
    assert node.id == "n 1"
    assert node.name.startswith("h [2Jxx")
    assert len(node.name) == 4096
