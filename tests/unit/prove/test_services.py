"""Services that are there for one proof, on fake engines."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.contract.fakes import FakeClock, FakeEngine

from overweave.errors import DeadlineExceeded
from overweave.fleet import Cancel
from overweave.model import PROBE_LABEL
from overweave.prove import services


@pytest.fixture
def engine():
    found = FakeEngine("a")
    found.init_swarm("10.0.0.1", port=4789)
    return found


def running(engine):
    return services.running(
        {"a": SimpleNamespace(engine=engine)},
        "a",
        {engine.node: "a"},
        image="busybox",
        network_id="abc",
        clock=FakeClock(),
        cancel=Cancel(),
        progress=lambda host, what: None,
    )


def test_they_are_told_with_their_ports_and_removed(engine):
    with running(engine) as found:
        there = {its["Spec"]["Name"]: its["Spec"] for its in engine.services()}
        assert tuple(there) == found.names
        assert [its["EndpointSpec"]["Mode"] for its in there.values()] == ["dnsrr", "vip"]
        assert (found.ports, found.mesh) == ({"a": 32768}, 30000)
    assert engine.services() == []


def test_what_a_killed_run_left_goes_first_and_others_services_stay(engine):
    for name, run in (("left", "12ab"), ("theirs", "")):
        spec = services.spec(name, "busybox", "abc", run, mode="vip")
        engine.create_service(spec if run else spec | {"Labels": {}})
    with running(engine):
        pass
    assert [its["Spec"]["Name"] for its in engine.services()] == ["theirs"]
    assert PROBE_LABEL == "io.overweave.probe"


def test_a_replica_that_does_not_run_is_told_with_the_engines_reason_and_nothing_stays(engine):
    engine.swarm.refuses_tasks = "No such image: busybox"
    with pytest.raises(DeadlineExceeded) as caught, running(engine):
        pass
    assert (
        str(caught.value).splitlines()[0] == "a: a replica does not run after 60 s: a: No such image: busybox"
    )
    assert caught.value.hint == (
        "see `docker service ps` on a manager: is the image on every host, is every node active?"
    )
    assert engine.services() == []
