"""Servers that come, leave, and go on alone, carried out in a fake world."""

from __future__ import annotations

import json

import pytest
from tests.contract.fakes import FakeClock, FakeHost, FakeStore

from overweave.apply.run import apply
from overweave.apply.world import World
from overweave.errors import DeadlineExceeded, OverweaveError, Refused, StoreError
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.steps import (
    AwaitAgent,
    CheckVersion,
    ForgetQuorum,
    RecoverQuorum,
    RemovePeer,
    RetireServer,
    Stage,
    make_plan,
)

DOCKER = """\
#!/bin/sh
[ "$1 $2" = "-H unix:///var/run/docker.sock" ] || exit 9
shift 2
echo "$*" >> "$ROOT/docker.log"
case "$1 $2" in
"volume inspect") [ -e "$ROOT/volume" ] && { [ "$3" != -f ] || echo "$ROOT/volume"; } ;;
"container inspect"|"stop -t"|"start consul") ;;
"logs --tail") printf 'starting\n==> no such flag\n' ;;
"run --rm") cat "$ROOT/version" ;;
*) exit 9 ;;
esac
"""


class Quorum:
    """Agents of hosts: what each is, and whom raft counts on. ``written``: how far each has got."""

    def __init__(self, *servers):
        self.votes = dict.fromkeys(servers, True)
        self.written = {}
        self.gone, self.left, self.stale = set(), set(), {}
        self.anew = []

    def agent(self, name):
        return Agent(self, name)


class Agent(FakeStore):
    def __init__(self, quorum, name):
        super().__init__()
        self._all, self._name = quorum, name

    def _answer(self, doing):
        if self._name in self._all.gone:
            raise StoreError(f"{doing}: no answer")

    def leader(self):
        return "" if self._name in self._all.gone else "a:8300"

    def agent(self):
        self._answer("asking the agent about itself")
        server = self._name in self._all.votes
        number = str(self._all.written.get(self._name, 7))
        numbers = ("term", "last_log_index", "commit_index", "applied_index")
        raft = {"state": "Follower", "last_contact": "0", **dict.fromkeys(numbers, number)}
        config = {"NodeName": self._name, "NodeID": f"id-{self._name}", "Version": "1.8.7", "Server": server}
        return {"Config": config, "Stats": {"raft": raft} if server else {}}

    def members(self):
        self._answer("listing the agents")
        return [
            {
                "Name": name,
                "Addr": "10.0.0.1",
                "Status": 3 if name in self._all.left else 1,
                "Tags": {"role": "consul", "id": f"id-{name}"},
            }
            for name in "abc"
        ]

    def servers(self):
        self._answer("asking who votes")
        return [
            {"ID": f"id-{name}", "Address": f"{name}:8300", "Leader": name == "a", "Voter": voter}
            for name, voter in self._all.votes.items()
        ]

    def catalog(self):
        self._answer("listing the catalog's nodes")
        return [{"ID": self._all.stale.get(n, f"id-{n}"), "Node": n, "Address": "10.0.0.1"} for n in "abc"]

    def register_anew(self, node, id_, address):
        self._all.anew.append((node, id_))
        del self._all.stale[node]

    def leave(self):
        self._answer("telling the agent to leave")
        del self._all.votes[self._name]
        self._all.left.add(self._name)

    def remove_server(self, id_):
        self._answer("removing")
        del self._all.votes[id_.removeprefix("id-")]

    def force_leave(self, node):
        self._all.left.add(node)


class Fleet:
    def __init__(self, folder, *servers):
        self.quorum, self.clock, self.said = Quorum(*servers), FakeClock(), []
        self.hosts = {name: FakeHost(Host(name, Access(f"10.0.0.{name}")), folder / name) for name in "abc"}
        for host in self.hosts.values():
            (host.root / "bin/docker").write_text(DOCKER)
            (host.root / "volume/raft").mkdir(parents=True)
            (host.root / "volume/raft/raft.db").write_text("")
            (host.root / "volume/node-id").write_text("")
            host.engine.container = lambda name: {"Name": name, "RestartCount": 0}

    def do(self, *steps):
        world = World(
            self.hosts,
            self.quorum.agent("a"),
            self.clock,
            Cancel(),
            lambda host, text: self.said.append((host, text)),
            agent=self.quorum.agent,
        )
        return apply(make_plan(Stage("s", steps)), world)

    def volume(self, name):
        folder = self.hosts[name].root / "volume"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def docker(self, name):
        return (self.hosts[name].root / "docker.log").read_text().splitlines()


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path, "a", "b")


