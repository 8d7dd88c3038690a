"""What every `Engine` does: the fake of the unit tests, and a real one over ssh."""

from __future__ import annotations

import contextlib
import tarfile

import pytest

from overweave.command import Secret
from overweave.errors import EngineError, UsageError
from overweave.facts.swarm import Member, look, parse_member
from overweave.lab.waiting import wait_for
from overweave.model import PROBE_LABEL, Archive
from overweave.prove.services import spec as service_spec

IDLE = ["sh", "-c", "exec sleep 600"]


@pytest.fixture
def engine(place):
    """An engine with one image and nothing of these tests."""
    engine = place.engine
    if place.image not in tags(engine):
        engine.load_image(place.image, place.archive, lambda done, size: None)
    yield engine
    for name in ("one", "two"):
        engine.remove_container(name)
    for remove, name in (
        (engine.remove_network, "blue"),
        (engine.remove_volume, "data"),
        (engine.remove_image, "plain:1"),
    ):
        with contextlib.suppress(EngineError):
            remove(name)


def tags(engine):
    return {tag for image in engine.images() for tag in image.get("RepoTags") or ()}


def spec(place, **host):
    return {
        "Image": place.image,
        "Cmd": IDLE,
        "Labels": {"k": "v"},
        "HostConfig": {"NetworkMode": "none"} | host,
    }


def names(engine):
    return {name.lstrip("/") for c in engine.containers() for name in c["Names"]}


def listed(engine, name):
    return next(c for c in engine.containers() if f"/{name}" in c["Names"])


@contextlib.contextmanager
def refused(status, begin):
    with pytest.raises(EngineError) as caught:
        yield caught
    assert caught.value.status == status
    assert caught.value.message.startswith(begin)
    assert caught.value.host


def test_it_says_who_it_is(engine):
    assert engine.version()["Version"] == engine.info()["ServerVersion"]


def test_an_archive_brings_its_image_and_tells_how_far_it_is(place, engine):
    engine.remove_image(place.image)
    assert place.image not in tags(engine)
    told = []
    engine.load_image(place.image, place.archive, lambda done, size: told.append((done, size)))
    assert place.image in tags(engine)
    size = place.archive.path.stat().st_size
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_a_plain_tar_becomes_the_image_that_was_asked_for(engine, tmp_path):
    (tmp_path / "hello").write_text("x")
    with tarfile.open(tmp_path / "plain.tar", "w") as tar:
        tar.add(tmp_path / "hello", "hello")
    archive = Archive(tmp_path / "plain.tar", entrypoint=("/hello",))
    engine.load_image("plain:1", archive, lambda done, size: None)
    assert "plain:1" in tags(engine)


def test_an_archive_that_holds_another_image_is_refused(place, engine):
    with pytest.raises(UsageError) as caught:
        engine.load_image("other:1", place.archive, lambda done, size: None)
    path = place.archive.path
    assert str(caught.value) == (
        f"image archive {path} does not hold other:1\n  -> make it with `docker save -o {path.name} other:1`"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"no tar at all" * 99, "file could not be opened")],
)
def test_an_archive_that_can_not_be_read_is_refused(engine, tmp_path, content, reason):
    path = tmp_path / "x.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        engine.load_image("x:1", Archive(path), lambda done, size: None)
    assert str(caught.value).startswith(f"image archive {path}: {reason}")
    assert caught.value.hint == "make it with `docker save -o x.tar x:1`"


def test_the_life_of_a_container(place, engine):
    made = engine.create_container("one", spec(place))
    assert (listed(engine, "one")["State"], engine.container("one")["State"]["Running"]) == ("created", False)
    assert (engine.container("one")["Id"], listed(engine, "one")["Labels"]) == (made, {"k": "v"})
    for _ in range(2):  # what runs already is no error
        engine.start_container("one")
        assert (listed(engine, "one")["State"], engine.container("one")["State"]["Running"]) == (
            "running",
            True,
        )
    for _ in range(2):  # what is gone already is no error
        engine.remove_container("one")
        assert "one" not in names(engine)


def test_a_name_is_given_once(place, engine):
    engine.create_container("one", spec(place))
    with refused(409, "creating container one: Conflict. The container name"):
        engine.create_container("one", spec(place))


