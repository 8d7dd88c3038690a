"""How a host leaves a swarm: what forbids it, and what is done on it and by the managers that stay."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import lines
from tests.unit.doctor.overlay import attachment
from tests.unit.doctor.swarmed import NETWORK, SwarmOverlay, joined

from overweave.departure_swarm import TASK, answers, forgetting, leaving
from overweave.errors import Refused
from overweave.facts.absent import Absent
from overweave.facts.record import Before
from overweave.facts.swarm import Node, SwarmFacts
from overweave.model import SPEC_LABEL
from overweave.steps import ChangeRole, LeaveNetwork, LeaveSwarm, Plan, RemoveNode


@pytest.fixture
def overlay():
    return SwarmOverlay()


def left(overlay, name, *, disconnect=False):
    return leaving(overlay.site.fleet, overlay.live(), name, disconnect=disconnect)


def forgotten(overlay, name="host3", address=""):
    """As the hosts that are left see it."""
    overlay.forget("host3")
    return forgetting(overlay.site.fleet, overlay.live(), name, address)


def refused(call, *arguments, **named):
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)
    return str(caught.value)


def empty(overlay, *names):
    """Hosts with no app on the overlay."""
    for name in names:
        overlay.attachments[int(name[-1])] = ()
    return overlay


def off(overlay, name):
    """A host that is gone: its engine answers nobody."""
    overlay.site.boxes[name].running = False
    overlay.attachments[int(name[-1])] = None
    return overlay


def change(overlay, name, **changes):
    """Facts of the swarm's hosts, with other ones of one host."""
    live = overlay.live()
    its = replace(live.fleet.hosts[name], **changes)
    return replace(live, fleet=replace(live.fleet, hosts={**live.fleet.hosts, name: its}))


def test_a_worker_leaves_and_is_as_it_was():
    overlay = empty(SwarmOverlay(managers=1), "host3")
    assert list(lines(left(overlay, "host3"))) == [
        "-- anchor, probes and boot unit",
        "host3: remove overweave-boot.service (it was made by the deployment)",
        "host3: remove container overweave-anchor-overweave-host3 [restarts "
        "overweave-anchor-overweave-host3] [destructive] (the host leaves)",
        "-- the swarm",
        "host3: leave the swarm [destructive] (the host leaves)",
        "-- its node",
        "host1: remove the node host3 (n3) from the swarm [destructive] (the host leaves)",
        "-- what the engine made",
        "host3: remove network docker_gwbridge [destructive] (the swarm's engine made it)",
        "-- what was brought along",
        "host3: remove image busybox:1.36 (it was brought along)",
        "host3: remove /var/lib/overweave/before.json and its folder (the host is as it was)",
    ]


def test_a_manager_is_a_worker_before_it_goes(overlay):
    told = list(lines(left(empty(overlay, "host1"), "host1")))
    at = told.index("-- fewer managers")
    assert told[at : at + 6] == [
        "-- fewer managers",
        "host2: make host1 a worker of the swarm (the host leaves)",
        "-- the swarm",
        "host1: leave the swarm [destructive] (the host leaves)",
        "-- its node",
        "host2: remove the node host1 (n1) from the swarm [destructive] (the host leaves)",
    ]


@pytest.mark.parametrize(("managers", "name"), [(1, "host2"), (1, "host3"), (3, "host1"), (3, "host3")])
def test_a_host_that_has_left_has_nothing_left_to_do_and_the_swarm_stays_whole(managers, name):
    overlay = empty(SwarmOverlay(managers), name)
    site = overlay.site
    site.carry_out(left(overlay, name))
    assert not left(overlay, name)
    box = site.boxes[name]
    assert (box.member, box.containers, box.boot_files, box.before) == ({}, {}, {}, None)
    assert sorted(box.networks) == ["bridge", "host", "none"]
    assert name not in {node["name"] for node in site.nodes.values()}
    assert site.has_quorum


def test_a_run_that_was_broken_off_between_leaving_and_the_list_is_finished_by_the_next():
    overlay = empty(SwarmOverlay(managers=1), "host3")
    site = overlay.site
    plan = left(overlay, "host3")
    site.carry_out(Plan(tuple(stage for stage in plan.stages if stage.title != "its node")))
    assert list(lines(left(overlay, "host3"))) == [
        "-- its node",
        "host1: remove the node host3 (n3) from the swarm [destructive] (the host leaves)",
    ]


def test_users_containers_hold_a_host_until_somebody_lets_them_go(overlay):
    stopped = attachment(3, container="db", running=False, endpoint="", network=NETWORK)
    overlay.attachments[3] = (joined(3), stopped, attachment(3, container="bare", network="b" * 64))
    assert refused(left, overlay, "host3") == (
        "host3: containers are on the overlay here: app-host3 (overweave), db (overweave)\n"
        "  -> move or remove them, or add --disconnect to take them off it: they run on without it"
    )
    first = left(overlay, "host3", disconnect=True).stages[0]
    assert first.title == "containers off the overlay"
    assert first.steps == (
        LeaveNetwork("host3", "the host leaves", "app-host3", NETWORK, "overweave"),
        LeaveNetwork("host3", "the host leaves", "db", NETWORK, "overweave"),
    )


