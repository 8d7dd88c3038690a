"""Containers for one proof: started everywhere, removed whatever happens; and those that stand already."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeEngine, saved_image

from overweave.errors import EngineError, Interrupted, OverweaveError
from overweave.fleet import Cancel
from overweave.model import PROBE_LABEL, Archive
from overweave.prove.agents import Stand
from overweave.prove.probes import LIFETIME, running, serving, spec, stand

IMAGE = "busybox:1.36"
NETWORK = {"Name": "blue", "Driver": "overlay", "IPAM": {"Config": []}, "Options": {}}


class Cancelled(FakeEngine):
    """An engine whose calls end when the run is cancelled, as calls over ssh do."""

    cancel = Cancel()

    def end_container(self, name):
        self.cancel.check()
        super().end_container(name)


class Host:
    def __init__(self, engine):
        self.engine = engine


@pytest.fixture
def hosts(tmp_path):
    made = {}
    for number, name in enumerate(("a", "b", "2001:db8::1")):
        engine = Cancelled(name, subnet=f"10.211.{number}")
        engine.load_image(IMAGE, Archive(saved_image(tmp_path / f"{number}.tar", IMAGE)), lambda *_: None)
        engine.create_network(NETWORK)
        made[name] = Host(engine)
    return made


def start(hosts, cancel=None):
    return running(hosts, image=IMAGE, network="blue", port=20070, cancel=cancel or Cancel())


def interrupt(cancel):
    cancel.set()
    cancel.check()


def there(hosts):
    return [c["Names"][0] for h in hosts.values() for c in h.engine.containers()]


def test_a_probe_on_every_host_for_the_length_of_a_block(hosts):
    with start(hosts) as stands:
        assert list(stands) == list(hosts)
        assert [s.address for s in stands.values()] == ["10.211.0.2", "10.211.1.2", "10.211.2.2"]
        assert all(s.pid > 0 for s in stands.values())
        assert sorted(there(hosts)) == sorted(f"/{s.name}" for s in stands.values())
        assert not any(":" in s.name for s in stands.values()), "IPv6 has colons, names in DNS have none"
        names = {s.name for s in stands.values()}
    assert there(hosts) == []
    with start(hosts) as again:
        assert names.isdisjoint(s.name for s in again.values())


def test_one_that_does_not_start_is_an_error_and_those_that_did_are_removed(hosts):
    hosts["b"].engine.remove_network("blue")
    with (
        pytest.raises(
            EngineError, match=r"^b: starting container overweave-probe-[0-9a-f]{8}-b: network blue "
        ),
        start(hosts),
    ):
        raise AssertionError("it did start")
    assert there(hosts) == []


def test_they_are_removed_after_an_error_and_after_ctrl_c(hosts):
    with pytest.raises(ZeroDivisionError), start(hosts):
        raise ZeroDivisionError
    assert there(hosts) == []
    cancel = Cancel()
    for host in hosts.values():
        host.engine.cancel = cancel
    with pytest.raises(Interrupted), start(hosts, cancel):
        interrupt(cancel)
    assert there(hosts) == []
    with pytest.raises(Interrupted):
        cancel.check()


def test_a_server_beside_a_container_that_stands_takes_no_address(hosts):
    with start(hosts) as stands:
        before = there(hosts)
        with serving(hosts, stands, image=IMAGE, port=20071, cancel=Cancel()):
            (new,) = set(there({"a": hosts["a"]})) - set(before)
            found = hosts["a"].engine.container(new[1:])
            assert found["State"]["Running"]
            assert found["NetworkSettings"]["Networks"] == {}
        assert there(hosts) == before
    gone = serving(hosts, stands, image=IMAGE, port=20071, cancel=Cancel())
    with pytest.raises(OverweaveError, match=r"a: starting container overweave-probe-[0-9a-f]{8}-a: No such"):
        gone.__enter__()
    assert there(hosts) == [], "what was made and could not be started is removed, too"


def test_a_probe_removes_itself_and_ends_by_itself():
    made = spec(IMAGE, "blue", "0123abcd", 20070)
    assert made["HostConfig"]["AutoRemove"]
    assert made["HostConfig"]["NetworkMode"] == "blue"
    assert made["Labels"] == {PROBE_LABEL: "0123abcd"}
    assert made["Cmd"] == [f"nc -ll -p 20070 -e cat & exec sleep {LIFETIME}"]


class Told:
    """An engine that tells this of any container."""

    def __init__(self, found):
        self.container = lambda name: found


def inspected(address="10.211.0.2", pid=1234, network="blue"):
    networks = {network: {"IPAddress": address, "MacAddress": "02:42:0a:d3:00:02"}}
    return {"State": {"Pid": pid}, "NetworkSettings": {"Networks": networks}}


def test_a_container_that_stands_on_the_network():
    assert stand(Told(inspected()), "a", "anchor_1.x-y", "blue") == Stand(
        "a", "anchor_1.x-y", "10.211.0.2", 1234, "02:42:0a:d3:00:02"
    )


@pytest.mark.parametrize(
    "found",
    [
        inspected(pid=0),
        inspected(pid=-1),
        inspected(pid="1234"),
        inspected(pid=True),
        inspected(pid=None),
        inspected(address=""),
        inspected(address=None),
        inspected(address="10.211.0.2\nend"),
        inspected(address="fd00::2"),
        inspected(address=["10.211.0.2"]),
        inspected(address=167772162),
        inspected(network="green"),
        {"State": ["Pid"], "NetworkSettings": inspected()["NetworkSettings"]},
        {"State": {"Pid": 1}, "NetworkSettings": "blue"},
        {"State": {"Pid": 1}, "NetworkSettings": {"Networks": ["blue"]}},
        {},
    ],
)
def test_one_that_is_not_on_it_or_of_which_the_engine_lies_is_an_error(found):
    with pytest.raises(OverweaveError) as caught:
        stand(Told(found), "a", "anchor", "blue")
    assert str(caught.value) == (
        "a: anchor has no address on blue, or does not run\n  -> see `docker ps -a` there, then prove again"
    )


@pytest.mark.parametrize("name", ["", "a b", "x\nend", "-x", "é"])
def test_a_name_that_docker_would_not_give_is_told_to_nobody(name):
    with pytest.raises(OverweaveError) as caught:
        stand(Told(inspected()), "a", name, "blue")
    assert str(caught.value) == f"a: {name!r} is no name of a container\n  -> see `docker ps` there"
