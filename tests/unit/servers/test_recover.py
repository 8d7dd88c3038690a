"""A quorum that is lost for good: what forbids a recovery, and its steps."""

from __future__ import annotations

from tests.golden.site import lines
from tests.unit.servers.standings import SERVERS, site, standing

from overweave.preflight.finding import Severity
from overweave.servers.recover import findings, plan
from overweave.steps import RecoverQuorum
from overweave.stores import consul

LOST = {"leader": "", "dead": ("host2", "host3")}


def told(its, host="host1", severity=Severity.ERROR, **how):
    found = findings(its.fleet, its.facts(), standing(its, **how), host)
    return [str(f.refusal()) for f in found if f.severity is severity]


def test_one_goes_on_and_the_others_begin_anew():
    its = site()
    assert told(its, **LOST) == []
    made = plan(its.fleet, its.facts(), standing(its, **LOST), "host1")
    assert list(lines(made)) == [
        "-- old servers",
        *(
            f"{name}: stop its server, and remove its copy of the store [restarts consul] [destructive] "
            "(it must not lead by what it knows of the old quorum)"
            for name in ("host2", "host3")
        ),
        "-- recovery",
        "host1: start its server as the only one that votes (raft/peers.json) [restarts consul] "
        "[destructive] "
        "(of 3 servers too few are left to agree)",
        "host1: wait until the store has elected a leader (it is to lead alone)",
        "-- servers again",
        *(
            line
            for name in ("host2", "host3")
            for line in (
                f"{name}: start container consul (it begins as a new server)",
                f"{name}: wait until its server votes, and has all that the leader has "
                "(a server that does not vote is of no use)",
            )
        ),
        "-- gate of servers",
        "all: health gate of host2, host3: engine active, registered (their engines need their agents)",
    ]
    (recovery,) = (step for step in made.steps if isinstance(step, RecoverQuorum))
    assert (recovery.id, recovery.address) == ("id-host1", "10.0.0.11:8300")


def test_a_server_whose_container_is_gone_is_run_anew_and_one_whose_engine_is_down_left():
    its = site()
    del its.boxes["host2"].containers[consul.CONTAINER]
    its.boxes["host3"].running = False
    made = plan(its.fleet, its.facts(), standing(its, **LOST), "host1")
    assert [stage.title for stage in made.stages] == ["recovery", "servers again", "gate of servers"]
    assert [(s.host, type(s).__name__) for s in made.stages[1].steps] == [
        ("host2", "RunContainer"),
        ("host2", "AwaitAgent"),
    ]


def test_servers_whose_hosts_are_not_there_any_more_must_stay_away():
    its = site()
    their = {"servers": ("host1", "host5", "host6"), "leader": "", "dead": ("host5", "host6")}
    assert told(its, **their) == []
    assert told(its, severity=Severity.WARNING, **their)[0] == (
        "server host5 (10.0.0.15) is taken for gone for good: two of an old quorum that come back would lead "
        "beside this one, and part the fleet\n"
        "  -> never start it with its volume overweave-consul again"
    )
    made = plan(its.fleet, its.facts(), standing(its, **their), "host1")
    assert [stage.title for stage in made.stages] == ["recovery"]


def test_those_that_are_left_are_told_who_the_servers_are_now():
    its = site()
    del its.wanted["hosts"]["host3"]
    how = {"servers": SERVERS, "leader": "", "dead": ("host2", "host3")}
    made = plan(its.fleet, its.facts(), standing(its, **how), "host1")
    assert made.stages[-1].title == "lists of servers"
    told = {step.host: consul.servers_of(step.content) for step in made.stages[-1].steps}
    assert told == dict.fromkeys(("host1", "host4"), ("10.0.0.11", "10.0.0.12"))


def test_while_a_quorum_lives_it_is_refused():
    assert told(site(), dead=("host2",)) == [
        "the store has a leader, 10.0.0.11:8300: no quorum is lost\n"
        "  -> a server that is gone is replaced by `fab store-replace-server HOST --dead`"
    ]
    assert told(site(), leader="", dead=("host2",)) == [
        "enough servers are alive to agree: 3 servers, 2 alive, 2 needed: they elect a leader by themselves, "
        "within seconds\n"
        "  -> `fab store-status`; `docker logs consul` on a server says what keeps them from it"
    ]


def test_only_a_server_that_answers_can_go_on():
    assert told(site(), "host4", **LOST) == [
        "host4: no server of the store answers there: what is to be saved is in its data\n"
        "  -> name one that does: host1"
    ]
    assert told(site(), "host2", leader="", dead=SERVERS) == [
        "host2: no server of the store answers there: what is to be saved is in its data\n"
        "  -> start it: `docker start consul`; or `fab store-restore FILE`"
    ]


def test_the_one_that_has_most_goes_on():
    five = ("host1", "host2", "host3", "host4", "host5")
    how = {"servers": five, "leader": "", "dead": ("host3", "host4", "host5")}
    its = site(5)
    assert told(its, **how, behind=("host1",)) == [
        "host1: host2 has more: index 120, and 100 here: what only it has would be lost\n  -> --from host2"
    ]
    assert told(its, "host2", **how, behind=("host1",)) == []


def test_a_server_that_lives_and_was_not_named_is_no_secret():
    five = ("host1", "host6", "host3", "host4", "host5")
    how = {"servers": five, "leader": "", "dead": ("host3", "host4", "host5")}
    assert told(site(), **how)[0] == (
        "server host6 (10.0.0.16) is alive, and none of the hosts given: with another one that comes back it "
        "could lead beside this one\n  -> name its host, too"
    )


def test_a_store_of_one_server_has_no_quorum_to_lose():
    assert told(site(servers=1), servers=("host1",), leader="")[0].startswith(
        "these hosts have no store with several servers: "
    )