def test_of_two_nodes_at_one_address_the_one_that_is_gone_is_taken():
    """As where a machine was made anew."""
    new = Node("n9", "host3", "worker", "active", "ready", "10.0.0.13")
    old = replace(new, id="n3", state="down")
    for name, address in (("host3", ""), ("web", "10.0.0.13")):
        assert not answers(SwarmFacts({"n9": new, "n3": old}), name, address)
        assert answers(SwarmFacts({"n9": new}), name, address)
    assert not answers(SwarmFacts({"n9": new}), "host4", "")
    assert not answers(None, "host3", "")


def test_ours_hold_nobody(overlay):
    overlay.site.boxes["host3"].containers["app-host3"] = ["busybox:1.36", True, {SPEC_LABEL: "1"}]
    assert not any(isinstance(step, LeaveNetwork) for step in left(overlay, "host3").steps)


def test_services_hold_a_host_and_no_option_lets_them_go(overlay):
    box = overlay.site.boxes["host3"]
    box.hostname = "web3.example"
    for n in range(1, 6):
        box.containers[f"web.{n}.x"] = ["nginx", True, {TASK: f"t{n}"}]
    for disconnect in (False, True):
        assert refused(left, overlay, "host3", disconnect=disconnect) == (
            "host3: services run here: web.1.x, web.2.x, web.3.x and 2 more\n"
            "  -> `docker node update --availability drain web3.example` on a manager moves them"
        )


def test_what_services_have_left_behind_holds_nobody(overlay):
    """A drained node keeps the containers of its last tasks, stopped."""
    overlay.site.boxes["host3"].containers["web.1.x"] = ["nginx", False, {TASK: "t1"}]
    overlay.attachments[3] = (joined(3, container="web.1.x", running=False, endpoint=""),)
    assert not any(isinstance(step, LeaveNetwork) for step in left(overlay, "host3").steps)


@pytest.mark.parametrize("name", ["host1", "host3"])
def test_an_engine_that_is_down_can_not_let_go(overlay, name):
    assert refused(left, off(overlay, name), name) == (
        f"{name}: its engine is down, and can't let go of the overlay: the engine does not answer\n"
        "  -> `systemctl start docker` there; if it is gone for good, power it off and add --dead"
    )


def test_a_host_without_docker_can_not_let_go(overlay):
    overlay.site.boxes["host3"].installed = overlay.site.boxes["host3"].running = False
    assert refused(left, overlay, "host3") == (
        "host3: its engine is down, and can't let go of the overlay: Docker is not installed: there is no "
        "dockerd\n  -> `systemctl start docker` there; if it is gone for good, power it off and add --dead"
    )


NO_OTHER = (
    "no other manager of its swarm is among these hosts: without it the overlay is gone from all\n"
    "  -> `fab destroy-overlay` takes it away from all; `swarm: managers: 3` makes more managers"
)


def test_the_only_manager_does_not_leave():
    overlay = empty(SwarmOverlay(managers=1), "host1")
    assert refused(left, overlay, "host1") == f"host1: {NO_OTHER}"


def test_a_worker_does_not_leave_where_no_manager_is_named():
    overlay = empty(SwarmOverlay(managers=1), "host3")
    hosts = {name: its for name, its in overlay.site.wanted["hosts"].items() if name != "host1"}
    overlay.site.wanted = overlay.site.wanted | {"hosts": hosts}
    assert refused(left, overlay, "host3") == f"host3: {NO_OTHER}"


def test_a_manager_that_the_others_do_not_reach_takes_nobody_out():
    overlay = empty(SwarmOverlay(managers=1), "host3")
    overlay.nodes[1] = {"manager": "unreachable"}
    assert refused(left, overlay, "host3") == f"host3: {NO_OTHER}"


def test_another_manager_does_it_where_the_first_is_down(overlay):
    off(empty(overlay, "host3"), "host1")
    managers = {
        step.host for step in left(overlay, "host3").steps if isinstance(step, ChangeRole | RemoveNode)
    }
    assert managers == {"host2"}


def test_a_host_that_never_joined_leaves_what_was_begun_on_it():
    """Its deployment was broken off behind the notes: nobody has to let it go."""
    overlay = empty(SwarmOverlay(managers=1), "host3")
    box = overlay.site.boxes["host3"]
    box.containers.clear()
    overlay.site._leave(box)
    overlay.site.nodes.pop("n3")
    off(overlay, "host1")
    assert [stage.title for stage in left(overlay, "host3").stages] == [
        "anchor, probes and boot unit",
        "what the engine made",
        "what was brought along",
    ]


