"""What an engine says of itself, over a fake that answers with captured JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overweave.command import Result, query
from overweave.errors import EngineError
from overweave.facts.absent import Absent
from overweave.facts.engine import QUERIES, Container, DaemonJson, NetworkFact, Pool, look, parse_daemon_json

from .answers import MISSING, answers

CAPTURED = json.loads((Path(__file__).parent / "captured" / "engine.json").read_text())


class Told:
    """An engine that gives the answers it was given, and is down where it was given none."""

    def __init__(self, said):
        self._said = said

    def prepare(self):
        pass

    def __getattr__(self, call):
        def answer():
            if self._said is None:
                raise EngineError("asking for its state: the engine does not answer", host="h")
            return self._said[call]

        return answer


def asked(version="Docker version 20.10.5+dfsg1, build 55c4c88\n", stores="consul etcd\n", daemon=""):
    told = {"dockerd --version": version, "libkv/store": stores, "/etc/docker/daemon.json": daemon}
    return answers(QUERIES, told)


def test_the_captured_engine_of_a_store_host():
    found = look(Told(CAPTURED), asked(version=""))
    assert (found.running, found.version, found.reason) == (True, "20.10.5+dfsg1", "")
    assert (found.speaks_consul, found.swarm) == (True, False)
    assert found.containers == (
        Container("consul", "consul:1.8.7", True, {"io.overweave.spec": "016846b4d2648130"}, ("host",)),
    )
    assert found.container("consul") == found.containers[0]
    assert found.images == {"consul:1.8.7", "busybox:1.30.1"}
    assert found.volumes == {"overweave-consul"}
    assert sorted((n.name, n.driver, n.scope, n.subnets) for n in found.networks) == [
        ("bridge", "bridge", "local", ("172.17.0.0/16",)),
        ("docker_gwbridge", "bridge", "local", ("172.18.0.0/16",)),
        ("host", "host", "local", ()),
        ("none", "null", "local", ()),
        ("overweave", "overlay", "global", ("10.211.0.0/16",)),
    ]
    assert found.network("nope") is None
    assert found.container("nope") is None


def test_an_engine_that_is_down_says_why_and_its_version():
    found = look(Told(None), asked(stores=""))
    assert (found.running, found.version, found.speaks_consul) == (False, "20.10.5+dfsg1", False)
    assert found.reason == "asking for its state: the engine does not answer"
    assert (found.containers, found.images, found.volumes, found.networks) == ((), set(), set(), ())


def test_no_dockerd_is_no_engine():
    assert look(Told(None), asked(version=(127, ""))) == Absent(
        "Docker is not installed: there is no dockerd"
    )


@pytest.mark.parametrize(
    ("swarm", "active"),
    [
        (None, False),
        ({}, False),
        ({"LocalNodeState": ""}, False),
        ({"LocalNodeState": "inactive"}, False),
        ({"LocalNodeState": "active"}, True),
        ({"LocalNodeState": "pending"}, True),
        ({"LocalNodeState": "locked"}, True),
    ],
)
def test_swarm_mode(swarm, active):
    assert look(Told(CAPTURED | {"info": {"Swarm": swarm}}), asked()).swarm is active


POOL = {
    "Subnet": "10.0.1.0/24",
    "IPRange": "10.0.1.64/26",
    "Gateway": "10.0.1.1",
    "AuxiliaryAddresses": {"printer": "10.0.1.9"},
}


def test_odd_but_legal_objects():
    said = {
        "info": {},
        "containers": [
            {"Names": None, "Image": None, "State": "exited", "Labels": None},
            {"Names": ["/a", "/b/a"], "Image": "x", "State": "running", "Labels": {"k": "v"}},
        ],
        "images": [{"RepoTags": None}, {"RepoTags": ["a:1", "b:2"]}],
        "volumes": [],
        "networks": [
            {"Id": "1", "Name": "n", "IPAM": None, "Options": None},
            {
                "Id": "2",
                "Name": "m",
                "Driver": "overlay",
                "Scope": "global",
                "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}, {"Gateway": "x"}, POOL]},
                "Options": {"k": 1},
                "Labels": {"team": "web"},
                "Attachable": True,
                "Internal": True,
            },
        ],
    }
    found = look(Told(said), asked())
    assert found.version == "20.10.5+dfsg1"
    assert found.containers == (Container("?", "", False, {}), Container("a", "x", True, {"k": "v"}))
    assert found.images == {"a:1", "b:2"}
    assert found.networks == (
        NetworkFact("1", "n", "", "", (), {}),
        NetworkFact(
            "2",
            "m",
            "overlay",
            "global",
            ("10.0.0.0/24", "10.0.1.0/24"),
            {"k": "1"},
            True,
            True,
            pools=(
                Pool("10.0.0.0/24"),
                Pool("10.0.1.0/24", "10.0.1.64/26", "10.0.1.1", {"printer": "10.0.1.9"}),
            ),
            labels={"team": "web"},
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DaemonJson({})),
        (" \n", DaemonJson({})),
        ('{"mtu": 1400}', DaemonJson({"mtu": 1400})),
        ("[]", DaemonJson({}, "/etc/docker/daemon.json is not a JSON object")),
        ("null", DaemonJson({}, "/etc/docker/daemon.json is not a JSON object")),
        (
            '{"a" 1}',
            DaemonJson(
                {},
                "/etc/docker/daemon.json is not JSON: Expecting ':' delimiter: line 1 column 6 (char 5)",
            ),
        ),
    ],
)
def test_daemon_json(text, expected):
    assert parse_daemon_json(Result(query("cat"), 0, text, "")) == expected


@given(st.text(max_size=30))
@example("[" * 100_000)
@example("9" * 5000)
def test_no_text_of_daemon_json_breaks_the_parser(text):
    found = parse_daemon_json(Result(query("cat"), 0, text, ""))
    assert isinstance(found.settings, dict)


WORDS = [
    "Id",
    "Name",
    "Names",
    "Image",
    "State",
    "Labels",
    "RepoTags",
    "Driver",
    "Scope",
    "IPAM",
    "Config",
    "Subnet",
    "Options",
    "Swarm",
    "ServerVersion",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=10,
)


@given(st.fixed_dictionaries(dict.fromkeys(CAPTURED, JSON)))
def test_no_answer_breaks_the_parser_other_than_as_the_caller_expects(said):
    try:
        look(Told(said), asked())
    except (ValueError, KeyError, TypeError, AttributeError):
        return


def test_a_version_that_dockerd_can_not_tell_is_still_an_engine():
    assert look(Told(None), asked(version="", stores=MISSING)).version == ""
