"""One server more, one less, or on another host: the steps in their order, and what forbids them."""

from __future__ import annotations

import json

import pytest
from tests.golden.site import lines
from tests.unit.servers.standings import SERVERS, site, standing

from overweave.preflight.finding import Severity
from overweave.servers.change import Change, by_whom, findings, inventory_needs, left, plan, servers_after
from overweave.servers.standing import counted, needed
from overweave.stores import consul


def planned(its, change, **how):
    return list(lines(plan(its.fleet, its.facts(), standing(its, **how), change)))


def told(its, change, **how):
    """What forbids it."""
    found = findings(its.fleet, its.facts(), standing(its, **how), change)
    return [str(f.refusal()) for f in found if f.severity is Severity.ERROR]


def warned(its, change, **how):
    found = findings(its.fleet, its.facts(), standing(its, **how), change)
    assert all(f.severity is Severity.WARNING for f in found)
    return [f.told for f in found]


def test_a_majority_is_needed():
    assert [needed(n) for n in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]
    its = standing(site(), dead=("host2",))
    assert counted(its.voters) == "3 servers, 2 alive, 2 needed"
    assert [server.told for server in its.dead] == ["host2"]
    assert its.leading == "host1"


def test_a_host_becomes_a_server_in_place_and_the_others_are_told_by_their_files_alone():
    config = "change /etc/overweave/consul.json (the store is to run with other settings)"
    assert planned(site(), Change(add=("host4",))) == [
        "-- server host4",
        f"host4: {config}",
        "host4: change /etc/overweave/consul-secrets.json, for root alone (it is not what the fleet has)",
        "host4: write /etc/overweave/operator.token, for root alone "
        "(the store lets in who shows what is in there)",
        "host4: write /etc/overweave/authority.pem, for root alone "
        "(the store lets in who shows what is in there)",
        "host4: change /etc/overweave/tls.pem, for root alone (its certificate is to be another)",
        "host4: replace container consul from consul:1.8.7 [restarts consul] (it was made from other "
        "settings)",
        "host4: wait until its server votes, and has all that the leader has "
        "(a server that does not vote is of no use)",
        "-- gate of host4",
        "all: health gate of host4: engine active, registered (its engine needs its agent)",
        "-- lists of servers",
        f"host1: {config}",
        f"host2: {config}",
        f"host3: {config}",
        "-- backups",
        "host4: install overweave-backup.timer (it backs the store up)",
    ]


def test_every_host_is_given_the_same_servers():
    its = site()
    made = plan(its.fleet, its.facts(), standing(its), Change(("host4",), ("host2",)))
    configs = {s.host: s.content for s in made.steps if getattr(s, "path", "") == consul.CONFIG}
    assert {consul.servers_of(text) for text in configs.values()} == {("10.0.0.11", "10.0.0.13", "10.0.0.14")}
    assert {h: consul.is_server(text) for h, text in configs.items()} == {
        "host1": True,
        "host2": False,
        "host3": True,
        "host4": True,
    }


def test_the_new_server_votes_before_the_old_one_leaves():
    its = site()
    made = plan(its.fleet, its.facts(), standing(its), Change(("host4",), ("host1",)))
    assert [stage.title for stage in made.stages] == [
        "server host4",
        "gate of host4",
        "lists of servers",
        "server host1",
        "gate of host1",
        "backups",
    ]
    leaves = made.stages[3].steps
    assert [type(step).__name__ for step in leaves] == [
        "WriteFile",
        "RemoveFile",
        "RemoveFile",
        "WriteSecret",
        "WriteSecret",
        "RetireServer",
        "RunContainer",
        "AwaitAgent",
    ]
    assert (leaves[5].id, leaves[5].others) == ("id-host1", ("host2", "host3"))
    assert [stage.guarded for stage in made.stages] == [True, False, False, True, False, False]


def test_a_server_that_gives_no_answer_leaves_before_the_new_one_comes():
    its = site()
    made = plan(its.fleet, its.facts(), standing(its, silent=("host2",)), Change(("host4",), ("host2",)))
    assert [stage.title for stage in made.stages][:3] == ["server host2", "gate of host2", "server host4"]