def test_a_host_that_is_in_no_swarm_any_more_has_nobody_on_its_networks():
    overlay = SwarmOverlay(managers=1)
    box = overlay.site.boxes["host3"]
    box.containers.clear()
    overlay.site._leave(box)
    assert overlay.attachments[3][0].running, "as its engine still lists it"
    assert not any(isinstance(step, LeaveNetwork) for step in left(overlay, "host3").steps)


def test_what_was_there_before_stays(overlay):
    before = Before(frozenset({"bridge", "docker_gwbridge"}), frozenset({"busybox:1.36"}), False, False)
    overlay.site.boxes["host3"].before = before
    told = list(lines(left(empty(overlay, "host3"), "host3")))
    assert not any("docker_gwbridge" in line or "busybox" in line for line in told)


def test_a_host_that_no_deployment_noted_keeps_images_and_bridges(overlay):
    overlay.site.boxes["host3"].before = None
    titles = [stage.title for stage in left(empty(overlay, "host3"), "host3").stages]
    assert titles == ["anchor, probes and boot unit", "fewer managers", "the swarm", "its node"]


def test_an_engine_that_is_locked_out_leaves_by_itself(overlay):
    """It tells no node: the others' list keeps it, and the doctor tells."""
    overlay.site.boxes["host3"].member = {"state": "locked"}
    steps = left(empty(overlay, "host3"), "host3").steps
    assert [step.host for step in steps if isinstance(step, LeaveSwarm)] == ["host3"]
    assert not any(isinstance(step, RemoveNode) for step in steps)


@pytest.mark.parametrize("by", ["host3", "10.0.0.13"])
def test_a_dead_worker_goes_off_the_list_by_its_name_or_its_address(by):
    plan, address = forgotten(off(SwarmOverlay(managers=1), "host3"), by)
    assert list(lines(plan)) == [
        "-- its node",
        f"host1: remove the node {by} (n3) from the swarm [destructive] (it is gone for good)",
    ]
    assert address == "10.0.0.13"


def test_a_dead_manager_is_a_worker_first(overlay):
    plan, address = forgotten(off(overlay, "host3"), "host3", "10.0.0.13")
    assert plan.steps == (
        ChangeRole("host1", "the host leaves", "n3", "host3", False),
        RemoveNode("host1", "it is gone for good", "n3", "host3"),
    )
    assert address == "10.0.0.13"


def test_a_dead_host_is_forgotten_once(overlay):
    plan, address = forgotten(off(overlay, "host3"))
    overlay.site.carry_out(plan)
    assert forgotten(overlay, address=address) == (Plan(), "10.0.0.13")
    assert forgotten(overlay) == (Plan(), "")


def test_a_name_that_no_node_has_is_nobody(overlay):
    assert forgotten(overlay, "elsewhere") == (Plan(), "")
    assert forgotten(overlay, "elsewhere", "10.9.9.9") == (Plan(), "10.9.9.9")


def test_a_host_that_answers_is_not_gone(overlay):
    assert refused(forgotten, overlay) == (
        "host3: it is not gone: its node at 10.0.0.13 answers the swarm's managers\n"
        "  -> `fab remove-host host3` takes a host out that answers; else power it off"
    )


def test_of_two_nodes_of_one_name_the_one_that_is_gone_is_meant(overlay):
    overlay.site.nodes |= {
        "old": {"name": "host3", "role": "worker", "address": "10.0.0.77", "gone": 1},
    }
    plan, address = forgotten(overlay)
    assert (plan.steps, address) == (
        (RemoveNode("host1", "it is gone for good", "old", "host3"),),
        "10.0.0.77",
    )


@pytest.mark.parametrize("leader", [None, False])
def test_without_a_leader_nobody_is_forgotten(overlay, leader):
    if leader is None:
        off(off(overlay, "host1"), "host2")
    overlay.nodes |= {n: {"leader": False} for n in (1, 2)}
    assert refused(forgotten, off(overlay, "host3")) == (
        "host3: the swarm has no leader: no host can be taken out of it\n"
        "  -> `fab doctor` tells of the managers"
    )


def test_a_manager_that_others_do_not_reach_forgets_nobody(overlay):
    overlay.nodes |= {n: {"manager": "unknown"} for n in (1, 2)}
    assert refused(forgotten, off(overlay, "host3")) == (
        "host3: the swarm has no leader: no host can be taken out of it\n"
        "  -> name a host that is a manager, too"
    )


def test_a_machine_that_has_the_name_now_does_not_forget_itself(overlay):
    """`replace-host` looks at the new machine, too: it may be in the swarm already."""
    overlay.site.nodes |= {
        "old": {"name": "host1", "role": "manager", "address": "10.0.0.77", "gone": 1},
    }
    plan, _ = forgetting(overlay.site.fleet, overlay.live(), "host1", "")
    assert {step.host for step in plan.steps} == {"host2"}


def test_facts_of_a_host_without_docker_are_no_manager(overlay):
    live = change(overlay, "host1", engine=Absent("gone"))
    plan = leaving(overlay.site.fleet, live, "host3", disconnect=True)
    assert {step.host for step in plan.steps if isinstance(step, RemoveNode)} == {"host2"}
