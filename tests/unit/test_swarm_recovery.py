"""What the runbook does that brings a lost swarm back, on hosts that only answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.sessions import Fleet

from overweave.command import Result
from overweave.errors import ConnectionProblem, EngineError, Refused, UsageError
from overweave.steps import RestartEngine, TakeOverSwarm
from overweave.swarm_recovery import make_recovery, wanted

SWARM = {"backend": "swarm", "store": {}}


class Stream:
    def close(self):
        pass


class Lost(Fleet):
    """A swarm whose managers find no leader. ``answering``: addresses at which TCP 2377 is open."""

    answering: tuple = ()

    def session(self, *names):
        made = super().session(*names)

        def stream(address, port):
            if (address, port) not in {(a, 2377) for a in self.answering}:
                raise ConnectionProblem(f"no connection to {address} port {port}")
            return Stream()

        def nodes():
            raise EngineError("listing the swarm's nodes: The swarm does not have a leader.", status=503)

        for host in made.hosts.values():
            host.stream = stream
            host.ask = self.asking(host.ask)
            if self.leaderless:
                host.engine.nodes = nodes
        return made

    leaderless, locks = True, False

    def asking(self, ask):
        def answer(*queries):
            if "ENCRYPTED" in queries[0].shell():
                return (Result(queries[0], 0 if self.locks else 1, "", ""),)
            return ask(*queries)

        return answer


@pytest.fixture
def fleet():
    return Lost(3, **SWARM).begin(managers=3)


def refused(kind, *given):
    with pytest.raises(kind) as caught:
        make_recovery(*given)
    return str(caught.value)


def test_one_that_is_left_takes_over_and_the_others_are_gone(fleet):
    planned = make_recovery(fleet.session("host1"), "host1")
    assert [type(step) for step in planned.plan.steps][:2] == [TakeOverSwarm, RestartEngine]
    assert planned.gone == ("10.0.0.12", "10.0.0.13")
    assert [finding.check for finding in planned.findings] == ["recover.gone", "recover.gone"]


def test_a_swarm_that_locks_its_managers_is_not_forced(fleet):
    fleet.locks = True
    assert "managers of this swarm lock themselves" in refused(Refused, fleet.session("host1"), "host1")


def test_managers_that_answer_and_are_not_named_count(fleet):
    fleet.answering = ("10.0.0.12",)
    assert refused(Refused, fleet.session("host1"), "host1").startswith(
        "enough managers are alive to agree: 2 of 3"
    )


def test_behind_a_run_that_was_broken_off_nothing_is_taken_over():
    fleet = Lost(3, **SWARM).begin()
    fleet.leaderless = False
    planned = make_recovery(fleet.session("host1", "host3"), "host1")
    assert (planned.plan.stages, planned.gone) == ((), ())


def test_a_host_that_is_not_there_and_a_swarm_that_is_none(fleet):
    assert refused(UsageError, fleet.session("host1"), "host9") == (
        "host9 is none of the hosts given\n  -> they are host1"
    )
    store = Fleet(1, backend="consul")
    assert refused(Refused, store.session(), "host1") == (
        "these hosts are in no swarm, and this works on nothing else\n"
        "  -> their overlay's store is one in Consul"
    )


@pytest.mark.parametrize(
    ("hosts", "swarm", "marked", "managers"),
    [(2, {}, (), 1), (3, {}, (), 3), (12, {}, (), 5), (3, {"managers": 1}, (), 1), (3, {}, ("host2",), 1)],
)
def test_as_many_managers_are_wanted_as_a_new_swarm_would_have(hosts, swarm, marked, managers):
    its = Fleet(hosts, **SWARM, swarm=swarm).session().fleet
    its = replace(its, hosts=tuple(replace(h, manager=h.name in marked) for h in its.hosts))
    assert wanted(its).swarm.managers == managers
