"""What an engine refuses of a container's endpoint, and what is left then: on fake engines."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeEngine, FakeStore
from tests.unit.test_apply import BY_HAND, ENDPOINT, ENDPOINT_KEY, NETWORK, REJOIN, Hosts, Rejoins, error_of

from overweave.apply.endpoints import PERSIST_SECONDS
from overweave.errors import EngineError, Interrupted
from overweave.steps import (
    ConnectContainer,
    CreateNetwork,
    HoldAddresses,
    ProvideImage,
    RejoinNetwork,
    RemoveNetwork,
    RewireContainer,
    RunContainer,
    StartContainers,
    StopContainers,
)

SEE = "\n  -> see `journalctl -u docker` on the host"
RUN = RunContainer("a", "why", "web", {"Image": "x:1", "HostConfig": {"NetworkMode": "n"}})


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


class Fails(FakeEngine):
    """Does not start containers: says ``status`` each time, but not more often than ``times``."""

    def __init__(self, status, times=1000, leaves=False):
        super().__init__("a", registry=["x:1"])
        self.status, self.times, self.leaves = status, times, leaves

    def start_container(self, name):
        if self.times:
            self.times -= 1
            if self.leaves:
                self.left_behind.add(("n", name))
            raise EngineError(f"starting container {name}: no", status=self.status, host="a")
        super().start_container(name)


def with_network(hosts, engine):
    hosts["a"].engine = engine
    hosts.do(CreateNetwork("a", "why", "n", NETWORK), ProvideImage("a", "why", "x:1"))
    return engine


@pytest.mark.parametrize("leaves", [False, True])
def test_a_container_that_never_starts_leaves_nothing_and_is_the_engines_own_error(hosts, leaves):
    engine = with_network(hosts, Fails(500, leaves=leaves))
    assert error_of(lambda: hosts.do(RUN), EngineError) == "a: starting container web: no" + SEE
    assert (engine.containers(), engine.left_behind) == ([], set())
    assert PERSIST_SECONDS <= hosts.clock.now - hosts.clock.started < PERSIST_SECONDS + 1


def test_a_container_that_starts_at_a_later_try_runs(hosts):
    engine = with_network(hosts, Fails(500, times=3, leaves=True))
    hosts.do(RUN)
    assert engine.container("web")["State"]["Running"]
    assert len(hosts.clock.pauses) == 3


def test_a_start_that_took_long_to_fail_is_tried_once_more(hosts):
    """An engine of a swarm waits 20 s for a manager to attach a container."""

    class Slow(Fails):
        def start_container(self, name):
            hosts.clock.now += 20
            super().start_container(name)

    engine = with_network(hosts, Slow(500, times=1))
    hosts.do(RUN)
    assert engine.container("web")["State"]["Running"]
    engine = with_network(hosts, Slow(500))
    assert error_of(lambda: hosts.do(RUN), EngineError) == "a: starting container web: no" + SEE
    assert engine.times == 998


def test_what_only_its_user_can_mend_is_not_tried_again(hosts):
    """As a forbidden option: status 403, and no name that is taken."""
    with_network(hosts, Fails(403))
    assert error_of(lambda: hosts.do(RUN), EngineError) == "a: starting container web: no" + SEE
    assert hosts.clock.pauses == []
    assert hosts["a"].engine.containers() == []


def test_an_endpoint_of_an_engine_that_can_not_tell_its_containers_is_left_alone(hosts):
    class Broken(FakeEngine):
        def container(self, name):
            raise EngineError(f"looking at container {name}: it gave up", status=500, host="a")

    hosts["a"].engine = Broken("a")
    hosts.store.put(ENDPOINT_KEY, b"{}")
    assert error_of(lambda: hosts.do(ENDPOINT), EngineError) == "a: looking at container db: it gave up" + SEE
    assert hosts["a"].engine.calls == []


def test_a_container_of_an_engine_that_can_not_tell_it_stays_where_it_is(hosts):
    class Broken(Rejoins):
        def container(self, name):
            raise EngineError(f"looking at container {name}: it gave up", status=500, host="a")

    hosts["a"].engine = Broken()
    assert error_of(lambda: hosts.do(REJOIN), EngineError) == "a: looking at container web: it gave up" + SEE
    assert (hosts["a"].engine.on, hosts["a"].engine.settings) == (True, [])


def test_a_run_that_is_interrupted_while_an_address_is_held_puts_the_container_back(hosts):
    class Slow(FakeStore):
        def get(self, key):
            raise Interrupted("interrupted")

    hosts["a"].engine, hosts.store = Rejoins(), Slow()
    keep = HoldAddresses("a", "why", "k", "10.9.0.0/24", ("10.9.0.7",))
    rejoin = RejoinNetwork("a", "why", "web", "n", "n", keep)
    assert error_of(lambda: hosts.do(rejoin), Interrupted) == "a: interrupted"
    assert hosts["a"].engine.on


def test_a_container_that_somebody_else_has_joined_meanwhile_is_on_the_network(hosts):
    there = EngineError("container web is already attached to network n", status=403)
    hosts["a"].engine = Rejoins(error=there)
    hosts.do(REJOIN)
    assert len(hosts["a"].engine.settings) == 1


def test_a_container_that_is_forbidden_to_join_is_told_with_the_way_back(hosts):
    class Forbidden(Rejoins):
        def connect(self, network, container, settings):
            raise EngineError("no such option", status=403)

    hosts["a"].engine = Forbidden()
    assert error_of(lambda: hosts.do(REJOIN)) == f"a: web is off n: no such option\n  -> {BY_HAND}"


class Connects(FakeEngine):
    """Remembers with what a container was connected, and does not know a network for some ``tries``."""

    def __init__(self, tries=0):
        super().__init__("a", registry=["x:1"])
        self.tries, self.settings = tries, []

    def connect(self, network, container, settings):
        self.settings.append(settings)
        self.tries -= 1
        if self.tries >= 0:
            raise EngineError(f"connecting: network {network} not found", status=404, host="a")
        super().connect(network, container, settings)


def test_a_container_is_connected_with_its_names_and_its_address(hosts):
    engine = with_network(hosts, Connects())
    engine.create_container("web", {"Image": "x:1"})
    hosts.do(ConnectContainer("a", "why", "web", "n", ("app",), "10.0.0.9"))
    assert engine.settings == [{"Aliases": ["app"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}]
    assert "n" in engine.container("web")["NetworkSettings"]["Networks"]


def test_a_container_that_a_broken_off_run_has_connected_is_no_error(hosts):
    engine = with_network(hosts, Connects())
    engine.create_container("web", {"Image": "x:1"})
    for _ in range(2):
        hosts.do(ConnectContainer("a", "why", "web", "n"))
    assert engine.settings == [{}, {}]


def test_an_overlay_that_another_engine_has_just_made_is_waited_for(hosts):
    engine = with_network(hosts, Connects(tries=3))
    engine.create_container("web", {"Image": "x:1"})
    hosts.do(ConnectContainer("a", "why", "web", "n"))
    assert len(hosts.clock.pauses) == 3
    engine.tries = 1000
    gone = ConnectContainer("a", "why", "web", "n")
    assert error_of(lambda: hosts.do(gone), EngineError) == "a: connecting: network n not found" + SEE


def test_a_network_that_a_swarm_still_counts_as_used_goes_a_little_later(hosts):
    class Counts(FakeEngine):
        tries = 2

        def remove_network(self, name):
            self.tries -= 1
            if self.tries >= 0:
                raise EngineError("removing: network 1 is in use by task 2", status=400, host="a")
            super().remove_network(name)

    with_network(hosts, Counts("a", registry=["x:1"]))
    hosts.do(RemoveNetwork("a", "why", "n"))
    assert len(hosts.clock.pauses) == 2


def networks_of(engine, name):
    return set(engine.container(name)["NetworkSettings"]["Networks"])


def test_containers_stop_change_their_networks_and_start_and_one_that_is_gone_is_no_error(hosts):
    engine = with_network(hosts, FakeEngine("a", registry=["x:1"]))
    hosts.do(RUN)
    rewired = RewireContainer("a", "why", "web", ("n",), {"n": {"Aliases": ["w"]}, "m": {}})
    gone = RewireContainer("a", "why", "gone", ("n",), {"n": {}})
    hosts.do(StopContainers("a", "why", ("gone", "web")))
    assert not engine.container("web")["State"]["Running"]
    hosts.do(gone, rewired)
    assert networks_of(engine, "web") == {"n", "m"}
    hosts.do(StartContainers("a", "why", ("web", "gone")))
    assert engine.container("web")["State"]["Running"]


def test_a_container_that_runs_again_by_its_policy_is_stopped_before_it_changes_networks(hosts):
    """And one that was broken off between two networks is only put on what it lacks."""
    engine = with_network(hosts, FakeEngine("a", registry=["x:1"]))
    hosts.do(RUN)
    for _ in range(2):
        hosts.do(RewireContainer("a", "why", "web", (), {"m": {}}))
        assert (engine.container("web")["State"]["Running"], networks_of(engine, "web")) == (
            False,
            {"n", "m"},
        )
