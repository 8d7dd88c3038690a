"""The plan of a repair: each remedy once, the least intrusive first, engines last and one by one."""

from __future__ import annotations

import pytest
from tests.unit.doctor.overlay import (
    SPACE,
    Overlay,
    address,
    attachment,
    endpoint,
    forwarding,
    link,
    mac,
    mask,
    neighbour,
    space,
    vtep,
)
from tests.unit.doctor.test_faults import NETWORK, endpoint_key, twins

from overweave.doctor.everything import faults
from overweave.doctor.fault import Fault
from overweave.doctor.remedy import apart, asking, repair
from overweave.facts import libnetwork
from overweave.facts.namespaces import Namespace
from overweave.preflight.finding import error
from overweave.steps import HoldAddresses, MendRows, PassGate, RejoinNetwork, RestartEngine, Row


@pytest.fixture
def overlay():
    return Overlay()


def plan(overlay, gone=(), done=()):
    live = overlay.live()
    return repair(overlay.site.fleet, live, faults(overlay.site.fleet, live), gone, done)


def test_a_healthy_fleet_has_nothing_to_do(overlay):
    assert not plan(overlay)


def test_everything_at_once_is_done_in_the_order_of_how_much_it_disturbs(overlay):
    overlay.site.islands = [["host1", "host2"], ["host3"]]
    overlay.change(1, forwarding=(forwarding(3),))
    overlay.tree[endpoint_key("9" * 64)] = endpoint(
        9, name="gone", ep_iface={"addr": f"{address(8)}/16"}, locator=vtep(1)
    )
    overlay.hosts[2] = Namespace(
        "host", 500, (link("vx-000100-aaaaa", "vxlan", vni=256, port=4789),), (), (), ()
    )
    overlay.site.boxes["host1"].stray_threads = 1
    overlay.site.boxes["host3"].stray_threads = 1
    made = plan(overlay)
    assert [(stage.title, stage.guarded) for stage in made.stages] == [
        ("gossip", False),
        ("rows", False),
        ("stale endpoints", False),
        ("left devices", False),
        ("engine of host3", True),
        ("gate of host3", False),
        ("engine of host1", True),
        ("gate of host1", False),
    ], "the store's host restarts last, and Consul with it"
    assert [str(step) for step in made.stages[-2].steps] == [
        "restart the engine",
        "wait until the store has elected a leader",
    ]
    gates = [step for step in made.steps if isinstance(step, PassGate)]
    assert [gate.hosts for gate in gates] == [("host3",), ("host1",)]
    assert gates[0].nodes == {"host3": f"{vtep(3)}:2376"}
    assert set(gates[0].gossip) == {"host1", "host2", "host3"}


def test_an_engine_that_is_still_to_be_restarted_holds_no_gate_up(overlay):
    for name in ("host2", "host3"):
        overlay.site.boxes[name].gossips = False
    made = plan(overlay)
    gates = {step.hosts[0]: set(step.gossip) for step in made.steps if isinstance(step, PassGate)}
    assert gates == {"host2": {"host1", "host2"}, "host3": {"host1", "host2", "host3"}}
    assert all(step.started for step in made.steps if isinstance(step, PassGate))
    assert all(step.same for step in made.steps if isinstance(step, RestartEngine))


def test_what_stopped_something_and_did_not_help_is_not_done_again(overlay):
    overlay.site.boxes["host3"].stray_threads = 1
    twins(overlay)
    first = plan(overlay)
    stopping = [step for step in first.steps if isinstance(step, RestartEngine | RejoinNetwork)]
    assert len(stopping) == 2
    assert not plan(overlay, done=first.steps)
    assert len(plan(overlay, done=stopping[:1]).steps) < len(first.steps)


def test_rows_of_one_namespace_are_mended_in_one_step(overlay):
    overlay.change(
        1,
        neighbours=(*space(1).neighbours, neighbour(1)),
        forwarding=(forwarding(1, vtep=vtep(3)), forwarding(2, vtep=vtep(3))),
    )
    (step,) = plan(overlay).steps
    assert step == MendRows(
        "host1",
        "3 faults in the rows, as a forwarding row for app-host1 on this very host (10.211.0.2 on overweave) "
        "leads to 10.0.0.13",
        "overweave",
        SPACE,
        "vxlan0",
        (Row(address(2), mac(2), vtep(2)), Row(address(3), mac(3), vtep(3))),
        (address(1),),
        ((mac(1), vtep(3)), (mac(2), vtep(3))),
    )


