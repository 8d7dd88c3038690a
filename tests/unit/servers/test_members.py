"""One server of etcd more, one less, or on another host: the list, and the engines that are told it."""

from __future__ import annotations

import json

import pytest
from tests.golden.site import inventory_of, lines
from tests.golden.test_plans import deployed
from tests.unit.servers.standings import SERVERS, address

from overweave.facts.etcd import Member, Told
from overweave.preflight.finding import Severity
from overweave.servers import change, members
from overweave.servers.change import Change
from overweave.stores.etcd import CONFIG

ARCHIVES = {"archives": {"etcd:3.4.23": "etcd.tar", "busybox:1.36": "busybox.tar"}}
FLAGS = "change /etc/systemd/system/docker.service.d/90-overweave.conf (the cluster flags differ)"
LIST = f"change {CONFIG} (the store is to run with other settings)"
GATE = "engine active, registered, gossip of 4 whole, pairs proven (engines restart)"


def site(servers=3, hosts=4):
    store = {"kind": "etcd", "image": "etcd:3.4.23", "servers": servers}
    its = deployed(inventory_of(hosts, store=store, images=ARCHIVES))
    its.wanted["store"].pop("servers")
    return its


def standing(its, servers=SERVERS, *, dead=(), leader="host1", begun=None):
    """``begun``: those that have; a server on the list that has not has no name."""
    told = [
        (
            Member(f"id-{h}", h if h in (begun or servers) else "", f"{address(h)}:2380", address(h)),
            "no answer" if h in dead else Told(f"id-{h}", "Follower", "x", True, "3.4.23", 2, 7),
        )
        for h in servers
    ]
    return members.stand(its.facts(), f"{address(leader)}:2380" if leader else "", told)


def planned(its, wanted, **how):
    return members.plan(its.fleet, its.facts(), standing(its, **how), wanted)


def told(its, wanted, **how):
    its_standing = standing(its, **how)
    found = change.findings(its.fleet, its.facts(), its_standing, wanted)
    found += members.findings(its.fleet, its_standing, wanted)
    return [str(f.refusal()) for f in found if f.severity is Severity.ERROR]


def titles(made):
    return [stage.title for stage in made.stages]


def engines(*hosts):
    return [title for host in hosts for title in (f"engine of {host}", f"gate of {host}")]


def begins(made, host):
    """The lists that a new server begins with, and that it has when it is one of them."""
    texts = [json.loads(s.content) for s in made.steps if getattr(s, "path", "") == CONFIG and s.host == host]
    return [
        (its["initial-cluster-state"], [part.partition("=")[0] for part in its["initial-cluster"].split(",")])
        for its in texts
    ]


def test_the_new_one_is_on_the_list_before_it_starts_and_the_old_one_goes_when_no_engine_asks_for_it():
    made = planned(site(), Change(add=("host4",), remove=("host2",)))
    comes = ["files of server host4", "list with host4", "server host4", "gate of server host4"]
    goes = ["list without host2", "server host2", "lists of servers"]
    assert titles(made) == [*comes, *engines("host2", "host3", "host4", "host1"), *goes]
    told = list(lines(made))
    assert told[told.index("-- list with host4") : told.index("-- gate of server host4")] == [
        "-- list with host4",
        "host1: let the server on host4 at 10.0.0.14 join (the others have to know it before it starts)",
        "-- server host4",
        "host4: run container etcd from etcd:3.4.23 (the engines need a store)",
        "host4: wait until the store has elected a leader (the next change needs a server that has all)",
    ]
    assert told[told.index("-- engine of host3") : told.index("-- engine of host4")] == [
        "-- engine of host3",
        f"host3: {FLAGS}",
        "host3: restart the engine [restarts engine] (the running engine does not carry the flags)",
        "host3: wait until the store has elected a leader (etcd restarts with its engine)",
        "-- gate of host3",
        f"all: health gate of host3: {GATE}",
    ]
    why = "(it is to carry no server)"
    assert told[told.index("-- list without host2") :] == [
        "-- list without host2",
        f"host1: take the server host2 at 10.0.0.12:2380 out of the quorum {why}",
        "-- server host2",
        f"host2: remove container etcd [restarts etcd] [destructive] {why}",
        f"host2: remove volume overweave-etcd [destructive] {why}",
        "host2: remove /etc/overweave/authority.pem (this host has no server of the store)",
        "host2: remove /etc/overweave/trusted.pem (this host has no server of the store)",
        f"host2: remove {CONFIG} {why}",
        "-- lists of servers",
        f"host1: {LIST}",
        f"host3: {LIST}",
        f"host4: change {CONFIG} (it is one of them by now)",
    ]
    both = ["host1", "host2", "host3", "host4"]
    assert begins(made, "host4") == [("existing", both), ("new", ["host1", "host3", "host4"])]


