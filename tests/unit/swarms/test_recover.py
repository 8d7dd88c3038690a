"""A swarm that has lost most of its managers for good: what forbids a recovery, and its steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of, lines
from tests.golden.test_plans import deployed

from overweave.facts.absent import Absent
from overweave.facts.swarm import Member, SwarmFacts
from overweave.preflight.finding import Severity
from overweave.swarms import recover

ALL = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
GONE = ("10.0.0.12", "10.0.0.13")


class Left:
    """What is left of a swarm of three managers, host1 to host3, and of worker host4: hosts 1 and 4."""

    def __init__(self, managers=ALL, **member):
        self.site = deployed(inventory_of(4, backend="swarm", store={}, swarm={"managers": 3}))
        self.nodes = self.site.facts().swarm.nodes
        self.site.wanted = self.site.wanted | {
            "hosts": {n: its for n, its in self.site.wanted["hosts"].items() if n in ("host1", "host4")},
            "swarm": {},
        }
        self.remotes = tuple(f"{address}:2377" for address in managers)
        self.member = {"manager": True, "error": "The swarm does not have a leader."} | member
        self.swarm, self.down = None, ()

    @property
    def fleet(self):
        return self.site.fleet

    @property
    def facts(self):
        facts = self.site.facts()
        hosts = {}
        for name, its in facts.hosts.items():
            more = self.member if name == "host1" else {}
            member = replace(its.engine.member, remotes=self.remotes, **more)
            hosts[name] = replace(
                its, engine=replace(its.engine, member=member, running=name not in self.down)
            )
        return replace(facts, hosts=hosts, swarm=self.swarm)

    def told(self, host="host1", answering=(), severity=Severity.ERROR, locks=False):
        found = recover.findings(self.fleet, self.facts, host, answering, locks=locks)
        return [str(f.refusal()) for f in found if f.severity is severity]


def test_one_manager_goes_on_alone_and_its_engine_restarts():
    left = Left()
    left.site.boxes["host1"].containers["web"] = ["nginx", True, {}]
    assert left.told() == []
    assert left.told(severity=Severity.WARNING) == [
        f"the manager at {address} is taken for gone for good: if it comes back, it belongs to the swarm of "
        "before, and its containers to nobody\n"
        "  -> `docker swarm leave --force` on it, then `fab add-host`"
        for address in GONE
    ]
    assert recover.elsewhere(left.fleet, left.facts) == [*GONE]
    assert list(lines(recover.plan(left.fleet, left.facts, "host1"))) == [
        "-- recovery",
        "host1: make its engine the only manager of the swarm (--force-new-cluster) [destructive] "
        "(its managers are too few to agree)",
        "-- engine",
        "host1: restart the engine, and with it web [restarts engine, web] "
        "(it tells the others of no container that ran before)",
        "-- gate",
        "all: health gate of host1: engine active, containers back (its engine restarts)",
    ]


def test_an_engine_that_came_up_without_a_leader_runs_nothing_that_others_could_miss():
    """It does not call itself active, nor, before 20.10, a manager."""
    left = Left(state="pending", manager=False)
    assert left.told() == []
    assert [stage.title for stage in recover.plan(left.fleet, left.facts, "host1").stages] == ["recovery"]


@pytest.mark.parametrize(
    ("managers", "answering", "alive"),
    [
        (ALL, ("10.0.0.12",), "2 of 3"),
        (ALL, GONE, "3 of 3"),
        (("10.0.0.11",), (), "1 of 1"),
        ((*ALL, "10.0.0.15", "10.0.0.16"), ("10.0.0.12", "10.0.0.15"), "3 of 5"),
    ],
)
def test_as_long_as_enough_are_alive_nothing_is_forced(managers, answering, alive):
    assert Left(managers).told(answering=answering) == [
        f"enough managers are alive to agree: {alive}: they elect a leader by themselves, within seconds\n"
        "  -> `fab doctor`; `journalctl -u docker` on a manager says what keeps them from it"
    ]


def test_a_manager_that_answers_and_is_not_named_forbids_it():
    assert Left((*ALL, "10.0.0.15")).told(answering=("10.0.0.15",)) == [
        "a manager at 10.0.0.15 answers, and is none of the hosts given: it would keep to the swarm of "
        "before, beside this one\n"
        "  -> name its host, too"
    ]


def test_a_leader_forbids_it_unless_most_managers_are_known_to_be_gone():
    left = Left()
    left.swarm = SwarmFacts(left.nodes)
    assert left.told() == [
        "the swarm has a leader, host1: no quorum is lost\n"
        "  -> a manager that is gone is taken off by `fab remove-host HOST --dead`"
    ]
    # A leader takes some seconds to see that it can't lead (measured).
    lost = {id_: replace(n, manager="unreachable" if n.manager and not n.leader else n.manager)
            for id_, n in left.nodes.items()}  # fmt: skip
    left.swarm = SwarmFacts(lost)
    assert left.told() == []


def test_another_host_than_a_managers_can_not_save_it():
    left = Left()
    assert left.told("host4") == [
        "host4: no manager of a swarm runs there: what is to be saved is in its state\n"
        "  -> name one: --from host1"
    ]
    left.member["manager"], left.remotes = False, ()
    assert left.told() == [
        "host1: no manager of a swarm runs there: what is to be saved is in its state\n"
        "  -> `systemctl start docker` on one"
    ]


def test_a_swarm_that_locks_its_managers_is_not_forced():
    assert Left().told(locks=True) == [
        "host1: managers of this swarm lock themselves: no engine can make one the only one then: it starts "
        "without the key, and has left its swarm with that (measured on 20.10.5)\n"
        "  -> bring managers back that were lost; else leave the swarm on all hosts, and `fab deploy-overlay`"
    ]


def test_an_engine_that_is_down_may_be_all_that_is_missing():
    left = Left()
    left.down = ("host4",)
    assert left.told() == [
        "host4: its engine is down: it may be a manager that the others wait for\n"
        "  -> start it: `systemctl start docker`; or leave the host out if it is gone for good"
    ]


def test_nodes_that_are_gone_are_taken_off_and_no_others():
    left = Left()
    old = {
        id_: replace(n, manager="", role="worker", state="unknown", leader=False)
        for id_, n in left.nodes.items()
        if n.name != "host1"
    }
    left.swarm = SwarmFacts({"n1": left.nodes["n1"], **old})
    assert list(lines(recover.forgetting(left.fleet, left.facts, GONE))) == [
        "-- nodes that are gone",
        "host1: remove the node host2 (n2) from the swarm [destructive] (it is gone for good)",
        "host1: remove the node host3 (n3) from the swarm [destructive] (it is gone for good)",
    ]
    assert not recover.forgetting(left.fleet, left.facts, ())
    back = {id_: replace(n, state="ready") for id_, n in left.swarm.nodes.items()}
    left.swarm = SwarmFacts(back)
    assert not recover.forgetting(left.fleet, left.facts, GONE), "who answers stays"


def test_a_swarm_whose_only_manager_leads_is_behind_a_recovery():
    left = Left()
    assert not recover.alone(left.fleet, left.facts, "host1")
    left.swarm = SwarmFacts(left.nodes)
    assert not recover.alone(left.fleet, left.facts, "host1"), "there are three"
    left.swarm = SwarmFacts({"n1": left.nodes["n1"], "n4": left.nodes["n4"]})
    assert recover.alone(left.fleet, left.facts, "host1")
    assert not recover.alone(left.fleet, left.facts, "host4")


def test_hosts_without_an_engine_are_no_survivors():
    site = Site(inventory_of(1, backend="swarm", store={}))
    facts = site.facts()
    its = replace(facts.hosts["host1"], engine=Absent("Docker is not installed"))
    assert recover.survivors(site.fleet, replace(facts, hosts={"host1": its})) == {}
    assert Member().remotes == ()