def test_an_engine_with_two_faults_restarts_once(overlay):
    overlay.site.boxes["host3"].stray_threads = 1
    overlay.site.boxes["host3"].registered = False
    assert [type(s) for s in plan(overlay).steps] == [RestartEngine, PassGate]


def test_an_address_stays_held_when_one_of_its_two_containers_gives_it_back(overlay):
    twins(overlay)
    (step,) = plan(overlay).steps
    assert str(step) == "join app-host3 to network overweave again, with another address"
    assert step.keep.addresses == (address(2),)
    assert (step.keep.key, step.keep.subnet) == (f"{libnetwork.SUBNETS}10.211.0.0/16/", "10.211.0.0/16")


def test_an_address_stays_held_when_a_stale_endpoint_of_it_goes(overlay):
    overlay.tree[f"{libnetwork.ENDPOINTS}{NETWORK}/{'9' * 64}/"] = endpoint(
        9, name="gone", ep_iface={"addr": f"{address(2)}/16", "mac": mac(2)}, locator=vtep(1)
    )
    assert [stage.title for stage in plan(overlay).stages] == ["stale endpoints", "addresses that stay"]


def test_an_address_of_an_engine_that_was_not_asked_stays_held(overlay):
    overlay.attachments[2] = None
    overlay.tree[f"{libnetwork.ENDPOINTS}{NETWORK}/{'9' * 64}/"] = endpoint(
        9, name="gone", ep_iface={"addr": f"{address(2)}/16", "mac": mac(2)}, locator=vtep(1)
    )
    (step,) = (step for step in plan(overlay).steps if isinstance(step, HoldAddresses))
    assert step.addresses == (address(2),)


def test_the_address_of_a_gateway_stays_held_when_a_stale_endpoint_of_it_goes(overlay):
    overlay.tree[f"{libnetwork.ENDPOINTS}{NETWORK}/{'9' * 64}/"] = endpoint(
        9, name="gone", ep_iface={"addr": "10.211.0.1/16", "mac": mac(9)}, locator=vtep(1)
    )
    (step,) = (step for step in plan(overlay).steps if isinstance(step, HoldAddresses))
    assert step.addresses == ("10.211.0.1",)


def test_what_stops_something_is_apart_from_what_nobody_notices(overlay):
    twins(overlay)
    overlay.change(1, forwarding=(forwarding(1, vtep=vtep(3)),))
    overlay.site.boxes["host3"].stray_threads = 1
    quiet, stopping = apart(plan(overlay))
    assert [stage.title for stage in quiet.stages] == ["rows"]
    assert [stage.title for stage in stopping.stages] == [
        "new addresses",
        "engine of host3",
        "gate of host3",
    ]


def test_endpoints_of_a_host_that_may_come_back_stay_until_somebody_says_that_it_does_not(overlay):
    overlay.forget("host3")
    overlay.site.boxes["host3"].registered = overlay.site.boxes["host3"].gossips = False
    assert not plan(overlay)
    assert not plan(overlay, {vtep(2)})
    (step,) = plan(overlay, {vtep(3)}).steps
    assert (step.name, step.gone) == ("app-host3", vtep(3))
    assert asking(overlay.faults()) == {vtep(3): (step,)}


def test_rows_of_two_devices_in_one_namespace_are_two_steps():
    rows = [MendRows("host1", "", "net", SPACE, f"vxlan{n}", drop_neighbours=(address(n),)) for n in (0, 1)]
    fault = Fault(error("rows.stale", ""), tuple(rows))
    site = Overlay()
    assert repair(site.site.fleet, site.live(), [fault]).steps == tuple(rows)


def test_addresses_that_are_held_are_not_noted_again(overlay):
    overlay.tree[f"{libnetwork.SUBNETS}10.211.0.0/16/"] = mask(2)
    (stage,) = plan(overlay).stages
    assert stage.title == "addresses"


def test_what_has_no_remedy_is_left_alone(overlay):
    overlay.attachments[3] = (attachment(3, container="app-host2"),)
    overlay.site.boxes["host2"].running = False
    overlay.attachments[2] = None
    assert not [step for step in plan(overlay).steps if step.host in ("host2", "host3")]
