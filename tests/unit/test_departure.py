"""How a host leaves: what forbids it, and what is done on it and on the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import inventory_of, lines
from tests.golden.test_plans import deployed
from tests.unit.doctor.overlay import NETWORK, Overlay, attachment, neighbour, vtep

from overweave import departure
from overweave.departure import Known
from overweave.facts.engine import Container
from overweave.facts.libnetwork import NODES
from overweave.facts.store import Member, Peer
from overweave.model import SPEC_LABEL
from overweave.steps import (
    DisconnectEndpoint,
    ForgetAgent,
    MendRows,
    Plan,
    PutKeys,
    RestartEngine,
    TellLeft,
)

GONE = vtep(3)
NODE = f"{GONE}:2376"
KNOWN = Known(
    (Member("host3", GONE, "failed", False, "id3", "1.8.7"),),
    (Peer("id1", f"{vtep(1)}:8300", True, True),),
    {NODE: NODE.encode()},
)


@pytest.fixture
def overlay():
    return Overlay()


def rest(overlay):
    return departure.only(overlay.live(), ("host1", "host2"))


def forgetting(overlay, known=KNOWN):
    overlay.forget("host3")
    live = departure.without(overlay.live(), GONE)
    left = departure.endpoints_at(live, GONE)
    return Plan(departure.forgetting(overlay.site.fleet, live, "host3", GONE, known, "host1", left))


def refused(overlay, name, *, disconnect=False):
    fleet, live, at = overlay.site.fleet, overlay.live(), vtep(int(name[-1]))
    return [str(e) for e in departure.refused(fleet, live, name, at, disconnect=disconnect)]


def test_a_dead_host_goes_from_the_store_from_the_books_and_from_the_rows(overlay):
    plan = forgetting(overlay)
    assert [stage.title for stage in plan.stages] == [
        "the store's agent",
        "registration",
        "news",
        "stale endpoints",
        "rows",
    ]
    agent, key, *rows = plan.steps
    assert agent == ForgetAgent("host1", departure.WHY, "host3")
    assert isinstance(key, PutKeys)
    assert [(w.key, w.old, w.new) for w in key.writes] == [(f"{NODES}{NODE}", NODE.encode(), None)]
    news = [step for step in rows if isinstance(step, TellLeft)]
    assert [(s.host, s.address) for s in news] == [("host1", vtep(1)), ("host2", vtep(2))]
    assert str(news[0]) == "tell the engine that 10.211.0.4 at 10.0.0.13 is gone"
    (left,) = news[0].gone
    assert (left.vtep, left.network, left.endpoint) == (GONE, NETWORK, "3" * 64)
    assert (left.address, left.mask, left.mac) == ("10.211.0.4", "255.255.0.0", "02:42:0a:d3:00:04")
    (endpoint,) = [step for step in rows if isinstance(step, DisconnectEndpoint)]
    assert (endpoint.name, endpoint.gone) == ("app-host3", GONE)
    mended = [step for step in rows if isinstance(step, MendRows)]
    assert [s.host for s in mended] == ["host1", "host2"]
    assert all(s.drop_neighbours == ("10.211.0.4",) for s in mended)
    assert all(s.drop_forwarding == (("02:42:0a:d3:00:04", GONE),) for s in mended)


def test_a_dead_server_leaves_raft_first_also_where_the_gossip_has_forgotten_it(overlay):
    server = replace(KNOWN, peers=(Peer("id3", f"{GONE}:8300", False, True),))
    assert forgetting(overlay, server).steps[0] == ForgetAgent("host1", departure.WHY, "host3", "id3")
    unheard = replace(server, members=())
    assert forgetting(Overlay(), unheard).steps[0] == ForgetAgent("host1", departure.WHY, GONE, "id3")


def test_where_nobody_knows_the_host_nothing_is_done(overlay):
    overlay.forget("host3")
    overlay.tree = {key: value for key, value in overlay.tree.items() if "3" * 64 not in key}
    for number in (1, 2):
        space = overlay.spaces[number]["1-aaaaaaaaaa"]
        overlay.change(
            number,
            neighbours=tuple(n for n in space.neighbours if n.address != "10.211.0.4"),
            forwarding=tuple(f for f in space.forwarding if f.vtep != GONE),
        )
    live = departure.without(overlay.live(), GONE)
    left = Known((replace(KNOWN.members[0], state="left"),), (), {})
    assert departure.forgetting(overlay.site.fleet, live, "host3", GONE, left, "host1", ()) == ()


def test_a_row_to_somebody_who_has_the_address_by_now_stays(overlay):
    overlay.change(1, neighbours=(neighbour(2), neighbour(3, mac="02:42:0a:d3:00:99")))
    (step,) = departure.rows_to(departure.only(overlay.live(), ("host1",)), GONE, "why")
    assert (step.drop_neighbours, step.drop_forwarding) == ((), (("02:42:0a:d3:00:04", GONE),))


def test_records_that_make_no_sense_are_not_told_of(overlay):
    live = overlay.live()
    endpoints = departure.endpoints_at(live, GONE)
    odd = [replace(endpoints[0], mac="02:42\nleave"), replace(endpoints[0], id="x")]
    assert departure._news(live, GONE, odd) == []


def test_an_engine_or_an_agent_that_answers_is_alive(overlay):
    live = rest(overlay)
    assert departure.alive(live, (), GONE), "the gossip of the others has it"
    assert not departure.alive(departure.without(live, GONE), KNOWN.members, GONE)
    agent = (replace(KNOWN.members[0], state="alive"),)
    assert departure.alive(departure.without(live, GONE), agent, GONE)


def test_users_containers_hold_a_host_until_somebody_lets_them_go(overlay):
    stopped = attachment(3, container="db", running=False, endpoint="", network="")
    overlay.attachments[3] = (attachment(3), stopped, attachment(3, container="bare", network="b" * 64))
    assert refused(overlay, "host3") == [
        "host3: containers are on the overlay here: app-host3 (overweave), db (overweave, stopped)\n"
        "  -> move or remove them, or add --disconnect to take them off it: they run on without it"
    ]
    assert refused(overlay, "host3", disconnect=True) == []


def test_ours_hold_nobody(overlay):
    live = overlay.live()
    engine = live.fleet.hosts["host3"].engine
    mine = Container("app-host3", "busybox", True, {SPEC_LABEL: "1"})
    host = replace(live.fleet.hosts["host3"], engine=replace(engine, containers=(mine,)))
    live = replace(live, fleet=replace(live.fleet, hosts={**live.fleet.hosts, "host3": host}))
    assert departure.users_on_overlays(live, "host3") == ()


def test_a_host_is_left_as_it_was_and_what_ran_runs_again(overlay):
    overlay.site.boxes["host2"].containers["web"] = ["nginx", True, {}]
    overlay.site.boxes["host2"].containers["app-host2"] = ["busybox:1.36", True, {}]
    plan = Plan(departure.leaving(overlay.site.fleet, overlay.live(), "host2"))
    told = list(lines(plan))
    assert told[:3] == [
        "-- containers off the overlay",
        "host2: disconnect container app-host2 from network overweave [destructive] (the host leaves)",
        "-- anchor and probes",
    ]
    (restart,) = [step for step in plan.steps if isinstance(step, RestartEngine)]
    assert (restart.same, restart.stops) == (True, ("app-host2", "web"))
    gate = next(step for step in plan.steps if step.host == "")
    assert (gate.hosts, gate.containers, gate.started) == (("host2",), {"host2": ("web",)}, True)
    assert "host2: remove image busybox:1.36 (it was brought along)" not in told, "app-host2 is made from it"


def test_without_a_leader_nothing_can_be_taken_out(overlay):
    overlay.site.leader = False
    assert refused(overlay, "host2") == [
        "host2: the store has no leader: what it knows of this host can't be taken out\n"
        "  -> `fab store-status` shows what is wrong with it"
    ]


def test_an_engine_that_is_down_can_not_let_go(overlay):
    overlay.site.boxes["host2"].running = False
    assert refused(overlay, "host2") == [
        "host2: its engine is down, and can't let go of the overlay: the engine does not answer\n"
        "  -> `systemctl start docker` there; if it is gone for good, power it off and add --dead"
    ]


def test_engines_that_were_not_named_are_told(overlay):
    overlay.forget("host3")
    assert refused(overlay, "host2", disconnect=True) == [
        "host2: other engines use this store: 10.0.0.13:2376\n"
        "  -> name all hosts of the overlay: what leads to this host would stay on theirs"
    ]


def test_a_server_that_is_replaced_at_another_address_goes_first(overlay):
    told = overlay.live()
    hosts = {
        name: replace(its, store_config='{"retry_join": ["10.0.0.11", "10.0.0.13"]}')
        for name, its in told.fleet.hosts.items()
        if name != "host3"
    }
    others = replace(told, fleet=replace(told.fleet, hosts=hosts))
    assert [str(e) for e in departure.of_moved_server(others, "host3", GONE)] == [
        "host3: the machine at 10.0.0.13 carried a server of the store, and the new one has another address\n"
        "  -> `fab remove-host 10.0.0.13 --dead -H host1,host2` lets another host take its place; then "
        "`fab add-host host3`"
    ]
    assert departure.of_moved_server(others, "host3", "10.0.0.14") == []


def in_etcd(servers):
    archives = {"archives": {"etcd:3.4.23": "etcd.tar", "busybox:1.36": "busybox.tar"}}
    store = {"kind": "etcd", "image": "etcd:3.4.23", "servers": servers}
    return Overlay(deployed(inventory_of(3, store=store, images=archives)))


def test_of_a_store_in_etcd_a_host_without_a_server_leaves_as_any_other():
    its = in_etcd(servers=1)
    assert refused(its, "host3", disconnect=True) == []
    known = Known(registered={NODE: NODE.encode()})
    titles = [
        stage.title
        for stage in departure.forgetting(
            its.site.fleet, departure.without(its.live(), GONE), "host3", GONE, known, "host1", ()
        )
    ]
    assert titles == ["registration", "rows"]
    others = departure.only(its.live(), ("host1", "host2"))
    assert departure.of_dead_server(its.site.fleet, others, "host3", GONE) == []
    assert not departure.settings(its.site.fleet, others, GONE)


def test_a_server_of_etcd_does_not_leave_alive_or_dead():
    its = in_etcd(servers=3)
    assert refused(its, "host2", disconnect=True) == [
        "host2: it carries one of 3 servers of the store: 2 would be left\n"
        "  -> `fab store-replace-server host2` lets another host carry it first"
    ]
    others = departure.only(its.live(), ("host1", "host3"))
    assert [str(e) for e in departure.of_dead_server(its.site.fleet, others, "host2", vtep(2))] == [
        "host2: the machine at 10.0.0.12 carried one of 3 servers of etcd, which the others go on to ask for"
        "\n  -> `fab store-replace-server 10.0.0.12 --dead -H host1,host3` lets another host carry it first"
    ]
    (alone,) = refused(in_etcd(servers=1), "host1", disconnect=True)
    assert alone.endswith("from all hosts\n  -> `fab destroy-overlay` takes it away from all")


def test_a_server_does_not_leave(overlay):
    assert refused(overlay, "host1") == [
        "host1: it carries the store, whose only server it is: without it the overlay is gone from all "
        "hosts\n  -> `fab destroy-overlay` takes it away from all; `store: {servers: 3}` and "
        "`fab deploy-overlay` give it more servers"
    ]
    fleet = overlay.site.fleet
    three = replace(fleet, hosts=tuple(replace(host, store=True) for host in fleet.hosts))
    assert str(departure.of_server(three, "host1")) == (
        "host1: it carries one of 3 servers of the store: 2 would be left\n"
        "  -> `fab store-remove-server host1` or `fab store-replace-server host1` makes it an agent first"
    )
