"""Steps of a swarm, carried out on fake engines that share one."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeClock, FakeEngine, FakeHost, FakeStore
from tests.contract.swarms import LATER

from overweave.apply.run import apply
from overweave.apply.swarm import SECONDS
from overweave.apply.world import World
from overweave.command import Secret
from overweave.errors import DeadlineExceeded, EngineError, OverweaveError
from overweave.facts.swarm import look, member, parse_member
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.steps import (
    ChangeAutolock,
    ChangeRole,
    InitSwarm,
    JoinSwarm,
    LeaveSwarm,
    RemoveNode,
    RenewAuthority,
    RenewJoinTokens,
    RenewUnlockKey,
    Stage,
    TakeOverSwarm,
    UnlockSwarm,
    make_plan,
)

SEE = "\n  -> see `journalctl -u docker` on the host"


class Hosts:
    """Hosts a, b, c, whose engines reach each other."""

    def __init__(self, folder, kind=FakeEngine):
        self.said, self.clock = [], FakeClock()
        wire: dict = {}
        self.hosts = {
            name: FakeHost(Host(name, Access(f"10.0.0.{i}")), folder / name, kind(name, wire=wire))
            for i, name in enumerate("abc", 1)
        }

    def do(self, *steps):
        world = World(
            self.hosts, FakeStore(), self.clock, Cancel(), lambda host, text: self.said.append((host, text))
        )
        return apply(make_plan(*(Stage("s", (step,)) for step in steps)), world)

    def engine(self, name):
        return self.hosts[name].engine

    def member(self, name):
        return parse_member(self.engine(name).info())

    def begin(self, port=4789):
        self.do(InitSwarm("a", "why", "10.0.0.1", port))

    def join(self, name, manager=False, via="a"):
        remotes = (f"{self.hosts[via].reached_at}:2377",)
        return JoinSwarm(name, "why", self.hosts[name].reached_at, via, remotes, manager)

    def role(self, name, manager, at="a"):
        return ChangeRole(at, "why", self.member(name).node, name, manager)


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def error_of(call, kind=OverweaveError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_a_swarm_is_begun_and_joined_and_its_first_manager_tells_the_token(hosts):
    hosts.begin(port=4790)
    assert (hosts.member("a").manager, hosts.member("a").port) == (True, 4790)
    hosts.do(hosts.join("b", manager=True), hosts.join("c", via="b"))
    assert [hosts.member(n).manager for n in "abc"] == [True, True, False]
    assert [(n.name, n.role, n.leader) for n in look(hosts.engine("b")).nodes.values()] == [
        ("a", "manager", True),
        ("b", "manager", False),
        ("c", "worker", False),
    ]
    assert hosts.engine("b").calls.count("asking for a join token") == 1
    assert hosts.engine("c").calls.count("asking for a join token") == 0


def test_a_token_is_in_nothing_that_is_said_or_raised(hosts):
    hosts.begin()
    hosts.engine("b").swarm = hosts.engine("a").swarm
    with pytest.raises(EngineError) as caught:
        hosts.do(hosts.join("b"))
    assert "SWMTKN" not in f"{hosts.said} {caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert ("b", "join the swarm at 10.0.0.2 as a worker") in hosts.said


def test_no_token_is_asked_of_who_does_not_manage(hosts):
    said = error_of(lambda: hosts.do(hosts.join("b")))
    assert said.startswith("a: asking for a join token: This node is not a swarm manager.")
    assert "joining the swarm" not in hosts.engine("b").calls


def test_a_join_that_goes_on_behind_its_deadline_is_waited_for(hosts):
    hosts.begin()
    hosts.engine("b").joins_late = 5
    hosts.do(hosts.join("b"))
    assert hosts.member("b").active
    assert len(hosts.clock.pauses) == 5


def test_a_join_that_never_ends_is_the_engines_own_error(hosts):
    hosts.begin()
    hosts.engine("b").joins_late = 10_000
    assert error_of(lambda: hosts.do(hosts.join("b")), EngineError) == f"b: joining the swarm: {LATER}{SEE}"
    assert SECONDS <= hosts.clock.now - hosts.clock.started < SECONDS + 2


class Silent(FakeEngine):
    """One that says nothing of a join that it goes on with."""

    def join_swarm(self, address, remotes, token):
        self.joins_late = 10_000
        with pytest.raises(EngineError):
            super().join_swarm(address, remotes, token)


def test_an_engine_that_joined_and_is_no_node_is_told(tmp_path):
    hosts = Hosts(tmp_path, Silent)
    hosts.begin()
    assert error_of(lambda: hosts.do(hosts.join("b")), DeadlineExceeded) == (
        "b: the engine is no node of the swarm: not within 30 s\n"
        "  -> see `journalctl -u docker` on the host: does TCP 2377 of a manager answer?"
    )


def test_a_join_that_is_refused_is_not_waited_for(hosts):
    hosts.begin()
    step = JoinSwarm("b", "why", "10.0.0.2", "a", ("10.0.0.9:2377",), False)
    assert error_of(lambda: hosts.do(step)) == (
        "b: joining the swarm: rpc error: code = Unavailable desc = connection error: 10.0.0.9:2377: refused"
        + SEE
    )
    assert hosts.clock.pauses == []


def test_a_worker_becomes_a_manager_and_a_worker_again(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"), hosts.join("c"))
    hosts.do(hosts.role("b", True))
    assert (hosts.member("b").manager, hosts.member("c").manager) == (True, False)
    hosts.do(hosts.role("b", False))
    assert not hosts.member("b").manager
    calls = len(hosts.engine("a").calls)
    hosts.do(hosts.role("b", False))
    assert "changing the node" not in f"{hosts.engine('a').calls[calls:]}", "it is one already"


def test_labels_and_availability_of_a_node_stay_as_they_are(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"))
    engine, id_ = hosts.engine("a"), hosts.member("b").node
    node = look(engine).nodes[id_]
    engine.change_node(id_, node.version, {**node.spec, "Labels": {"rack": "2"}, "Availability": "drain"})
    hosts.do(hosts.role("b", True))
    spec = look(engine).nodes[id_].spec
    assert spec == {"Labels": {"rack": "2"}, "Availability": "drain", "Role": "manager"}


class Busy(FakeEngine):
    """Somebody else changes a node between two looks at it."""

    others = 2

    def change_node(self, node, version, spec):
        if self.others:
            self.others -= 1
            its = self.swarm.nodes[node]
            self.swarm.nodes[node] = its | {"Version": {"Index": version + 1}}
        super().change_node(node, version, spec)


def test_a_node_that_somebody_else_changes_meanwhile_is_read_again(tmp_path):
    hosts = Hosts(tmp_path, Busy)
    hosts.begin()
    hosts.do(hosts.join("b"))
    hosts.do(hosts.role("b", True))
    assert hosts.member("b").manager
    assert hosts.engine("a").others == 0


def test_the_last_manager_stays_one(hosts):
    hosts.begin()
    assert error_of(lambda: hosts.do(hosts.role("a", False))).endswith(
        "attempting to demote the last manager of the swarm" + SEE
    )


def test_a_node_that_is_gone_needs_no_role(hosts):
    hosts.begin()
    hosts.do(ChangeRole("a", "why", "nobody", "b", True))
    assert "changing the node" not in f"{hosts.engine('a').calls}"


class Slow(FakeEngine):
    """Its swarm makes nobody a manager whom the others reach."""

    def nodes(self):
        return [{k: v for k, v in n.items() if k != "ManagerStatus"} for n in super().nodes()]


def test_a_role_that_does_not_come_is_told(tmp_path):
    hosts = Hosts(tmp_path, Slow)
    hosts.begin()
    hosts.do(hosts.join("b"))
    assert error_of(lambda: hosts.do(hosts.role("b", True)), DeadlineExceeded) == (
        "a: b is no manager yet: not within 30 s\n  -> see `docker node ls` on a manager"
    )


class New(FakeEngine):
    """One that has just become a manager, ``prepares`` times asked ago."""

    prepares = 3

    def nodes(self):
        if self.prepares:
            self.prepares -= 1
            raise EngineError(f"listing the swarm's nodes: {PREPARED}", status=503)
        return super().nodes()


PREPARED = (
    "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster."
)


def test_a_manager_that_is_being_prepared_is_waited_for(tmp_path):
    hosts = Hosts(tmp_path, New)
    hosts.begin()
    hosts.do(hosts.join("b"))
    hosts.do(hosts.role("b", True))
    assert hosts.member("b").manager
    hosts.do(hosts.role("a", False, at="b"))
    assert [hosts.member(n).manager for n in "ab"] == [False, True]


def test_a_manager_that_stays_without_its_swarm_is_the_engines_own_error(tmp_path):
    hosts = Hosts(tmp_path, New)
    hosts.begin()
    hosts.engine("a").prepares = 10_000
    step = ChangeRole("a", "why", "n", "b", True)
    assert error_of(lambda: hosts.do(step), EngineError) == f"a: listing the swarm's nodes: {PREPARED}{SEE}"
    assert hosts.clock.now - hosts.clock.started >= SECONDS


def test_hosts_leave_and_are_taken_off_the_list_and_twice_is_no_error(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"))
    node = hosts.member("b").node
    for _ in range(2):
        hosts.do(LeaveSwarm("b", "why"))
        assert not hosts.member("b").there
    assert look(hosts.engine("a")).nodes[node].state == "down"
    for _ in range(2):
        hosts.do(RemoveNode("a", "why", node, "b"))
        assert list(look(hosts.engine("a")).nodes) == [hosts.member("a").node]
    hosts.do(LeaveSwarm("a", "why"))
    assert not hosts.member("a").there


def test_a_manager_is_not_removed_from_the_list(hosts):
    hosts.begin()
    node = hosts.member("a").node
    assert error_of(lambda: hosts.do(RemoveNode("a", "why", node, "a"))) == (
        f"a: removing the node {node}: rpc error: code = FailedPrecondition desc = node {node} is a cluster "
        "manager and is a member of the raft cluster. It must be demoted to worker before removal" + SEE
    )


def test_one_manager_takes_the_swarm_over_and_the_others_are_its_workers(hosts):
    hosts.begin()
    hosts.do(hosts.join("b", manager=True), hosts.join("c"))
    hosts.engine("b").swarm.lose(hosts.member("b").node)
    hosts.do(TakeOverSwarm("a", "why", "10.0.0.1"))
    nodes = look(hosts.engine("a")).nodes.values()
    assert [(node.name, node.role, node.leader) for node in nodes] == [
        ("a", "manager", True),
        ("b", "worker", False),
        ("c", "worker", False),
    ]


class Leaderless(FakeEngine):
    """It never leads what it has taken over."""

    taken = False

    def take_over_swarm(self, address):
        super().take_over_swarm(address)
        self.taken = True

    def nodes(self):
        if self.taken:
            raise EngineError("listing the swarm's nodes: The swarm does not have a leader.", status=503)
        return super().nodes()


def test_an_engine_that_leads_nothing_behind_that_is_told(tmp_path):
    hosts = Hosts(tmp_path, Leaderless)
    hosts.begin()
    assert error_of(lambda: hosts.do(TakeOverSwarm("a", "why", "10.0.0.1")), DeadlineExceeded) == (
        "a: the engine leads no swarm: not within 30 s\n"
        "  -> see `journalctl -u docker` on the host; the same command again goes on"
    )


def test_an_engine_that_has_left_its_swarm_begins_no_other_one(hosts):
    hosts.begin()
    hosts.do(LeaveSwarm("a", "why"))
    assert error_of(lambda: hosts.do(TakeOverSwarm("a", "why", "10.0.0.1")), EngineError) == (
        "a: the engine is in no swarm any more: it would begin another one\n"
        "  -> name a manager that is left: --from HOST"
    )
    assert not hosts.member("a").there


def test_a_worker_takes_nothing_over(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"))
    said = error_of(lambda: hosts.do(TakeOverSwarm("b", "why", "10.0.0.2")), EngineError)
    assert said.startswith("b: taking the swarm over: This node is not a swarm manager.")


def authorities(hosts):
    its = look(hosts.engine("a"))
    return its.cluster.authority, {node.authority for node in its.nodes.values()}


def test_all_nodes_get_certificates_of_a_new_authority_and_that_is_waited_for(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"), hosts.join("c"))
    before, _ = authorities(hosts)
    engine = hosts.engine("a")
    engine.swarm.slow = 3
    engine.swarm.spec["CAConfig"] |= {"ForceRotate": 4, "SigningCACert": "given", "NodeCertExpiry": 7}
    hosts.said.clear()
    hosts.do(RenewAuthority("a", "why", 3))
    after, theirs = authorities(hosts)
    assert before != after
    assert theirs == {after}
    assert engine.swarm.spec == {
        "Name": "default",
        "Labels": {},
        "CAConfig": {"ForceRotate": 5, "NodeCertExpiry": 7},
    }
    assert [text for _, text in hosts.said] == [
        "give the swarm a new authority, and each of its 3 nodes a certificate of that",
        "0 of 3 nodes have their new certificate",
        "1 of 3 nodes have their new certificate",
        "2 of 3 nodes have their new certificate",
        "3 of 3 nodes have their new certificate",
    ]


def test_a_new_authority_that_is_on_its_way_is_waited_for_and_no_other_one_begun(hosts):
    hosts.begin()
    engine = hosts.engine("a")
    engine.swarm.slow = 2
    engine.swarm.rotate()
    hosts.do(RenewAuthority("a", "why", 1))
    assert authorities(hosts)[0].startswith("authority2 ")
    assert "changing the swarm" not in engine.calls


def test_a_node_that_gets_no_certificate_is_named(hosts):
    hosts.begin()
    hosts.do(hosts.join("b"))
    hosts.engine("a").swarm.lose(hosts.member("b").node)
    assert error_of(lambda: hosts.do(RenewAuthority("a", "why", 2)), DeadlineExceeded) == (
        "a: not all nodes know the new authority within 120 s: no certificate of it on b\n"
        "  -> the swarm goes on by itself when they answer, and the same command waits for it again; "
        "`docker node rm` on a manager takes away what is gone for good"
    )


class Elects(FakeEngine):
    """Without a leader for a moment, behind each change of its swarm."""

    without = 0

    def change_cluster(self, version, spec, **more):
        super().change_cluster(version, spec, **more)
        self.without = 2

    def nodes(self):
        if self.without:
            self.without -= 1
            raise EngineError("listing the swarm's nodes: The swarm does not have a leader.", status=503)
        return super().nodes()


def test_managers_that_elect_a_leader_meanwhile_are_waited_for(tmp_path):
    hosts = Hosts(tmp_path, Elects)
    hosts.begin()
    hosts.do(RenewAuthority("a", "why", 1))
    assert authorities(hosts)[0].startswith("authority2 ")


class Contended(FakeEngine):
    """Somebody else changes the swarm between two looks at it."""

    others = 2

    def change_cluster(self, version, spec, **more):
        if self.others:
            self.others -= 1
            self.swarm.version += 1
            self.swarm.spec = {**self.swarm.spec, "Labels": {"changed": str(self.others)}}
        super().change_cluster(version, spec, **more)


def test_join_tokens_are_made_anew_and_nothing_else_changes(tmp_path):
    hosts = Hosts(tmp_path, Contended)
    hosts.begin()
    engine = hosts.engine("a")
    before = [engine.join_token(manager=which).reveal() for which in (True, False)]
    hosts.do(RenewJoinTokens("a", "why"))
    after = [engine.join_token(manager=which).reveal() for which in (True, False)]
    assert not {*before} & {*after}
    assert engine.swarm.spec["Labels"] == {"changed": "0"}, "what somebody else has changed stays"
    hosts.do(hosts.join("b"))
    assert "SWMTKN" not in f"{hosts.said}"


def test_managers_lock_themselves_and_start_without_a_key_again(hosts):
    hosts.begin()
    engine = hosts.engine("a")
    engine.swarm.spec["EncryptionConfig"] = {"Other": 1}
    hosts.do(ChangeAutolock("a", "why", True))
    assert look(engine).cluster.autolock
    assert engine.swarm.spec["EncryptionConfig"] == {"Other": 1, "AutoLockManagers": True}
    key = engine.unlock_key()
    hosts.do(RenewUnlockKey("a", "why"))
    assert engine.unlock_key() != key
    hosts.do(ChangeAutolock("a", "why", False))
    assert not look(engine).cluster.autolock
    assert engine.unlock_key().reveal() == ""


@pytest.fixture
def locked(hosts):
    """Managers a and b, the second one locked."""
    hosts.begin()
    hosts.do(hosts.join("b", manager=True), ChangeAutolock("a", "why", True))
    hosts.engine("b").lock()
    (hosts.hosts["b"].root / "enabled").touch()
    return hosts


def test_a_locked_manager_is_opened_with_the_key_of_another_one_and_its_boot_unit_goes_on(locked):
    assert (locked.member("b").state, locked.member("b").there) == ("locked", True)
    locked.do(UnlockSwarm("b", "why", "a"))
    assert locked.member("b").manager
    log = (locked.hosts["b"].root / "systemctl.log").read_text()
    assert log == "--no-block restart overweave-boot.service\n"
    assert "SWMKEY" not in f"{locked.said}"
    calls = locked.engine("a").calls.count("asking for the unlock key")
    locked.do(UnlockSwarm("b", "why", "a"))
    assert locked.engine("a").calls.count("asking for the unlock key") == calls, "it is open already"


def test_a_locked_manager_is_opened_with_a_key_that_was_kept(locked):
    (locked.hosts["b"].root / "enabled").unlink()
    key = locked.engine("a").unlock_key()
    step = UnlockSwarm("b", "why", key=key)
    assert key.reveal() not in repr(step)
    calls = len(locked.engine("a").calls)
    locked.do(step)
    assert locked.member("b").manager
    assert "asking for the unlock key" not in locked.engine("a").calls[calls:]
    assert not (locked.hosts["b"].root / "systemctl.log").exists(), "there is no boot unit"


def test_another_key_opens_nothing(locked):
    said = error_of(lambda: locked.do(UnlockSwarm("b", "why", key=Secret("SWMKEY-1-other"))), EngineError)
    assert said == (
        "b: unlocking the swarm: swarm could not be unlocked: invalid key provided\n"
        "  -> the key may have been renewed since: `fab swarm-unlock-key` gets that of an open manager"
    )
    assert locked.member("b").state == "locked"


class Alone(FakeEngine):
    """Opened, it finds no other manager."""

    opened = False

    def unlock_swarm(self, key):
        self.opened = True

    def _swarm_info(self):
        return {"LocalNodeState": "pending"} if self.opened else super()._swarm_info()


def test_an_engine_that_does_not_come_back_behind_that_is_told(tmp_path):
    hosts = Hosts(tmp_path, Alone)
    hosts.begin()
    hosts.engine("a").lock()
    step = UnlockSwarm("a", "why", key=Secret("SWMKEY-1-x"))
    assert error_of(lambda: hosts.do(step), DeadlineExceeded) == (
        "a: the engine is not back in its swarm: not within 30 s\n"
        "  -> see `journalctl -u docker` on the host: does TCP 2377 of another manager answer?"
    )


def test_a_swarm_that_refuses_a_change_says_why(hosts):
    hosts.begin()
    hosts.engine("a").swarm.spec = {}
    assert error_of(lambda: hosts.do(RenewJoinTokens("a", "why")), EngineError) == (
        "a: changing the swarm: a specification without what it had is taken for one that is to lose it\n"
        "  -> see `journalctl -u docker` on the host"
    )


def test_an_answer_about_the_swarm_that_makes_no_sense_is_told_as_one(tmp_path):
    class Odd(FakeEngine):
        def info(self):
            return super().info() | {"Swarm": {"RemoteManagers": 7}}

    engine = Odd("a", wire={})
    with pytest.raises(EngineError, match=r"^what the engine says of its swarm makes no sense: ") as caught:
        member(engine)
    assert caught.value.hint == "please report this with the output of `docker info`"
