"""How hosts of a swarm come and go, from the look at them to what is left: over fake engines."""

from __future__ import annotations

import pytest
from tests.contract.swarms import NO_SWARM
from tests.unit.sessions import NETWORK, Fleet

from overweave.errors import EngineError, OverweaveError, Refused
from overweave.facts.swarm import parse_member
from overweave.hosts import forget, leave, make_forget, make_leave
from overweave.model import Access, Host
from overweave.steps import ChangeRole, LeaveNetwork, LeaveSwarm, Plan, RemoveNode

SWARM = {"backend": "swarm", "store": {}}
APP = {
    "Names": ["/app"],
    "Image": "busybox:1.36",
    "State": "running",
    "NetworkSettings": {
        "Networks": {
            "overweave": {
                "NetworkID": NETWORK,
                "EndpointID": "e1",
                "IPAddress": "10.211.0.2",
                "MacAddress": "02:42:0a:d3:00:02",
            }
        }
    },
}


@pytest.fixture
def fleet():
    return Fleet(3, **SWARM).begin(managers=3)


def refused(call, *arguments, **named):
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)
    return str(caught.value)


def kinds(plan):
    return [(type(step), step.host) for step in plan.steps]


def test_a_host_that_leaves_is_known_by_the_address_that_it_joined_with(fleet):
    plan, address = make_leave(fleet.session(), "host3")
    assert kinds(plan) == [(ChangeRole, "host1"), (LeaveSwarm, "host3"), (RemoveNode, "host1")]
    assert address == "10.0.0.13"


def test_an_address_that_is_given_is_kept(fleet):
    """When it has left, nothing of it tells the address any more."""
    fleet.engines["host3"].leave_swarm()
    assert make_leave(fleet.session(), "host3", address="10.0.0.13")[1] == "10.0.0.13"
    assert make_leave(fleet.session(), "host3")[1] == ""


def test_the_only_host_does_not_leave():
    assert refused(make_leave, Fleet(1, **SWARM).begin().session(), "host1") == (
        "host1: it is the only host\n  -> `fab destroy-overlay` takes the overlay away from it"
    )


def test_containers_on_the_overlay_are_seen_and_let_go_only_when_that_is_asked_for(fleet):
    fleet.engines["host3"].there = [APP]
    assert refused(make_leave, fleet.session(), "host3") == (
        "host3: containers are on the overlay here: app (overweave)\n"
        "  -> move or remove them, or add --disconnect to take them off it: they run on without it"
    )
    plan, _ = make_leave(fleet.session(), "host3", disconnect=True)
    assert plan.steps[0] == LeaveNetwork("host3", "the host leaves", "app", NETWORK, "overweave")


def test_the_last_manager_among_the_hosts_that_are_named_does_not_leave(fleet):
    plan, _ = make_leave(fleet.session("host1", "host3"), "host3")
    assert kinds(plan)[-1] == (RemoveNode, "host1")
    alone = Fleet(2, **SWARM).begin()
    assert refused(make_leave, alone.session(), "host1").startswith(
        "host1: no other manager of its swarm is among these hosts: "
    )


def told():
    """What a plan is shown to, and all plans that it was shown."""
    shown = []
    return shown, shown.append


@pytest.mark.parametrize("name", ["host1", "host3"])
def test_a_host_leaves_and_is_on_no_list_any_more(fleet, name):
    for engine in fleet.engines.values():
        del engine.overlays["overweave"]
    shown, before = told()
    change = leave(fleet.session(), name, before)
    assert shown == [change.plan]
    assert change.done.steps == list(change.plan.steps)
    assert (change.address, change.matrix) == (f"10.0.0.1{name[-1]}", None)
    assert not parse_member(fleet.engines[name].info()).there
    others = [n for n in ("host1", "host2", "host3") if n != name]
    assert [n["Description"]["Hostname"] for n in fleet.engines["host2"].nodes()] == others


def test_what_is_refused_before_a_host_leaves_changes_nothing(fleet):
    def no(plan):
        raise Refused("no")

    with pytest.raises(Refused, match=r"^no$"):
        leave(fleet.session(), "host3", no)
    assert fleet.listed == ["host1", "host2", "host3"]