def test_a_server_whose_host_is_gone_is_taken_out_by_another():
    its = site()
    their = standing(its, (*SERVERS, "host5"), dead=("host5",))
    (gone,) = their.dead
    assert gone.told == "host5 (10.0.0.15)"
    made = plan(its.fleet, its.facts(), their, Change(("host4",), gone=gone))
    assert list(lines(made))[:2] == [
        "-- dead server",
        "host1: take the server host5 at 10.0.0.15:8300 out of the quorum (its host is gone)",
    ]
    assert servers_after(its.fleet, their, Change(gone=gone)) == SERVERS


def test_what_is_so_already_needs_nothing():
    assert planned(site(), Change(add=("host2",))) == []
    assert planned(site(), Change(remove=("host4",))) == []


def test_a_run_that_was_broken_off_is_gone_on_with():
    """host4 is a server by its files, and raft does not let it vote yet."""
    its = site()
    its.carry_out_part = None
    made = plan(its.fleet, its.facts(), standing(its), Change(add=("host4",)))
    box = its.boxes["host4"]
    written = {s.path: s.content for s in made.steps if s.host == "host4" and hasattr(s, "content")}
    box.store_config = written.pop(consul.CONFIG)
    box.secret_files |= written
    image = consul.container(its.fleet.store, box.store_config)
    box.containers[consul.CONTAINER] = [image.image, True, image.spec["Labels"]]
    their = standing(its, (*SERVERS, "host4"), nonvoters=("host4",))
    again = plan(its.fleet, its.facts(), their, Change(add=("host4",)))
    assert [type(step).__name__ for step in again.stages[0].steps] == ["AwaitAgent"]
    assert [stage.title for stage in again.stages] == [
        "server host4",
        "gate of host4",
        "lists of servers",
        "backups",
    ]


EVEN = (
    "no more of them may fail than of {}, and one more can (docker/libnetwork#651) "
    "-> mark an odd number of hosts with `store: true`"
)


def test_an_even_number_is_told():
    assert warned(site(), Change(add=("host4",))) == [
        f"warning: 4 servers are to carry the store: {EVEN.format(3)}"
    ]
    assert warned(site(), Change(remove=("host1",))) == [
        f"warning: 2 servers are to carry the store: {EVEN.format(1)}"
    ]
    assert warned(site(), Change(("host4",), ("host1",))) == []


def test_a_server_that_is_dead_is_told():
    assert warned(site(), Change(add=("host4",)), dead=("host2",))[0] == (
        "warning: server host2 is not alive: 3 servers, 2 alive, 2 needed -> `fab store-replace-server host2`"
    )


def test_what_would_break_the_quorum_is_refused_with_the_numbers():
    assert told(site(), Change(remove=("host1",)), dead=("host2",)) == [
        "2 servers would be left, 1 alive, 2 needed: the store would have no leader\n"
        "  -> bring the dead ones back, or replace them first: `fab store-replace-server HOST`"
    ]
    assert told(site(), Change(remove=("host2",)), dead=("host2",)) == []


def test_the_last_two_stay():
    its = site()
    assert told(its, Change(remove=("host1",)), servers=("host1", "host2")) == [
        "1 server would be left: a store with an agent on every host keeps two at least\n"
        "  -> name another host to carry one: `fab store-replace-server HOST --by OTHER`"
    ]


def test_without_a_leader_nothing_is_changed():
    assert told(site(), Change(add=("host4",)), leader="", dead=("host2", "host3")) == [
        "the store has no leader: 3 servers, 1 alive, 2 needed: without one nobody can change who votes\n"
        "  -> bring the servers back; if they are gone for good: `fab store-recover-quorum --from HOST`"
    ]


def test_a_store_of_one_server_is_another_thing():
    assert told(site(servers=1), Change(add=("host4",)), servers=("host1",)) == [
        "these hosts have no store with several servers: with one server, engines use its address, "
        "and restart "
        "to use another\n"
        "  -> set `store: servers: 3` in the inventory, and `fab deploy-overlay`"
    ]