def test_what_is_not_there_is_404(place, engine):
    with refused(404, "creating container one: No such image: nothing:1"):
        engine.create_container("one", spec(place) | {"Image": "nothing:1"})
    with refused(404, "looking at container one: No such container: one"):
        engine.container("one")
    with refused(404, "starting container one: No such container: one"):
        engine.start_container("one")
    with refused(404, "looking at network blue: network blue not found"):
        engine.network("blue")
    with refused(404, "removing network blue: network blue not found"):
        engine.remove_network("blue")
    with refused(404, "removing volume data: get data: no such volume"):
        engine.remove_volume("data")
    with refused(404, "removing image nothing:1: No such image: nothing:1"):
        engine.remove_image("nothing:1")


def test_a_container_that_removes_itself_is_gone_when_its_end_was_asked_for(place, engine):
    engine.create_container("one", spec(place, AutoRemove=True))
    engine.start_container("one")
    for _ in range(2):
        engine.end_container("one")
        assert "one" not in names(engine)


def test_one_in_the_network_namespace_of_another_is_on_no_network_itself(place, engine):
    engine.create_container("one", spec(place))
    engine.create_container("two", spec(place, NetworkMode="container:one"))
    with refused(409, "starting container two: cannot join network of a non running container: "):
        engine.start_container("two")
    engine.start_container("one")
    engine.start_container("two")
    assert engine.container("two")["NetworkSettings"]["Networks"] == {}
    assert engine.container("two")["State"]["Running"]


def test_the_end_of_a_container_that_never_started(place, engine):
    engine.create_container("one", spec(place, AutoRemove=True))
    engine.end_container("one")
    assert "one" not in names(engine)


BLUE = {
    "Name": "blue",
    "Driver": "bridge",
    "CheckDuplicate": True,
    "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.197.0.0/24"}]},
    "Options": {"com.docker.network.driver.mtu": "1400"},
}


def test_the_life_of_a_network(engine):
    made = engine.create_network(BLUE)
    found = engine.network("blue")
    assert (found["Id"], found["Driver"], found["Scope"]) == (made, "bridge", "local")
    assert found["IPAM"]["Config"][0]["Subnet"] == "10.197.0.0/24"
    assert found["Options"] == BLUE["Options"]
    assert "blue" in {n["Name"] for n in engine.networks()}
    with refused(409, "creating network blue: network with name blue already exists"):
        engine.create_network(BLUE)
    engine.remove_network("blue")
    assert "blue" not in {n["Name"] for n in engine.networks()}


def test_a_network_in_use_stays_until_its_endpoints_are_cut_off(place, engine):
    engine.create_network(BLUE)
    engine.create_container("one", spec(place, NetworkMode="blue"))
    engine.start_container("one")
    address = engine.container("one")["NetworkSettings"]["Networks"]["blue"]["IPAddress"]
    assert address.startswith("10.")
    with refused(403, "removing network blue: error while removing network: network blue"):
        engine.remove_network("blue")
    engine.disconnect("blue", "one")
    engine.connect("blue", "one", {"Aliases": ["first"]})
    assert engine.container("one")["NetworkSettings"]["Networks"]["blue"]["IPAddress"].startswith("10.")
    with refused(403, "connecting one to network blue: "):
        engine.connect("blue", "one", {})
    with refused(404, "connecting one to network green: network green not found"):
        engine.connect("green", "one", {})
    engine.disconnect("blue", "one")
    engine.remove_network("blue")


def test_a_container_that_is_stopped_leaves_and_joins_networks_by_names_that_nobody_knows(place, engine):
    """What a move to a swarm rests on: a worker knows a network only when something is on it."""
    engine.create_network(BLUE)
    engine.create_container("one", spec(place, NetworkMode="blue"))
    engine.start_container("one")
    for _ in range(2):  # what is stopped already is no error
        engine.stop_container("one")
        assert not engine.container("one")["State"]["Running"]
    engine.remove_network("blue")
    engine.disconnect("blue", "one")
    assert "blue" not in engine.container("one")["NetworkSettings"]["Networks"]
    engine.connect("green", "one", {"Aliases": ["first"]})
    assert "green" in engine.container("one")["NetworkSettings"]["Networks"]
    with refused(404, "stopping container two: No such container: two"):
        engine.stop_container("two")


def test_a_network_that_the_engine_needs_stays(engine):
    with refused(403, "removing network bridge: bridge is a pre-defined network and cannot be removed"):
        engine.remove_network("bridge")


def test_a_container_on_a_network_that_is_not_there_does_not_start(place, engine):
    engine.create_container("one", spec(place, NetworkMode="blue"))
    with refused(404, "starting container one: network blue not found"):
        engine.start_container("one")


