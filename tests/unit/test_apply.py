"""Plans carried out in a fake world that keeps state (tests/contract holds it to the real one)."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.contract.fakes import FakeClock, FakeEngine, FakeHost, FakeStore, saved_image
from tests.contract.gossip import GossipStream, Memberlist

from overweave.apply.forget_agent import GONE_SECONDS
from overweave.apply.gossip import GOSSIP_SECONDS, view
from overweave.apply.perform import LEADER_SECONDS
from overweave.apply.run import apply
from overweave.apply.world import Done, World
from overweave.errors import (
    CommandFailed,
    DeadlineExceeded,
    EngineError,
    FleetError,
    Interrupted,
    OverweaveError,
    Refused,
)
from overweave.facts.address_mask import parse, value_of, with_taken
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.record import Before
from overweave.fleet import Cancel
from overweave.gossip.events import Left
from overweave.gossip.exchange import PORT
from overweave.gossip.wire import Member
from overweave.model import Access, Archive, Host
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    DisconnectEndpoint,
    ForgetAgent,
    HoldAddresses,
    JoinGossip,
    KeyWrite,
    LeaveNetwork,
    ProvideImage,
    PutKeys,
    RecordBefore,
    RejoinNetwork,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartEngine,
    RunContainer,
    Stage,
    StartContainer,
    TellLeft,
    UpgradeEngine,
    WriteFile,
    make_plan,
)

DROP_IN = "/etc/systemd/system/docker.service.d/90-overweave.conf"
NETWORK = {"Name": "n", "Driver": "overlay", "IPAM": {"Config": [{"Subnet": "10.9.0.0/24"}]}, "Options": {}}


class Hosts:
    """Hosts a, b, c of a fake world, and what was said while something was done to them."""

    def __init__(self, folder):
        self.said = []
        self.hosts = {
            name: FakeHost(Host(name, Access(f"10.0.0.{i}")), folder / name)
            for i, name in enumerate("abc", 1)
        }
        self.clock, self.store, self.cancel = FakeClock(), FakeStore(), Cancel()
        self.gossip = {}

    def __getitem__(self, name):
        return self.hosts[name]

    def world(self):
        return World(self.hosts, self.store, self.clock, self.cancel, lambda h, t: self.said.append((h, t)))

    def do(self, *steps):
        return self.stages(steps)

    def stages(self, *stages):
        return apply(
            make_plan(*(Stage(str(n), tuple(steps)) for n, steps in enumerate(stages))), self.world()
        )

    def speak(self, *names):
        """Let the engines of these hosts gossip, each alone."""
        for name in names:
            its = Memberlist(f"node-{name}", IPv4Address(self[name].reached_at))
            self.gossip[name] = its
            self[name].listens[self[name].reached_at, PORT] = lambda its=its: GossipStream(its)

    def join(self, *names):
        return JoinGossip("", "why", {n: self[n].reached_at for n in names})


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def error_of(call, kind=OverweaveError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_files_are_written_whole_with_their_folder_and_changed_in_place(hosts):
    content = "[Service]\nExecStart=/x '$Y' \"ü\" `z` \\\n"
    hosts.do(WriteFile("a", "why", DROP_IN, content))
    path = hosts["a"].path(DROP_IN)
    assert (path.read_text(), mode(path), mode(path.parent)) == (content, "0o644", "0o755")
    hosts.do(WriteFile("a", "why", DROP_IN, "new", content))
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path], "nothing half-written stays"


def test_the_record_is_for_root_only(hosts):
    before = Before(frozenset({"bridge"}), frozenset(), True)
    hosts.do(RecordBefore("b", "why", before))
    path = hosts["b"].path(RECORD_PATH)
    assert (path.read_text(), mode(path), mode(path.parent)) == (before.text(), "0o600", "0o700")


def test_a_file_that_can_not_be_written_is_an_error_of_its_host(hosts):
    hosts["a"].path("/etc").mkdir(parents=True)
    hosts["a"].path("/etc/systemd").touch()
    with pytest.raises(CommandFailed, match=r"^a: `sh -c .*") as caught:
        hosts.do(WriteFile("a", "why", DROP_IN, "x"))
    assert "Not a directory" in caught.value.output


@pytest.mark.parametrize(
    ("with_folder", "others", "left"),
    [(False, (), ["d"]), (True, (), []), (True, ("10-proxy.conf",), ["d", "d/10-proxy.conf"])],
)
def test_a_file_goes_and_its_folder_only_where_that_is_asked_and_empty(hosts, with_folder, others, left):
    folder = hosts["a"].path("/d")
    folder.mkdir(parents=True)
    for name in ("ours.conf", "ours.conf.new", *others):
        (folder / name).touch()
    for _ in range(2):  # what is gone already is no error
        hosts.do(RemoveFile("a", "why", "/d/ours.conf", with_folder))
        found = sorted(str(p.relative_to(folder.parent)) for p in folder.parent.rglob("*"))
        assert found == left


def test_a_restart_reloads_units_lifts_the_start_limit_and_hangs_up(hosts):
    hosts.do(RestartEngine("a", "why"), run_container(hosts, "a"))
    assert (hosts["a"].root / "systemctl.log").read_text().splitlines() == [
        "daemon-reload",
        "reset-failed docker.service",
        "restart docker.service",
    ]
    assert hosts["a"].engine.container("c")["State"]["Running"], "a call after the restart is answered"
    assert hosts["b"].restarts == 0


def run_container(hosts, name, **more):
    hosts[name].engine.load_image(
        "x:1", Archive(saved_image(hosts[name].root / "x.tar", "x:1")), lambda *_: None
    )
    return RunContainer(name, "why", "c", {"Image": "x:1", **more})


def test_an_engine_that_does_not_start_says_its_last_words(hosts):
    (hosts["a"].root / "wont-start").write_text("unable to configure the Docker daemon\nfailed\n")
    said = error_of(lambda: hosts.do(RestartEngine("a", "why")))
    assert said == (
        "a: the engine does not start:\n"
        "    unable to configure the Docker daemon\n"
        "    failed\n"
        "    Job for docker.service failed.\n"
        "  -> see `journalctl -u docker` on the host; `fab destroy-overlay` puts its unit back"
    )


class Packaged(FakeEngine):
    """Has the version that its program had when it was started; ``program`` is a file with that."""

    def __init__(self, where, program):
        super().__init__(where)
        self._program = program
        self._running = program.read_text()

    def restart(self):
        super().restart()
        self._running = self._program.read_text()

    def version(self):
        return super().version() | {"Version": self._running}


@pytest.fixture
def packaged(hosts):
    program = hosts["a"].root / "dockerd"
    program.write_text("20.10.5+dfsg1")
    hosts["a"].engine = Packaged("a", program)
    return hosts, program


def upgrade(program, by):
    return UpgradeEngine("a", "why", f"printf {by} > {program}", "20.10.24")


def test_an_engine_that_its_command_does_not_restart_is_restarted(packaged):
    hosts, program = packaged
    hosts.do(upgrade(program, "20.10.24+dfsg1"))
    assert "restart docker.service" in (hosts["a"].root / "systemctl.log").read_text()
    assert hosts["a"].engine.version()["Version"] == "20.10.24+dfsg1"


def test_an_engine_that_its_command_has_restarted_is_left_alone(packaged):
    hosts, program = packaged
    program.write_text("20.10.24+dfsg1")
    hosts["a"].engine.restart()
    hosts.do(upgrade(program, "20.10.24+dfsg1"))
    assert not (hosts["a"].root / "systemctl.log").exists()


def test_a_command_that_fails_or_brings_another_version_ends_the_upgrade(packaged):
    hosts, program = packaged
    assert error_of(lambda: hosts.do(upgrade(program, "20.10.7"))) == (
        f"a: the engine is Docker 20.10.7, and not 20.10.24: `printf 20.10.7 > {program}` has not brought it"
        "\n"
        "  -> see what the command does on the host by hand, and give one that brings that version"
    )
    with pytest.raises(CommandFailed, match=r"^a: `sh -c 'exit 7' sh` ended with exit code 7"):
        hosts.do(UpgradeEngine("a", "why", "exit 7", "20.10.24"))


def test_images_are_pulled_or_uploaded(hosts, tmp_path):
    hosts["a"].engine = FakeEngine("a", registry=["x:1"])
    archive = Archive(saved_image(tmp_path / "y.tar", "y:1"))
    hosts.do(ProvideImage("a", "why", "x:1"), ProvideImage("a", "why", "y:1", archive))
    assert hosts["a"].engine.images() == [{"RepoTags": ["x:1"]}, {"RepoTags": ["y:1"]}]


def test_an_image_that_can_not_be_pulled_is_refused_with_the_way_out(hosts):
    assert error_of(lambda: hosts.do(ProvideImage("b", "why", "x:1")), Refused) == (
        "b: image x:1 is not on the host, in no archive of the inventory, and can't be pulled: "
        "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io\n"
        "  -> `docker save -o FILE x:1` where there is one, and name the FILE under `images: archives:` "
        "in the inventory"
    )


class Uploads(FakeEngine):
    """An engine that takes an archive in ten parts of a size."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def load_image(self, image, archive, sent):
        for part in range(1, 11):
            sent(part * self.size // 10, self.size)


def test_a_large_upload_tells_how_far_it_is_and_a_small_one_does_not(hosts, tmp_path):
    step = ProvideImage("a", "why", "x:1", Archive(tmp_path / "x.tar"))
    hosts["a"].engine = Uploads(20_000_000)
    hosts.do(step)
    assert [text for _, text in hosts.said[1:]] == [
        "upload image x:1: 30 % of 20 MB",
        "upload image x:1: 50 % of 20 MB",
        "upload image x:1: 80 % of 20 MB",
        "upload image x:1: 100 % of 20 MB",
    ]
    hosts.said.clear()
    hosts["a"].engine = Uploads(1_000_000)
    hosts.do(step)
    assert hosts.said == [("a", "upload image x:1")]


def test_containers_run_start_are_replaced_and_go(hosts):
    run = run_container(hosts, "a")
    engine = hosts["a"].engine
    hosts.do(run)
    first = engine.container("c")["Id"]
    assert error_of(lambda: hosts.do(run), EngineError).startswith("a: creating container c: Conflict.")
    hosts.do(RunContainer("a", "why", "c", run.spec, replace=True))
    second = engine.container("c")
    assert (second["Id"] != first, second["State"]["Running"]) == (True, True)
    engine.restart()
    engine.hang_up()
    assert not engine.container("c")["State"]["Running"]
    hosts.do(StartContainer("a", "why", "c"))
    assert engine.container("c")["State"]["Running"]
    for _ in range(2):
        hosts.do(RemoveContainer("a", "why", "c"))
        assert engine.containers() == []


ANCHOR = "overweave-anchor-n-a"


def left_behind(hosts, *names):
    """A network with endpoints of containers that are gone."""
    hosts["a"].engine = FakeEngine("a", registry=["x:1"])
    hosts.do(CreateNetwork("a", "why", "n", NETWORK), ProvideImage("a", "why", "x:1"))
    hosts["a"].engine.left_behind |= {("n", name) for name in names}
    return hosts["a"].engine


def test_an_endpoint_that_a_container_has_left_does_not_keep_its_name_from_the_next(hosts):
    engine = left_behind(hosts, ANCHOR, "db")
    hosts.do(RunContainer("a", "why", ANCHOR, {"Image": "x:1", "HostConfig": {"NetworkMode": "n"}}))
    assert engine.container(ANCHOR)["State"]["Running"]
    assert engine.left_behind == {("n", "db")}


def test_a_network_goes_with_the_endpoints_that_containers_of_ours_have_left(hosts):
    engine = left_behind(hosts, ANCHOR, "overweave-probe-0123abcd-b")
    hosts.do(RemoveNetwork("a", "why", "n"))
    assert "n" not in [network["Name"] for network in engine.networks()]


def test_a_network_stays_while_an_endpoint_of_somebody_else_is_on_it(hosts):
    engine = left_behind(hosts, "db")
    assert error_of(lambda: hosts.do(RemoveNetwork("a", "why", "n")), EngineError) == (
        "a: removing network n: error while removing network: network n has active endpoints\n"
        "  -> `docker network inspect n` lists the containers on it: disconnect or remove them first"
    )
    assert engine.left_behind == {("n", "db")}


def test_a_leader_is_awaited(hosts):
    hosts.store = FakeStore(elects_after=5)
    hosts.do(AwaitLeader("a", "why"))
    assert len(hosts.clock.pauses) == 5


def test_a_store_without_a_leader_is_given_up(hosts):
    hosts.store = FakeStore(up=False)
    assert error_of(lambda: hosts.do(AwaitLeader("a", "why")), DeadlineExceeded) == (
        f"a: the store has elected no leader: not within {LEADER_SECONDS:g} s\n"
        "  -> see `docker logs consul` on the host"
    )


def test_a_network_that_is_there_again_is_not_made_twice(hosts):
    step = CreateNetwork("a", "why", "n", NETWORK)
    hosts.do(step)
    made = hosts["a"].engine.network("n")["Id"]
    hosts.do(step)
    assert hosts["a"].engine.network("n")["Id"] == made


def test_what_is_gone_already_is_no_error(hosts):
    hosts.do(
        RemoveNetwork("a", "why", "n"),
        RemoveContainer("a", "why", "c"),
        RemoveVolume("a", "why", "v"),
        RemoveImage("a", "why", "x:1"),
        RemoveFile("a", "why", "/etc/nothing"),
    )


def test_a_network_in_use_is_not_removed_and_the_way_out_is_told(hosts):
    run = run_container(hosts, "a", HostConfig={"NetworkMode": "n"})
    hosts.do(CreateNetwork("a", "why", "n", NETWORK), run)
    assert error_of(lambda: hosts.do(RemoveNetwork("a", "why", "n")), EngineError) == (
        "a: removing network n: error while removing network: network n has active endpoints\n"
        "  -> `docker network inspect n` lists the containers on it: disconnect or remove them first"
    )


def test_a_network_that_an_engine_lets_go_of_late_is_removed(hosts):
    hosts.do(
        CreateNetwork("a", "why", "n", NETWORK), run_container(hosts, "a", HostConfig={"NetworkMode": "n"})
    )
    engine, pause = hosts["a"].engine, hosts.clock.pause

    def let_go(seconds):
        pause(seconds)
        engine.remove_container("c")

    hosts.clock.pause = let_go
    hosts.do(RemoveNetwork("a", "why", "n"))
    assert [network["Name"] for network in engine.networks() if network["Name"] == "n"] == []


def test_volumes_and_images_in_use_are_errors(hosts):
    hosts.do(run_container(hosts, "a", HostConfig={"Binds": ["v:/data"]}))
    for step in (RemoveVolume("a", "why", "v"), RemoveImage("a", "why", "x:1")):
        with pytest.raises(EngineError) as caught:
            hosts.do(step)
        assert caught.value.status == 409
    hosts.do(RemoveContainer("a", "why", "c"), RemoveVolume("a", "why", "v"), RemoveImage("a", "why", "x:1"))
    assert (hosts["a"].engine.volumes(), hosts["a"].engine.images()) == ([], [])


def test_stages_wait_for_each_other_and_steps_of_a_host_keep_their_order(hosts):
    files = [WriteFile(n, "why", f"/{k}", n) for k in "12" for n in "abc"]
    done = hosts.stages(files, [RestartEngine(n, "why") for n in "ab"], [RemoveFile("c", "why", "/1")])
    assert set(done.steps[:6]) == set(files)
    for name in "abc":
        assert [s.path for s in done.steps[:6] if s.host == name] == ["/1", "/2"]
    assert {s.host for s in done.steps[6:8]} == {"a", "b"}
    assert done.steps[8:] == [RemoveFile("c", "why", "/1")]
    assert ("a", "restart the engine: why") in hosts.said
    assert ("c", "remove /1") in hosts.said


def test_hosts_of_a_stage_work_side_by_side(hosts):
    together = threading.Barrier(3, timeout=10)
    for name in "abc":
        engine = hosts[name].engine
        pull = engine.pull_image
        engine.pull_image = lambda image, pull=pull: together.wait()
    assert len(hosts.do(*(ProvideImage(n, "why", "x:1") for n in "abc")).steps) == 3


def test_an_error_stops_its_host_lets_the_others_finish_and_stops_later_stages(hosts):
    (hosts["b"].root / "wont-start").touch()
    with pytest.raises(OverweaveError, match=r"^b: the engine does not start:"):
        hosts.stages(
            [step for n in "abc" for step in (RestartEngine(n, "why"), WriteFile(n, "why", "/after", "x"))],
            [WriteFile(n, "why", "/later", "x") for n in "abc"],
        )
    assert [hosts[n].path("/after").exists() for n in "abc"] == [True, False, True]
    assert not any(hosts[n].path("/later").exists() for n in "abc")


def test_errors_of_several_hosts_are_all_told(hosts):
    hosts["a"].gone = hosts["c"].gone = True
    with pytest.raises(FleetError) as caught:
        hosts.do(*(WriteFile(n, "why", "/x", "x") for n in "abc"))
    assert str(caught.value) == "a: the ssh connection is gone\nc: the ssh connection is gone"
    assert caught.value.exit_code == 3


class Stuck(FakeEngine):
    """An engine with a half made namespace of its network."""

    def start_container(self, name):
        raise EngineError(
            f'starting container {name}: failed to create bridge "ov-000100-d2641": file exists',
            host=self._where,
        )


def test_a_cause_that_is_known_is_told_with_the_error_where_nothing_is_taken_back(hosts):
    cause = "cause on {0}: the engine is stuck with a namespace of that network that it has made only half of"
    error = '{0}: starting container c: failed to create bridge "ov-000100-d2641": file exists'
    see = "  -> see `journalctl -u docker` on the host"
    way_out = "  -> `fab repair` restarts the engine, if you let it"
    hosts["a"].engine = Stuck("a")
    assert error_of(lambda: hosts.do(StartContainer("a", "why", "c"))).splitlines() == [
        error.format("a"),
        see,
        "  " + cause.format("a"),
        "  " + way_out,
    ]
    hosts["b"].engine = Stuck("b")
    both = error_of(lambda: hosts.do(StartContainer("a", "why", "c"), StartContainer("b", "why", "c")))
    assert both.splitlines() == [
        error.format("a"),
        see,
        error.format("b"),
        see,
        *("  " + line for name in "ab" for line in (cause.format(name), way_out)),
    ]


def test_a_cancelled_run_changes_nothing(hosts):
    hosts.cancel.set()
    with pytest.raises(Interrupted):
        hosts.do(WriteFile("a", "why", "/x", "x"))
    assert not hosts["a"].path("/x").exists()


def test_a_whole_gossip_is_left_alone(hosts):
    hosts.speak("a")
    assert hosts.do(hosts.join("a")).islands == []
    assert hosts.clock.pauses == []


def test_a_split_gossip_is_healed_at_once_and_its_islands_are_told(hosts):
    hosts.speak("a", "b", "c")
    hosts.gossip["b"].merge(hosts.gossip["c"].members())
    hosts.gossip["c"].merge(hosts.gossip["b"].members())
    done = hosts.do(hosts.join("a", "b", "c"))
    assert done.islands == [("b", "c"), ("a",)]
    assert {n: sorted(g.seen()) for n, g in hosts.gossip.items()} == {
        "a": ["node-b", "node-c"],
        "b": ["node-a", "node-c"],
        "c": ["node-a", "node-b"],
    }
    assert [text for _, text in hosts.said] == [
        "make the gossip whole: 3 engines",
        "gossip is split: b, c | a",
    ]
    assert len(hosts.clock.pauses) <= 2


def test_one_that_was_buried_is_brought_back(hosts):
    hosts.speak("a", "b")
    hosts.gossip["a"].known["node-b"] = Member("node-b", IPv4Address("10.0.0.2"), 7946, 7, 2)
    hosts.do(hosts.join("a", "b"))
    assert hosts.gossip["a"].seen() == ["node-b"]


def test_an_engine_that_answers_late_is_waited_for(hosts):
    hosts.speak("a", "b")
    listens = hosts["b"].listens
    late = dict(listens)
    listens.clear()
    pause = hosts.clock.pause

    def pause_and_come_up(seconds):
        pause(seconds)
        if len(hosts.clock.pauses) == 4:
            listens.update(late)

    hosts.clock.pause = pause_and_come_up
    done = hosts.do(hosts.join("a", "b"))
    assert done.islands == [("a",), ("b",)]
    assert hosts.gossip["b"].seen() == ["node-a"]


def test_engines_that_never_answer_are_named(hosts):
    hosts.speak("a")
    assert error_of(lambda: hosts.do(hosts.join("a", "b", "c")), DeadlineExceeded) == (
        f"the gossip is not whole after {GOSSIP_SECONDS:g} s: no gossip from b, c\n"
        "  -> open TCP and UDP 7946 between all hosts, both ways"
    )


def test_engines_that_never_see_each_other_are_named(hosts):
    hosts.speak("a", "b")
    for its in hosts.gossip.values():
        its.merge = lambda members: None
    assert error_of(lambda: hosts.do(hosts.join("a", "b")), DeadlineExceeded) == (
        f"the gossip is not whole after {GOSSIP_SECONDS:g} s: a does not see b; b does not see a\n"
        "  -> open TCP and UDP 7946 between all hosts, both ways"
    )


class HangsUp:
    """A stream of an engine that hangs up when it is told something."""

    def __init__(self, its):
        self.inner, self.told = GossipStream(its), False
        self.settimeout, self.close = self.inner.settimeout, self.inner.close

    def sendall(self, data):
        self.told = b"Name" in data
        self.inner.sendall(data)

    def recv(self, size):
        return b"" if self.told else self.inner.recv(size)


def test_an_engine_that_hangs_up_when_it_is_told_is_named(hosts):
    hosts.speak("a", "b")
    hosts.gossip["a"].merge(hosts.gossip["b"].members())
    hosts["b"].listens[hosts["b"].reached_at, PORT] = lambda: HangsUp(hosts.gossip["b"])
    said = error_of(lambda: hosts.do(hosts.join("a", "b")))
    assert said.startswith("the gossip is not whole after 45 s: b does not see a\n")


def test_a_look_at_the_gossip(hosts):
    hosts.speak("a")
    found = view(hosts["a"], "10.0.0.1")
    assert (found.address, [m.name for m in found.members]) == (IPv4Address("10.0.0.1"), ["node-a"])
    assert view(hosts["b"], "10.0.0.2") is None
    hosts["b"].listens["10.0.0.2", PORT] = lambda: Garbage()
    assert view(hosts["b"], "10.0.0.2") is None


class Garbage:
    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        pass

    def recv(self, size):
        return b"SSH-2.0-OpenSSH\r\n"

    def close(self):
        pass


MASK = (
    b'{"id":"GlobalDefault/10.9.0.0/24","sequence":"AAAAAAAAAQAAAAAAAAAA/cAAAAAAAAAAAAAAAQAA'
    b'AAAAAAAAAAAABgAAAAEAAAAAAAAAAQ=="}'
)


def test_a_container_joins_its_network_again_with_its_names(hosts):
    hosts["a"].engine = FakeEngine("a", registry=["x:1"])
    hosts.do(
        CreateNetwork("a", "why", "n", NETWORK),
        ProvideImage("a", "why", "x:1"),
        RunContainer("a", "why", "web", {"Image": "x:1", "HostConfig": {"NetworkMode": "n"}}),
    )
    before = hosts["a"].engine.container("web")["NetworkSettings"]["Networks"]["n"]["IPAddress"]
    hosts.store.put("k", MASK)
    keep = HoldAddresses("a", "why", "k", "10.9.0.0/24", ("10.9.0.7",))
    hosts.do(RejoinNetwork("a", "why", "web", "n", "n", keep))
    assert parse(hosts.store.get("k")).taken(7)
    after = hosts["a"].engine.container("web")["NetworkSettings"]["Networks"]["n"]["IPAddress"]
    assert after != before


ENDPOINT = DisconnectEndpoint("a", "why", "e1", "db", "n", "n")
ENDPOINT_KEY = "docker/network/v1.0/endpoint/n/e1/"


class Prefixes(FakeEngine):
    """Knows a container by the beginning of its id, as engines do. ``off`` are names it let go of."""

    def __init__(self, *names):
        super().__init__("a")
        self.off, self.names = [], names

    def container(self, name):
        if name not in self.names:
            raise EngineError(f"No such container: {name}", status=404)
        return {"Id": "db" * 32, "Name": "/web"}

    def disconnect(self, network, endpoint):
        self.off.append(endpoint)


def test_a_stale_endpoint_is_disconnected_by_its_name(hosts):
    hosts["a"].engine = Prefixes()
    hosts.store.put(ENDPOINT_KEY, b"{}")
    hosts.do(ENDPOINT)
    assert hosts["a"].engine.off == ["db"]


def test_an_endpoint_that_the_store_has_no_more_is_not_disconnected(hosts):
    hosts["a"].engine = Prefixes("db")
    hosts.do(ENDPOINT)
    assert hosts["a"].engine.off == []


def test_an_endpoint_is_not_taken_for_a_container_whose_id_begins_like_its_name(hosts):
    hosts["a"].engine = Prefixes("db")
    hosts.store.put(ENDPOINT_KEY, b"{}")
    assert error_of(lambda: hosts.do(ENDPOINT), Refused) == (
        "a: endpoint db of network n can't be disconnected here: the engine takes that name for its "
        "container web (dbdbdbdbdbdb)\n"
        "  -> `docker network disconnect -f n db` on a host that has no container of that name, and none "
        "whose id begins with it"
    )
    assert hosts["a"].engine.off == []


class Rejoins(FakeEngine):
    """Has one container ``web`` on ``n``. Fails to connect ``fails`` times, once with ``error``."""

    def __init__(self, fails=0, error=None):
        super().__init__("a")
        self.fails, self.error, self.on, self.settings = fails, error, True, []

    def container(self, name):
        its = {
            "Aliases": ["www", "abcdef012345"],
            "Links": ["db:database"],
            "DriverOpts": {"k": "v"},
            "IPAMConfig": {"IPv4Address": "10.9.0.5"},
        }
        networks = {"n": its} if self.on else {}
        return {"Id": "abcdef012345" + "0" * 52, "Name": "/web", "NetworkSettings": {"Networks": networks}}

    def disconnect(self, network, endpoint):
        assert self.on
        self.on = False

    def connect(self, network, container, settings):
        self.settings.append(settings)
        if self.error:
            error, self.error = self.error, None
            raise error
        if self.fails:
            self.fails -= 1
            raise EngineError("no store", status=500)
        self.on = True


KEPT = {
    "Aliases": ["www"],
    "Links": ["db:database"],
    "DriverOpts": {"k": "v"},
    "IPAMConfig": {"IPv4Address": "10.9.0.5"},
}
REJOIN = RejoinNetwork("a", "why", "web", "n", "n")
BY_HAND = (
    "`docker network connect --alias www --link db:database --driver-opt k=v --ip 10.9.0.5 n web` on the host"
)


@pytest.mark.parametrize("fails", [0, 1, 3])
def test_a_container_has_its_names_and_options_at_every_try_to_join_again(hosts, fails):
    hosts["a"].engine = Rejoins(fails)
    hosts.do(REJOIN)
    assert hosts["a"].engine.on
    assert hosts["a"].engine.settings == [KEPT] * (fails + 1)


@pytest.mark.parametrize("there", [None, "another"])
def test_a_container_that_is_another_by_now_is_let_be(hosts, there):
    class Other(Rejoins):
        def container(self, name):
            if there is None:
                raise EngineError("No such container: web", status=404)
            return {"Id": "9" * 64, "NetworkSettings": {"Networks": {"n": {"EndpointID": there}}}}

    hosts["a"].engine = Other()
    hosts.do(replace(REJOIN, endpoint="seen"))
    assert hosts["a"].engine.settings == []


@pytest.mark.parametrize("answers", [True, False])
def test_what_ran_when_an_engine_restarts_is_remembered_for_its_gate(hosts, answers):
    engine = hosts["a"].engine = FakeEngine("a", registry=("x",))
    engine.pull_image("x")
    for name in ("web", "job", "other"):
        engine.create_container(name, {"Image": "x"})
    for name in ("web", "other"):
        engine.start_container(name)
    if not answers:
        engine.containers = lambda: engine.network("gone")
    done = Done()
    stage = Stage("engine", (RestartEngine("a", "why", ("web", "job"), same=True),))
    apply(make_plan(stage), hosts.world(), done)
    assert done.ran == {"a": frozenset({"web"} if answers else {"web", "job"})}


def test_a_stage_that_fails_holds_nothing_up_where_the_rest_is_to_go_on(hosts):
    done = Done()
    rows = Stage("rows", (WriteFile("a", "why", DROP_IN, "x"),))
    plan = make_plan(*(Stage(str(n), (StartContainer("a", "why", f"gone{n}"),)) for n in (1, 2)), rows)
    said = error_of(lambda: apply(plan, hosts.world(), done, go_on=True))
    assert said.startswith("a: starting container gone1: No such container: gone1")
    assert "\n  and then: a: starting container gone2: No such container: gone2" in said
    assert done.steps == list(rows.steps)
    assert hosts["a"].path(DROP_IN).read_text() == "x"


def test_a_container_joins_again_where_its_address_can_not_be_held_and_that_is_told(hosts):
    hosts["a"].engine = Rejoins()
    keep = HoldAddresses("a", "why", "k", "10.9.0.0/24", ("10.9.0.7",))
    said = error_of(lambda: hosts.do(RejoinNetwork("a", "why", "web", "n", "n", keep)))
    assert said.startswith("a: the addresses of 10.9.0.0/24 can't be noted in the store: it is gone\n")
    assert hosts["a"].engine.on


def test_a_container_that_can_not_join_again_is_told_with_the_way_back(hosts):
    hosts["a"].engine = Rejoins(fails=1000)
    assert error_of(lambda: hosts.do(REJOIN)) == f"a: web is off n: no store\n  -> {BY_HAND}"


def test_an_interrupted_run_puts_the_container_back_first(hosts):
    class Cancels(Rejoins):
        def disconnect(self, network, endpoint):
            super().disconnect(network, endpoint)
            hosts.cancel.set()

    hosts["a"].engine = Cancels(error=Interrupted("interrupted"))
    assert error_of(lambda: hosts.do(REJOIN), Interrupted) == "a: interrupted"
    assert hosts["a"].engine.on
    assert hosts["a"].engine.settings == [KEPT] * 2


def test_an_interrupted_run_that_can_not_put_it_back_tells_the_way(hosts):
    hosts["a"].engine = Rejoins(fails=1000, error=Interrupted("interrupted"))
    said = error_of(lambda: hosts.do(REJOIN), Interrupted)
    assert said == f"a: interrupted: web is off n\n  -> {BY_HAND}"
    assert hosts.said[-1] == ("a", f"web is off n: {BY_HAND.removesuffix(' on the host')}")


def test_addresses_are_held_once_and_whatever_another_engine_writes_meanwhile_stays(hosts):
    class Busy(FakeStore):
        """Another engine gives out 10.9.0.9 between the read and the first write."""

        def swap(self, key, old, new):
            if not self.others:
                self.others = True
                mask = with_taken(parse(self.get(key)), [9])
                self.put(key, value_of(mask))
            return super().swap(key, old, new)

    hosts.store = Busy()
    hosts.store.others = False
    hosts.store.put("k", MASK)
    hold = HoldAddresses("a", "why", "k", "10.9.0.0/24", ("10.9.0.7", "10.9.0.8"))
    hosts.do(hold)
    mask = parse(hosts.store.get("k"))
    assert [n for n in range(256) if mask.taken(n)] == [0, 1, 7, 8, 9, 255]
    assert mask.free == 250
    value = hosts.store.get("k")
    hosts.do(hold)
    assert hosts.store.get("k") == value


@pytest.mark.parametrize(
    ("value", "address", "why"),
    [
        (None, "10.9.0.7", "it is gone"),
        (b"no mask", "10.9.0.7", "Expecting value: line 1 column 1 (char 0)"),
        (MASK, "10.8.0.1", "10.8.0.1 is not in 10.9.0.0/24"),
    ],
)
def test_addresses_that_can_not_be_held_are_an_error_with_its_reason(hosts, value, address, why):
    if value is not None:
        hosts.store.put("k", value)
    text = error_of(lambda: hosts.do(HoldAddresses("a", "why", "k", "10.9.0.0/24", (address,))))
    assert text == (
        f"a: the addresses of 10.9.0.0/24 can't be noted in the store: {why}\n"
        "  -> see `fab doctor`: containers have these addresses, and others may get them"
    )


KEYS = (KeyWrite("k/new", None, b"1"), KeyWrite("k/old", b"1", b"2"), KeyWrite("k/gone", b"3", None))


def test_keys_are_written_in_their_order_and_a_second_time_nothing(hosts):
    hosts.store.put("k/old", b"1")
    hosts.store.put("k/gone", b"3")
    for _ in range(2):
        hosts.do(PutKeys("a", "why", "write", KEYS))
        assert hosts.store.tree("k/") == {"k/new": b"1", "k/old": b"2"}


@pytest.mark.parametrize("other", [b"7", None])
def test_a_key_that_somebody_has_changed_meanwhile_stays_as_it_is(hosts, other):
    if other is not None:
        hosts.store.put("k/old", other)
    text = error_of(lambda: hosts.do(PutKeys("a", "why", "write", KEYS)))
    assert text == (
        "a: the store's value of k/old was changed while this was done\n"
        "  -> run the same command again: it goes on with what is missing by then"
    )
    assert hosts.store.get("k/old") == other
    assert hosts.store.get("k/new") == b"1"


def test_an_agent_that_is_gone_leaves_the_store_and_a_second_time_nothing(hosts):
    hosts.store.join("host3", "10.0.0.3", server=True)
    assert [peer["ID"] for peer in hosts.store.servers()][1:] == ["id of host3"]
    step = ForgetAgent("a", "why", "host3", "id of host3")
    hosts.do(step)
    assert len(hosts.store.servers()) == len(hosts.store.catalog()) == 1
    assert [m["Status"] for m in hosts.store.members()] == [1, 3]
    hosts.do(step)
    hosts.do(ForgetAgent("a", "why", "nobody"))


def test_an_agent_that_stays_is_told(hosts):
    """It answers, and says so at once."""
    hosts.store.join("host3", "10.0.0.3")
    hosts.store.force_leave = lambda node: None
    assert error_of(lambda: hosts.do(ForgetAgent("a", "why", "host3")), DeadlineExceeded) == (
        f"a: the store still counts on its agent host3: not within {GONE_SECONDS:g} s\n"
        "  -> does that host still run? `fab store-status` shows it"
    )


def test_a_container_leaves_a_network_for_good(hosts):
    engine = hosts["a"].engine
    engine.create_network(NETWORK)
    engine._images.add("busybox")
    engine.create_container("web", {"Image": "busybox", "HostConfig": {"NetworkMode": "n"}})
    engine.start_container("web")
    step = LeaveNetwork("a", "why", "web", "n", "n")
    hosts.do(step)
    assert engine.container("web")["NetworkSettings"]["Networks"] == {}
    engine.remove_container("web")
    hosts.do(step)


def test_an_engine_that_says_nothing_can_not_be_told_what_is_gone(hosts):
    gone = (Left("10.0.0.3", "a" * 64, "b" * 64, "10.9.0.2", "255.255.255.0", "02:42:0a:09:00:02"),)
    assert error_of(lambda: hosts.do(TellLeft("a", "why", "10.0.0.1", gone))).startswith(
        "a: no connection to 10.0.0.1 port 7946 from the host"
    )
