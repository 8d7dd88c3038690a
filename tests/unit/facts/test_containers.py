"""Containers and endpoints, as an engine tells of them and as one could."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from overweave.errors import EngineError
from overweave.facts.containers import Endpoint, Listed, inspect, listing, swarm_address

RAW = json.loads((Path(__file__).parent / "captured/container.json").read_text())
"""`GET /containers/web/json` of Docker 20.10.5, a container on a key-value overlay."""


class Said:
    """An engine that says these."""

    def __init__(self, *, containers=(), container=None, info=None):
        self._containers, self._container, self._info = containers, container or {}, info

    def containers(self):
        return list(self._containers)

    def container(self, name):
        return self._container[name]

    def info(self):
        return self._info


def changed(**parts):
    raw = copy.deepcopy(RAW)
    for path, value in parts.items():
        *way, last = path.split("__")
        at = raw
        for key in way:
            at = at[key]
        at[last] = value
    return raw


def looked(raw, **others):
    return inspect(Said(container={"id": raw} | others), "host1", "id")


def test_the_captured_container_of_an_overlay():
    found = looked(RAW)
    assert (found.host, found.name, found.mode, found.running) == ("host1", "web", "overweave", True)
    assert found.sandbox == f"/proc/{RAW['State']['Pid']}/ns/net"
    (endpoint,) = found.endpoints
    its = RAW["NetworkSettings"]["Networks"]["overweave"]
    assert endpoint == Endpoint(
        "overweave",
        its["NetworkID"],
        its["EndpointID"],
        "10.211.0.5",
        16,
        "02:42:0a:d3:00:05",
        "",
        tuple(its["Aliases"]),
    )
    assert found.endpoint(its["NetworkID"]) == endpoint
    assert found.endpoint("another") is None


def test_one_that_does_not_run_has_no_process():
    found = looked(changed(State={"Running": False, "Pid": 0}))
    assert (found.running, found.pid) == (False, 0)


def test_one_that_uses_the_sandbox_of_another_has_its_endpoints():
    sidecar = changed(Name="/sidecar", HostConfig__NetworkMode="container:abc", NetworkSettings={})
    found = looked(sidecar, abc=RAW)
    assert (found.name, found.shares) == ("sidecar", "web")
    assert [e.address for e in found.endpoints] == ["10.211.0.5"]


def test_the_list_has_the_containers_own_names():
    raws = [
        {"Id": "a" * 64, "Names": ["/web/db", "/db"], "State": "running"},
        {"Id": "b" * 64, "Names": None, "State": "exited"},
    ]
    assert listing(Said(containers=raws), "h") == (
        Listed("h", "db", "a" * 64, True),
        Listed("h", "?", "b" * 64, False),
    )


@pytest.mark.parametrize(
    "raw",
    [
        changed(State__Pid=-1),
        changed(State__Pid="1; reboot"),
        changed(NetworkSettings__Networks=[1]),
        changed(NetworkSettings__Networks__overweave__IPAddress="10.0.0.1; reboot"),
        changed(NetworkSettings__Networks__overweave__MacAddress=7),
        changed(Name=None),
        changed(State=3),
        {},
        None,
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_the_engine(raw):
    with pytest.raises(EngineError) as caught:
        looked(raw)
    assert str(caught.value).startswith(
        "host1: looking at container id: the engine's answer makes no sense: "
    )


def test_the_address_of_a_swarm():
    assert swarm_address(Said(info={"Swarm": {"NodeAddr": "10.0.0.1"}}), "h") == "10.0.0.1"
    assert swarm_address(Said(info={"Swarm": {"NodeAddr": ""}}), "h") == ""
    assert swarm_address(Said(info={}), "h") == ""
    with pytest.raises(EngineError):
        swarm_address(Said(info={"Swarm": {"NodeAddr": "nowhere"}}), "h")