def test_a_named_volume_outlives_its_container_and_not_its_removal(place, engine):
    engine.create_container("one", spec(place, Binds=["data:/data"]))
    assert "data" in {v["Name"] for v in engine.volumes()}
    with refused(409, "removing volume data: remove data: volume is in use"):
        engine.remove_volume("data")
    engine.remove_container("one")
    assert "data" in {v["Name"] for v in engine.volumes()}
    engine.remove_volume("data")
    assert "data" not in {v["Name"] for v in engine.volumes()}


def test_an_image_in_use_stays(place, engine):
    engine.create_container("one", spec(place))
    with refused(409, f"removing image {place.image}: conflict: unable to remove repository reference"):
        engine.remove_image(place.image)
    assert place.image in tags(engine)


def test_calls_go_on_after_hanging_up(engine):
    before = engine.info()["Name"]
    engine.hang_up()
    engine.hang_up()
    assert engine.info()["Name"] == before


def test_a_way_that_was_prepared_is_used_and_one_that_ended_is_made_anew(place):
    engine = place.engine
    engine.prepare()
    engine.prepare()
    assert engine.info()["ServerVersion"]
    engine.hang_up()
    engine.prepare()
    engine.hang_up()
    assert engine.version()["ApiVersion"]


NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node'
)
IN_ONE = "This node is already part of a swarm. "


@pytest.fixture
def swarm(place):
    """An engine that is in no swarm, and the address that it would have there; left as it was."""
    yield place.engine, place.writer.reached_at
    place.engine.leave_swarm()
    with contextlib.suppress(EngineError):
        place.engine.remove_network("docker_gwbridge")


def test_an_engine_without_a_swarm_manages_none(swarm):
    engine, _ = swarm
    assert parse_member(engine.info()) == Member()
    with refused(503, f"listing the swarm's nodes: {NO_SWARM}"):
        engine.nodes()
    with refused(503, f"asking for a join token: {NO_SWARM}"):
        engine.join_token(manager=True)
    with refused(503, f"changing the node abc: {NO_SWARM}"):
        engine.change_node("abc", 1, {})
    with refused(503, f"removing the node abc: {NO_SWARM}"):
        engine.remove_node("abc")
    with refused(503, f"listing services: {NO_SWARM}"):
        engine.services()
    with refused(503, f"looking at the swarm: {NO_SWARM}"):
        engine.cluster()
    with refused(503, f"changing the swarm: {NO_SWARM}"):
        engine.change_cluster(1, {"Name": "default"})
    with refused(500, f"creating network blue: {NO_SWARM}"):
        engine.create_network(BLUE | {"Driver": "overlay", "Attachable": True})


def test_who_begins_a_swarm_is_its_first_manager_and_leads_it(swarm):
    engine, address = swarm
    engine.init_swarm(address, port=4790, pool="10.60.0.0/16")
    member = parse_member(engine.info())
    assert (member.state, member.manager, member.address, member.port) == ("active", True, address, 4790)
    assert member.remotes == (f"{address}:2377",)
    assert member.cluster
    found = look(engine)
    node = found.nodes[member.node]
    assert list(found.nodes) == [member.node]
    assert (node.role, node.availability, node.ready, node.address) == ("manager", "active", True, address)
    assert node.leader
    assert found.leader == node.name
    with refused(503, f"beginning a swarm: {IN_ONE}"):
        engine.init_swarm(address, port=4789)
    with refused(503, f"joining the swarm: {IN_ONE}"):
        engine.join_swarm(address, [f"{address}:2377"], engine.join_token(manager=False))
    engine.create_network(BLUE | {"Driver": "overlay", "Attachable": True})
    made = engine.network("blue")
    assert (made["Scope"], made["Attachable"]) == ("swarm", True)
    wanted = service_spec("web", "nobody/has:it", made["Id"], "a run", mode="dnsrr")
    id_ = engine.create_service(wanted)
    assert [(its["ID"], its["Spec"]["Name"], its["Spec"]["Labels"]) for its in engine.services()] == [
        (id_, "web", {PROBE_LABEL: "a run"})
    ]
    assert engine.service(id_)["Spec"]["EndpointSpec"]["Mode"] == "dnsrr"
    wait_for(lambda: {task.get("NodeID") for task in engine.tasks(id_)} == {member.node}, 30, "its task")
    taken = "rpc error: code = AlreadyExists desc = name conflicts with an existing object"
    with refused(409, f"creating service web: {taken}"):
        engine.create_service(wanted)
    for _ in range(2):
        engine.remove_service(id_)
    assert engine.services() == []
    with refused(404, f"looking at service {id_}: service {id_} not found"):
        engine.service(id_)
    for _ in range(2):  # what is left already is no error
        engine.leave_swarm()
        assert parse_member(engine.info()) == Member()
    assert "blue" not in {n["Name"] for n in engine.networks()}