ALIVE = (
    "host3: it is not gone: its node at 10.0.0.13 answers the swarm's managers\n"
    "  -> `fab remove-host host3` takes a host out that answers; else power it off"
)


def gone(fleet):
    """A session of the hosts that are left."""
    fleet.lose("host3")
    return fleet.session("host1", "host2")


@pytest.mark.parametrize(
    ("name", "host", "given"),
    [
        ("host3", True, ""),
        ("host3", False, ""),
        ("10.0.0.13", False, ""),
        ("web3", False, "10.0.0.13"),
        ("host3", True, "10.0.0.13"),
    ],
)
def test_a_dead_host_is_known_by_its_address_or_its_name(fleet, name, host, given):
    session = gone(fleet)
    plan, address = make_forget(session, name, fleet.host("host3") if host else None, given=given)
    assert kinds(plan) == [(ChangeRole, "host1"), (RemoveNode, "host1")]
    assert address == "10.0.0.13"


@pytest.mark.parametrize("reached", ["host3.example", "192.168.56.13", "127.0.0.1"])
def test_a_host_that_is_reached_elsewhere_than_it_advertises_is_known_by_its_name(fleet, reached):
    plan, address = make_forget(gone(fleet), "host3", Host("host3", Access(reached)))
    assert (len(plan.steps), address) == (2, "10.0.0.13")


def test_a_dead_host_goes_off_the_list(fleet):
    for engine in fleet.engines.values():
        del engine.overlays["overweave"]
    shown, before = told()
    change = forget(gone(fleet), "host3", fleet.host("host3"), before)
    assert shown == [change.plan]
    assert fleet.listed == ["host1", "host2"]
    assert (change.address, len(change.done.steps)) == ("10.0.0.13", 2)
    session = fleet.session("host1", "host2")
    assert make_forget(session, "host3", fleet.host("host3")) == (Plan(), "")


def test_a_host_that_answers_is_not_forgotten(fleet):
    assert refused(make_forget, fleet.session("host1", "host2"), "host3", fleet.host("host3")) == ALIVE


def test_a_host_that_has_just_lost_its_power_is_waited_for_till_the_managers_miss_it(fleet):
    manager, asked = fleet.engines["host1"], []
    nodes = manager.nodes

    def late():
        asked.append(1)
        if len(asked) == 4:
            fleet.lose("host3")
        return nodes()

    manager.nodes = late
    plan, _ = make_forget(fleet.session("host1", "host2"), "host3", fleet.host("host3"))
    assert kinds(plan) == [(ChangeRole, "host1"), (RemoveNode, "host1")]
    assert ("", "host3 is still ready to the swarm's managers: wait until they miss it") in fleet.said


def test_the_old_machine_of_a_name_is_forgotten_beside_the_new_one(fleet):
    """`replace-host`: the new machine is asked, too, and is in no swarm."""
    fleet.engines["host3"].leave_swarm()
    plan, address = make_forget(fleet.session(), "host3", fleet.host("host3"))
    assert kinds(plan) == [(ChangeRole, "host1"), (RemoveNode, "host1")]
    assert address == "10.0.0.13"


def test_without_a_manager_that_answers_nobody_is_forgotten():
    fleet = Fleet(3, **SWARM).begin()

    def nodes():
        raise EngineError(f"listing the swarm's nodes: {NO_SWARM}", status=503)

    fleet.engines["host1"].nodes = nodes
    assert refused(make_forget, gone(fleet), "host3", fleet.host("host3")) == (
        "host3: the swarm has no leader: no host can be taken out of it\n"
        "  -> `fab doctor` tells of the managers"
    )


def test_what_stays_whatever_is_done_is_told(fleet):
    for engine in fleet.engines.values():
        del engine.overlays["overweave"]
    fleet.engines["host1"].remove_node = lambda node: None
    session = gone(fleet)
    node = fleet.engines["host3"].node
    with pytest.raises(OverweaveError) as caught:
        forget(session, "host3", fleet.host("host3"), lambda plan: None)
    assert str(caught.value) == (
        "after the changes something of the host is still there:\n"
        f"    host1: remove the node host3 ({node}) from the swarm (it is gone for good)\n"
        "  -> run the same command again; `fab doctor` shows what else is wrong"
    )