def error_of(call, kind=OverweaveError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_a_server_is_waited_for_until_it_votes_and_has_all(fleet):
    fleet.quorum.written = {"a": 120, "b": 120}
    wait = AwaitAgent("b", "why", ("a",), votes=True)
    fleet.do(wait)
    fleet.quorum.written["b"] = 119
    told = "b: after 60 s its server has written 119 of 120\n  -> see `docker logs consul` on the host"
    assert error_of(lambda: fleet.do(wait), DeadlineExceeded) == told
    fleet.quorum.votes["b"] = False
    assert "after 60 s its server does not vote" in error_of(lambda: fleet.do(wait), DeadlineExceeded)
    del fleet.quorum.votes["b"]
    assert "after 60 s its agent is no server" in error_of(lambda: fleet.do(wait), DeadlineExceeded)


def test_an_agent_is_waited_for_until_it_is_one_and_no_server(fleet):
    fleet.do(AwaitAgent("c", "why", ("a",)))
    told = error_of(lambda: fleet.do(AwaitAgent("b", "why", ("a",))), DeadlineExceeded)
    assert told.startswith("b: after 30 s its agent is a server\n")


def test_one_that_the_store_knows_under_another_id_is_registered_anew(fleet):
    fleet.quorum.stale["b"] = "id-of-before"
    fleet.do(AwaitAgent("b", "why", ("a",), votes=True))
    assert fleet.quorum.anew == [("b", "id-b")]


def test_one_that_dies_again_and_again_is_not_waited_for(fleet):
    fleet.quorum.gone.add("b")
    found = {"Name": "/consul", "Id": "1", "RestartCount": 3}
    fleet.hosts["b"].engine.container = lambda name: found
    told = error_of(lambda: fleet.do(AwaitAgent("b", "why", ("a",), votes=True)))
    assert told == (
        "b: its agent does not stay up:\n    starting\n    ==> no such flag\n"
        "  -> mend what it says: `store: options:` and `store: image:` of the inventory, or its program"
    )
    assert fleet.clock.pauses == []


def test_a_server_leaves_by_itself_and_its_copy_goes(fleet):
    fleet.do(RetireServer("b", "why", "id-b", "b", ("a",)))
    assert fleet.quorum.votes == {"a": True}
    assert fleet.volume("b") == ["node-id"]
    assert "stop -t 0 consul" in fleet.docker("b")
    assert fleet.volume("a") == ["node-id", "raft/raft.db"]


def test_one_that_gives_no_answer_is_taken_out_by_the_others(fleet):
    fleet.quorum.gone.add("b")
    fleet.do(RetireServer("b", "why", "id-b", "b", ("a",)))
    assert (fleet.quorum.votes, fleet.quorum.left) == ({"a": True}, {"b"})
    assert fleet.volume("b") == ["node-id"]


def test_one_that_raft_does_not_know_only_loses_its_copy(fleet):
    fleet.do(RetireServer("c", "why", "", "c", ("a",)))
    assert fleet.quorum.left == set()
    assert fleet.volume("c") == ["node-id"]


def test_one_that_nobody_lets_go_is_an_error(fleet):
    fleet.quorum.gone |= {"a", "b"}
    assert error_of(lambda: fleet.do(RetireServer("b", "why", "id-b", "b", ("a",))), DeadlineExceeded) == (
        "b: the others still count on its server: not within 30 s\n  -> `fab store-status` shows who votes"
    )
    assert fleet.volume("b") == ["node-id", "raft/raft.db"]


def test_a_server_whose_host_is_gone_is_taken_out_once(fleet):
    for _ in range(2):
        fleet.do(RemovePeer("a", "why", "id-b", "b", "b:8300"))
        assert (fleet.quorum.votes, fleet.quorum.left) == ({"a": True}, {"b"})


def test_an_old_quorum_is_forgotten_also_where_its_volume_is_gone(fleet):
    fleet.do(ForgetQuorum("b", "why"))
    assert fleet.volume("b") == ["node-id"]
    (fleet.hosts["c"].root / "volume").rename(fleet.hosts["c"].root / "gone")
    fleet.do(ForgetQuorum("c", "why"))


def test_a_server_is_stopped_told_that_it_is_alone_and_started(fleet):
    fleet.do(RecoverQuorum("a", "why", "id-a", "10.0.0.1:8300"))
    peers = fleet.hosts["a"].root / "volume/raft/peers.json"
    assert json.loads(peers.read_text()) == [{"id": "id-a", "address": "10.0.0.1:8300", "non_voter": False}]
    assert fleet.docker("a")[-2:] == ["stop -t 5 consul", "start consul"]
    (fleet.hosts["b"].root / "volume/raft/raft.db").unlink()
    (fleet.hosts["b"].root / "volume/raft").rmdir()
    error_of(lambda: fleet.do(RecoverQuorum("b", "why", "id-b", "10.0.0.2:8300")))
    assert "stop -t 5 consul" not in fleet.docker("b"), "without data there is nothing to go on with"


def test_an_image_is_asked_for_its_version(fleet):
    _says(fleet, "Consul v1.9.1\n")
    fleet.do(CheckVersion("c", "why", "consul:next", ("1.8.7",)))
    assert fleet.said[-1] == ("c", "consul:next is Consul 1.9.1")
    assert fleet.docker("c") == ["run --rm --network none --entrypoint consul consul:next version"]
    _says(fleet, "Consul v1.8.6\n")
    told = error_of(lambda: fleet.do(CheckVersion("c", "why", "consul:next", ("1.8.7",))), Refused)
    assert told.startswith("c: consul:next: Consul 1.8.6 is older than 1.8.7, which runs\n  -> ")
    (fleet.hosts["c"].root / "version").unlink()
    told = error_of(lambda: fleet.do(CheckVersion("c", "why", "redis:7", ("1.8.7",))), Refused)
    assert told == (
        "c: redis:7: the image does not tell which version of Consul it is\n"
        "  -> name an image whose `consul version` does"
    )


def _says(fleet, text):
    return (fleet.hosts["c"].root / "version").write_text(text)