def test_an_engine_in_no_swarm_that_is_to_take_one_over_begins_another(swarm):
    engine, address = swarm
    engine.take_over_swarm(address)
    assert [node.leader for node in look(engine).nodes.values()] == [True]


def test_a_token_that_is_none_lets_nobody_in(swarm):
    engine, address = swarm
    with refused(500, "joining the swarm: invalid join token") as caught:
        engine.join_swarm(address, [f"{address}:2377"], Secret("nonsense"))
    assert "nonsense" not in str(caught.value)
    assert parse_member(engine.info()) == Member()


def test_a_manager_makes_tokens_and_its_authority_anew(swarm):
    engine, address = swarm
    engine.init_swarm(address, port=4789)
    assert "SWMTKN" not in f"{engine.cluster()}"
    seen = look(engine)
    assert seen.cluster.authority
    assert not seen.cluster.rotating
    assert {node.authority for node in seen.nodes.values()} == {seen.cluster.authority}
    old = [engine.join_token(manager=which) for which in (True, False)]
    engine.change_cluster(seen.cluster.version, seen.cluster.spec, join_tokens=True)
    assert not {*old} & {engine.join_token(manager=which) for which in (True, False)}
    with refused(500, "changing the swarm: rpc error: code = Unknown desc = update out of sequence"):
        engine.change_cluster(seen.cluster.version, seen.cluster.spec)
    now = look(engine).cluster
    anew = {**now.spec, "CAConfig": {**now.spec["CAConfig"], "ForceRotate": 1}}
    engine.change_cluster(now.version, anew)

    def renewed():
        found = look(engine)
        theirs = {node.authority for node in found.nodes.values()}
        return not found.cluster.rotating and theirs == {found.cluster.authority}

    wait_for(renewed, 60, "another authority")
    assert look(engine).cluster.authority != seen.cluster.authority
    now = look(engine).cluster
    assert not now.autolock
    locking = {**now.spec, "EncryptionConfig": {"AutoLockManagers": True}}
    engine.change_cluster(now.version, locking)
    now = look(engine).cluster
    assert now.autolock
    key = engine.unlock_key()
    assert key.reveal().startswith("SWMKEY-1-")
    engine.change_cluster(now.version, now.spec, unlock_key=True)
    assert engine.unlock_key() not in (key, Secret(""))
    with refused(409, "unlocking the swarm: swarm is not locked"):
        engine.unlock_swarm(key)
    now = look(engine).cluster
    engine.change_cluster(now.version, {**now.spec, "EncryptionConfig": {"AutoLockManagers": False}})
    networks = {n["Id"] for n in engine.networks()}
    engine.take_over_swarm(address)
    wait_for(lambda: look(engine).leader, 30, "its leader")
    assert list(look(engine).nodes) == list(seen.nodes)
    assert {n["Id"] for n in engine.networks()} == networks


def test_a_manager_tells_tokens_changes_nodes_and_removes_them(swarm):
    """In one, as an engine takes seconds to leave a swarm."""
    engine, address = swarm
    engine.init_swarm(address, port=4789)
    manager, worker = (engine.join_token(manager=which) for which in (True, False))
    assert manager.reveal() != worker.reveal()
    for token in (manager, worker):
        assert token.reveal().startswith("SWMTKN-1-")
        assert "SWMTKN" not in f"{token} {token!r} {[token]}"
    (node,) = look(engine).nodes.values()
    engine.change_node(node.id, node.version, {**node.spec, "Availability": "drain"})
    (now,) = look(engine).nodes.values()
    assert (now.availability, now.role) == ("drain", "manager")
    assert now.version > node.version
    with refused(
        500, f"changing the node {node.id}: rpc error: code = Unknown desc = update out of sequence"
    ):
        engine.change_node(node.id, node.version, {**node.spec, "Availability": "active"})
    last = "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm"
    with refused(400, f"changing the node {node.id}: {last}"):
        engine.change_node(node.id, now.version, {**now.spec, "Role": "worker"})
    with refused(404, "changing the node abc: node abc not found"):
        engine.change_node("abc", 1, node.spec)
    engine.remove_node("abc")
    said = (
        f"rpc error: code = FailedPrecondition desc = node {node.id} is a cluster manager and is a member of"
    )
    with refused(400, f"removing the node {node.id}: {said}"):
        engine.remove_node(node.id)