@pytest.mark.parametrize(
    ("dead", "state", "fix"),
    [
        ((), "alive", "name its host, too"),
        (
            ("host5",),
            "not alive",
            "name its host, too; if that is gone: `fab store-remove-server HOST --dead`",
        ),
    ],
)
def test_servers_that_were_not_named_are_not_left_behind(dead, state, fix):
    assert told(site(), Change(add=("host4",)), servers=(*SERVERS, "host5"), dead=dead) == [
        f"server host5 (10.0.0.15) is none of the hosts given, and {state}: the others would not be "
        "told of it "
        f"any more\n  -> {fix}"
    ]


def test_a_host_must_be_able_to():
    its = site()
    its.boxes["host4"].running = False
    assert told(its, Change(add=("host4",))) == [
        "host4: its engine does not run\n"
        "  -> start it: `systemctl start docker`; if the host is gone, add --dead"
    ]
    its = site()
    its.boxes["host4"].arguments = ["/usr/sbin/dockerd"]
    assert told(its, Change(add=("host4",))) == [
        "host4: it is no part of the overlay yet\n  -> `fab deploy-overlay` first"
    ]


def test_a_container_of_somebody_else_is_in_the_way():
    its = site()
    its.boxes["host4"].containers[consul.CONTAINER] = ["other", True, {}]
    assert told(its, Change(add=("host4",))) == [
        "host4: a container named consul is there that Overweave did not make\n"
        "  -> rename it with `docker rename consul other`"
    ]


def test_what_differs_beside_it_is_left_to_a_deployment():
    its = site()
    its.boxes["host2"].containers[consul.CONTAINER][1] = False
    assert told(its, Change(add=("host4",))) == [
        "host2: its part of the store is not as the inventory has it: start container consul\n"
        "  -> `fab deploy-overlay` first"
    ]


def test_the_next_host_is_chosen_as_in_a_deployment():
    its = site(6)
    facts, their = its.facts(), standing(its)
    assert by_whom(its.fleet, facts, their, "") == "host4"
    for name, zone in (("host1", "a"), ("host2", "b"), ("host3", "c"), ("host4", "a"), ("host5", "c")):
        its.wanted["hosts"][name]["zone"] = zone
    assert by_whom(its.fleet, facts, their, "host2") == "host6"
    its.boxes["host6"].running = False
    assert by_whom(its.fleet, its.facts(), their, "host3") == "host5"
    assert by_whom(site(3).fleet, site(3).facts(), their, "host2") == ""


def test_a_replacement_that_was_broken_off_brings_no_second_host():
    its = site()
    assert left(standing(its), "host2", None) == 2
    assert left(standing(its, (*SERVERS, "host4")), "host2", None) == 3
    assert left(standing(its), "host4", None) == 3
    their = standing(its, (*SERVERS, "host5"), dead=("host5",))
    assert left(their, "", their.dead[0]) == 3


BEGIN = "write into the inventory, or the next deployment differs: "


@pytest.mark.parametrize(
    ("count", "marks", "servers", "needs"),
    [
        (None, (), ("host1", "host2", "host3", "host4"), ""),
        (3, (), ("host1", "host3", "host4"), ""),
        (3, (), ("host1", "host2", "host3", "host4"), ""),
        (3, (), ("host1", "host4"), "no `servers: 3` under `store:`"),
        (
            None,
            SERVERS,
            ("host1", "host3", "host4"),
            "`store: true` at host1, host3, host4, and at no other host",
        ),
        (
            3,
            SERVERS,
            ("host1", "host2"),
            "`store: true` at host1, host2, and at no other host; no `servers: 3` under `store:`",
        ),
        (None, ("host4", "host1"), ("host1", "host4"), ""),
    ],
)
def test_what_to_write_into_the_inventory(count, marks, servers, needs):
    its = site()
    its.wanted["store"] = {"image": "consul:1.8.7"} | ({"servers": count} if count else {})
    for name in marks:
        its.wanted["hosts"][name]["store"] = True
    fleet = _as_written(its)
    assert inventory_needs(fleet, servers) == (BEGIN + needs if needs else "")


def _as_written(its):
    """The fleet before the facts have settled it."""
    from tests.golden.site import _parsed

    return _parsed(json.dumps(its.wanted))