def test_a_dead_one_goes_first_and_a_dead_leader_is_not_asked():
    made = planned(site(), Change(add=("host4",), remove=("host1",)), dead=("host1",), leader="host3")
    assert titles(made)[:3] == ["list without host1", "server host1", "files of server host4"]
    (off,) = (step for step in made.steps if str(step).startswith("take the server host1"))
    assert off.host == "host3"
    assert begins(made, "host4")[0] == ("existing", ["host2", "host3", "host4"])


def test_one_whose_host_is_gone_goes_and_engines_are_told():
    its = site()
    del its.wanted["hosts"]["host3"]
    there = standing(its, dead=("host3",))
    (gone,) = (server for server in there.servers if server.name == "host3")
    made = members.plan(its.fleet, its.facts(), there, Change(("host4",), gone=gone))
    assert titles(made)[:2] == ["list without host3", "files of server host4"]
    assert titles(made)[-1] == "lists of servers"
    assert told(its, Change(("host4",)), dead=("host3",))[0].startswith(
        "server host3 (10.0.0.13) is none of the hosts given, and not alive"
    )


def test_two_at_once_make_three_of_one_and_engines_restart_once():
    made = planned(site(1), Change(add=("host2", "host3")), servers=("host1",))
    lists = [title for title in titles(made) if title.startswith("list ")]
    assert lists == ["list with host2", "list with host3"]
    assert [t for t in titles(made) if t.startswith("engine of")] == [
        f"engine of {host}" for host in ("host4", "host2", "host3", "host1")
    ]
    assert begins(made, "host2")[0] == ("existing", ["host1", "host2"])
    assert begins(made, "host3")[0] == ("existing", ["host1", "host2", "host3"])


def test_one_that_has_lost_its_data_begins_anew_and_no_engine_restarts():
    its = site()
    its.boxes["host2"].containers.pop("etcd")
    its.boxes["host2"].volumes = []
    made = planned(its, Change(add=("host2",)), dead=("host2",))
    assert titles(made) == [
        "list without host2",
        "files of server host2",
        "list with host2",
        "server host2",
        "gate of server host2",
        "lists of servers",
    ]
    assert told(its, Change(add=("host2",)), dead=("host2",)) == []
    kept = planned(site(), Change(add=("host2",)), dead=("host2",))
    assert "list without host2" not in titles(kept), "one that has its data only has to run"


def test_a_run_that_was_broken_off_is_finished_by_the_next():
    """The others know it already, and it has not begun."""
    four = (*SERVERS, "host4")
    made = planned(site(), Change(add=("host4",)), servers=four, dead=("host4",), begun=SERVERS)
    assert "list without host4" not in titles(made)
    assert begins(made, "host4")[0] == ("existing", list(four))
    assert not planned(site(), Change(add=("host2",)))


@pytest.mark.parametrize(
    ("wanted", "how", "why"),
    [
        (
            Change(add=("host4",)),
            {"dead": ("host3",)},
            "server host3 is not alive: etcd takes no other one in meanwhile\n"
            "  -> `fab store-replace-server host3`",
        ),
        (
            Change(remove=("host2",)),
            {},
            "2 servers would be left: while the engine of one restarts the other has no quorum, and engines "
            "wait for that\n  -> `fab store-replace-server`, or `fab store-add-server` first",
        ),
        (
            Change(add=("host2",)),
            {"servers": ("host1",)},
            "2 servers would be left: while the engine of one restarts the other has no quorum, and engines "
            "wait for that\n  -> add two at once: `fab store-add-server HOST1,HOST2`",
        ),
        (
            Change(remove=("host1",)),
            {"servers": ("host1",)},
            "0 servers would be left: the store would be gone with all its networks\n"
            "  -> name another host to carry one: `fab store-replace-server HOST --by OTHER`",
        ),
    ],
    ids=["dead", "pair-left", "pair-made", "none"],
)
def test_what_forbids_it(wanted, how, why):
    assert told(site(len(how.get("servers", SERVERS))), wanted, **how) == [why]


def test_without_a_leader_nobody_can_change_the_list():
    (found,) = change.findings(
        site().fleet, site().facts(), standing(site(), leader=""), Change(add=("host4",))
    )
    assert str(found.refusal()).endswith(
        "\n  -> bring the servers back; if they are gone for good: see docs/etcd.md"
    )
