"""Each fault by itself: what is told of it, and what would mend it. A healthy fleet is blamed for nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address

import pytest
from tests.golden.site import inventory_of
from tests.golden.test_plans import deployed
from tests.unit.doctor.overlay import (
    NETWORK,
    SPACE,
    VETH,
    VXLAN,
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

from overweave.doctor.places import doubtful
from overweave.doctor.room import VALUE_LIMIT
from overweave.facts import libnetwork
from overweave.facts.backups import parse_name
from overweave.facts.namespaces import Namespace
from overweave.steps import (
    DisconnectEndpoint,
    HoldAddresses,
    JoinGossip,
    MendRows,
    RejoinNetwork,
    RemoveVxlan,
    RestartEngine,
    Row,
)

SAVED = "20261122T052555Z-index121-consul1.8.7.snap"


def saved_before(**span):
    return parse_name(SAVED).made + timedelta(**span)


@pytest.fixture
def overlay():
    return Overlay()


def endpoint_key(id_):
    return f"{libnetwork.ENDPOINTS}{NETWORK}/{id_}/"


def only(overlay):
    """The only fault that there is."""
    (fault,) = overlay.faults()
    return fault


def test_a_healthy_fleet_has_no_fault(overlay):
    assert overlay.told() == []


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"boot_failed": True}, "overweave-boot.service gave up"),
        ({"boot_enabled": False}, "overweave-boot.service is not enabled"),
    ],
)
def test_a_boot_unit_that_gave_up_or_is_not_there_is_told(overlay, changes, seen):
    for key, value in changes.items():
        setattr(overlay.site.boxes["host2"], key, value)
    assert overlay.told() == [("boot.unit", "host2", seen)]
    assert only(overlay).finding.severity == "warning"


def test_backups_that_are_as_they_should_be_are_no_fault(overlay):
    overlay.site.boxes["host1"].backup |= {"newest": parse_name(SAVED), "now": saved_before(hours=47)}
    assert overlay.told() == []
    overlay.site.boxes["host2"].backup = {"runs": False, "failed": True}
    assert overlay.told() == [], "it has no server of the store"


@pytest.mark.parametrize(
    ("backup", "seen"),
    [
        ({"runs": False}, "overweave-backup.timer is not enabled, or does not run"),
        ({"failed": True, "newest": parse_name(SAVED)}, "the last backup of the store failed"),
        ({"ended": True, "folder": "/b"}, "backups of the store were made, and none is in /b"),
        (
            {"newest": parse_name(SAVED), "now": saved_before(hours=49)},
            "the newest backup of the store is 2 days old, and one is due every 24 h",
        ),
    ],
)
def test_backups_that_are_not_made_are_told(overlay, backup, seen):
    overlay.site.boxes["host1"].backup |= backup
    assert overlay.told() == [("store.backups", "host1", seen)]
    assert only(overlay).finding.severity == "warning"


def test_backups_that_nobody_wants_are_not_missed(overlay):
    overlay.site.wanted["store"] = overlay.site.wanted["store"] | {"backup": {"every": "never"}}
    overlay.site.boxes["host1"].backup = {"runs": False}
    assert overlay.told() == []


def test_rows_that_an_engine_has_not_needed_yet_are_no_fault(overlay):
    overlay.change(1, neighbours=(), forwarding=())
    assert overlay.told() == []


def test_rows_of_an_engine_to_its_own_containers_are_no_fault(overlay):
    its = space(1)
    overlay.change(1, neighbours=(*its.neighbours, neighbour(1)), forwarding=(*its.forwarding, forwarding(1)))
    assert overlay.told() == []


def test_rows_that_are_the_kernels_own_are_no_fault(overlay):
    its = space(1)
    overlay.change(
        1,
        neighbours=(*its.neighbours, neighbour(8, permanent=False), neighbour(9, device="br0")),
        forwarding=(
            *its.forwarding,
            forwarding(8, permanent=False),
            forwarding(9, vtep=""),
            forwarding(9, device="br0"),
            forwarding(9, mac="00:00:00:00:00:00"),
        ),
    )
    assert overlay.told() == []


ROW2 = (Row(address(2), mac(2), vtep(2)),)


@pytest.mark.parametrize(
    ("changes", "check", "seen", "mends"),
    [
        (
            {"forwarding": (forwarding(3),)},
            "rows.forwarding",
            "no forwarding row for app-host2 on host2 (10.211.0.3 on overweave)",
            (ROW2, (), ()),
        ),
        (
            {"forwarding": (forwarding(2, permanent=False), forwarding(3))},
            "rows.forwarding",
            "the forwarding row for app-host2 on host2 (10.211.0.3 on overweave) is only one that the kernel "
            "forgets",
            (ROW2, (), ()),
        ),
        (
            {"forwarding": (forwarding(2, vtep=vtep(3)), forwarding(3))},
            "rows.vtep",
            "the forwarding row for app-host2 on host2 (10.211.0.3 on overweave) leads to 10.0.0.13, not to "
            "10.0.0.12",
            (ROW2, (), ((mac(2), vtep(3)),)),
        ),
        (
            {"neighbours": (neighbour(2, mac=mac(3)), neighbour(3))},
            "rows.mac",
            "the neighbour row for app-host2 on host2 (10.211.0.3 on overweave) has the MAC "
            "02:42:0a:d3:00:04, not 02:42:0a:d3:00:03",
            (ROW2, (), ()),
        ),
        (
            {
                "neighbours": (*space(1).neighbours, neighbour(1)),
                "forwarding": (*space(1).forwarding, forwarding(1, vtep=vtep(3))),
            },
            "rows.vtep",
            "a forwarding row for app-host1 on this very host (10.211.0.2 on overweave) leads to 10.0.0.13",
            ((), (address(1),), ((mac(1), vtep(3)),)),
        ),
    ],
)
def test_a_row_that_misleads_is_told_with_the_row_that_it_should_be(overlay, changes, check, seen, mends):
    overlay.change(1, **changes)
    fault = only(overlay)
    its = fault.finding
    assert (its.check, its.host, its.seen) == (check, "host1", seen)
    assert its.severity == "error"
    assert fault.remedies == (MendRows("host1", seen, "overweave", SPACE, "vxlan0", *mends),)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        (
            {"neighbours": (*space(1).neighbours, neighbour(8))},
            "a neighbour row for 10.211.0.9 on overweave, which no container has",
        ),
        (
            {"forwarding": (*space(1).forwarding, forwarding(8, vtep=vtep(3)))},
            "a forwarding row for 02:42:0a:d3:00:09 to 10.0.0.13 on overweave, which no container has",
        ),
        (
            {
                "neighbours": (*space(1).neighbours, neighbour(8)),
                "forwarding": (*space(1).forwarding, forwarding(8, vtep=vtep(3))),
            },
            "rows for 10.211.0.9 to 10.0.0.13 on overweave, which no container has",
        ),
    ],
)
def test_rows_of_a_container_that_is_gone_are_told_and_left_to_the_engine(overlay, changes, seen):
    overlay.change(1, **changes)
    fault = only(overlay)
    its = fault.finding
    assert (its.check, its.severity, its.host, its.seen) == ("rows.stale", "note", "host1", seen)
    assert (
        its.matters == "a container that gets this address on another host is dead to this one (moby#52661)"
    )
    assert its.fix == (
        "leave it, the engine has it in its books; `fab repair` mends it once a container has the address"
    )
    assert fault.remedies == ()


def test_two_wrong_ways_for_one_mac_are_both_taken_back(overlay):
    rows = (forwarding(2), forwarding(2, vtep=vtep(3)), forwarding(2, vtep="10.0.0.99"), forwarding(3))
    overlay.change(1, forwarding=rows)
    (step,) = only(overlay).remedies
    assert step.drop_forwarding == ((mac(2), vtep(3)), (mac(2), "10.0.0.99"))


def test_a_split_gossip_is_one_fault_that_brings_the_rows_with_it(overlay):
    overlay.site.islands = [["host1", "host2"], ["host3"]]
    overlay.change(1, neighbours=(neighbour(2),), forwarding=(forwarding(2),))
    overlay.change(3, neighbours=(), forwarding=())
    fault = only(overlay)
    assert fault.finding.seen == "the gossip is split: host1, host2 | host3"
    join, at1, at3 = fault.remedies
    assert isinstance(join, JoinGossip)
    assert join.addresses == {f"host{n}": vtep(n) for n in (1, 2, 3)}
    assert (at1.host, at1.write) == ("host1", (Row(address(3), mac(3), vtep(3)),))
    assert (at3.host, [row.vtep for row in at3.write]) == ("host3", [vtep(1), vtep(2)])


def test_an_engine_that_is_not_seen_one_way_is_told_by_name(overlay):
    live = overlay.live()
    views = dict(live.fleet.views)
    kept = tuple(m for m in views["host2"].members if m.address != IPv4Address(vtep(3)))
    views["host2"] = replace(views["host2"], members=kept)
    from overweave.doctor.everything import faults

    (fault,) = faults(overlay.site.fleet, replace(live, fleet=replace(live.fleet, views=views)))
    assert fault.finding.seen == "not all engines see each other: host2 does not see host3" or (
        fault.finding.seen == "the gossip is split: host1, host2 | host3"
    )


@pytest.mark.parametrize(
    ("change", "check", "seen", "restarts"),
    [
        (
            {"gossips": False},
            "gossip.silent",
            "its engine takes no part in the gossip: nothing answers at 10.0.0.13:7946, seen from the host",
            True,
        ),
        ({"registered": False}, "nodes.missing", "10.0.0.13 is not registered in the store", True),
        (
            {"stray_threads": 2},
            "engines.threads",
            "threads of the engine are stuck in a dead network namespace: 2",
            True,
        ),
        ({"running": False}, "engines.running", "the engine is down: ", False),
        (
            {"arguments": ["/usr/sbin/dockerd"]},
            "engines.store",
            "the running engine has no cluster store",
            False,
        ),
    ],
)
def test_an_engine_that_is_not_well_is_restarted_only_where_that_helps(
    overlay, change, check, seen, restarts
):
    for key, value in change.items():
        setattr(overlay.site.boxes["host3"], key, value)
    fault = next(f for f in overlay.faults() if f.finding.check == check)
    assert (fault.finding.host, fault.finding.severity) == ("host3", "error")
    assert fault.finding.seen.startswith(seen)
    assert [type(step) for step in fault.remedies] == [RestartEngine] * restarts
    overlay.site.leader = False
    for fault in overlay.faults():
        assert fault.remedies == (), "without the store no engine is restarted"
        if fault.finding.check in ("gossip.silent", "engines.threads"):
            assert fault.finding.fix == "the store first: without it `fab repair` restarts no engine"


def test_an_engine_that_the_inventory_does_not_name_is_told_and_its_endpoints_are_not_judged(overlay):
    overlay.forget("host3")
    assert overlay.told() == [
        (
            "nodes.strangers",
            "",
            "an engine at 10.0.0.13 is registered in the store and not in the inventory",
        ),
        ("endpoints.unseen", "", "1 endpoint of 10.0.0.13 not checked: its engine was not asked"),
    ]


def test_endpoints_of_a_host_that_nobody_knows_are_stale_and_its_rows_stay_while_they_are_there(overlay):
    overlay.forget("host3")
    overlay.site.boxes["host3"].registered = overlay.site.boxes["host3"].gossips = False
    (stale,) = overlay.faults()
    assert stale.finding.seen == "endpoint app-host3 (10.211.0.4 on overweave) has no container on 10.0.0.13"
    assert stale.finding.fix == (
        "`fab repair --gone 10.0.0.13` disconnects it, if its host does not come back; "
        "should that host come back, stop its engine, remove "
        "/var/lib/docker/network/files/local-kv.db, and start it: no container could join there else"
    )
    (step,) = stale.remedies
    assert (step.host, step.endpoint, step.name, step.network) == ("host1", "3" * 64, "app-host3", NETWORK)
    assert (step.gone, step.asks) == (vtep(3), "the host at 10.0.0.13 does not come back")
    assert stale.moment == 10.0
    del overlay.tree[endpoint_key("3" * 64)]
    assert [check for check, *_ in overlay.told()] == ["rows.stale", "rows.stale"]


def test_an_endpoint_that_its_engine_does_not_have_is_stale(overlay):
    overlay.attachments[3] = (attachment(3, running=False, endpoint="", address="", mac=""),)
    overlay.spaces[3] = {}
    overlay.site.boxes["host1"].containers["app-host3"] = ["x", False, {}]
    stale = overlay.faults()[0]
    assert stale.finding.seen == "endpoint app-host3 (10.211.0.4 on overweave) has no container on host3"
    assert [(type(s), s.host, s.gone) for s in stale.remedies] == [(DisconnectEndpoint, "host2", "")], (
        "host1 has a container of that name, which is what an engine would take it for"
    )


def test_an_endpoint_that_its_engine_has_and_does_not_list_yet_is_not_stale(overlay):
    overlay.attachments[3] = (attachment(3, running=False, endpoint="", address="", mac=""),)
    overlay.tree[endpoint_key("3" * 64)] = endpoint(3, name="before")
    overlay.spaces[3] = {}
    assert doubtful(overlay.live()) == {"host3": {"app-host3", "before"}}
    overlay.inspected[3] = frozenset({"3" * 64})
    assert overlay.told() == []
    assert doubtful(overlay.live()) == {}


def test_an_engine_is_not_asked_for_names_that_no_container_can_have(overlay):
    overlay.tree[endpoint_key("9" * 64)] = endpoint(9, name="../info", locator=vtep(1))
    assert doubtful(overlay.live()) == {"host1": set()}


def advertises(overlay, number, flag):
    box = overlay.site.boxes[f"host{number}"]
    box.arguments = [a for a in box.arguments if not a.startswith("--cluster-advertise=")] + flag


def test_containers_are_where_their_running_engine_says_whatever_a_deployment_would_choose(overlay):
    overlay.chosen["host3"] = "192.168.7.13"
    fault = only(overlay)
    assert (fault.finding.check, fault.finding.host, fault.finding.severity) == (
        "engines.advertise",
        "host3",
        "warning",
    )
    assert fault.finding.seen == (
        "the engine advertises 10.0.0.13, and a deployment would choose 192.168.7.13 now"
    )
    assert fault.finding.fix == (
        "name the inventory with the host's `advertise:`; if it is right, `fab deploy-overlay`"
    )
    assert fault.remedies == ()


def test_an_engine_that_advertises_an_interface_is_at_its_address(overlay):
    advertises(overlay, 3, ["--cluster-advertise=eth7:2376"])
    overlay.site.boxes["host3"].interfaces["eth7"] = [1500, f"{vtep(3)}/24"]
    assert overlay.live().vteps["host3"] == vtep(3)
    assert overlay.told() == []


@pytest.mark.parametrize("flag", [[], ["--cluster-advertise=eth7:2376"], ["--cluster-advertise=x"]])
def test_containers_of_an_engine_that_does_not_tell_its_address_are_not_judged(overlay, flag):
    advertises(overlay, 3, flag)
    overlay.change(1, forwarding=(forwarding(2), forwarding(3, vtep=vtep(2))))
    overlay.attachments[3] = ()
    assert "host3" not in overlay.live().vteps
    assert overlay.told() == [
        ("endpoints.unseen", "", "1 endpoint of host3 not checked: its engine was not asked")
    ]


@pytest.mark.parametrize("known_by", ["its interfaces", "what a deployment would choose"])
def test_endpoints_of_a_host_whose_engine_is_down_are_not_those_of_a_host_that_is_gone(overlay, known_by):
    box = overlay.site.boxes["host3"]
    box.running = box.registered = box.gossips = False
    overlay.attachments[3] = None
    if known_by == "its interfaces":
        del overlay.chosen["host3"]
        eth0 = link("eth0", "", addresses=(f"{vtep(3)}/24",))
        overlay.hosts[3] = replace(overlay.hosts[3], links=(eth0,))
    assert {told[0] for told in overlay.told()} == {"engines.running", "endpoints.unseen"}


@pytest.mark.parametrize("stopped", [True, False])
def test_where_the_stores_agent_is_gone_it_is_told_and_its_engine_is_not_restarted(stopped):
    wanted = inventory_of(3)
    overlay = Overlay(deployed(wanted | {"store": wanted["store"] | {"servers": 3}}))
    assert overlay.told() == []
    box = overlay.site.boxes["host3"]
    if stopped:
        box.containers["consul"][1] = False
    else:
        del box.containers["consul"]
    for box.registered in (True, False):
        fault = only(overlay)
        assert (fault.finding.check, fault.finding.host, fault.remedies) == ("store.servers", "host3", ())
        assert fault.finding.told == (
            "error: its part of Consul does not run: its engine is off the store's list soon, and joins "
            "nothing more -> `fab deploy-overlay` sets that right"
        )
    overlay.site.boxes["host2"].registered = False
    assert [told[:2] for told in overlay.told()] == [("store.servers", "host3"), ("nodes.missing", "host2")]


def test_an_engine_is_registered_at_the_address_that_it_advertises(overlay):
    overlay.site.boxes["host3"].registered = False
    overlay.chosen["host3"] = "192.168.7.13"
    assert ("nodes.missing", "host3", "10.0.0.13 is not registered in the store") in overlay.told()


def test_rows_to_an_engine_that_was_not_asked_are_left(overlay):
    overlay.forget("host3")
    overlay.site.boxes["host3"].gossips = False
    its = space(1)
    overlay.change(
        1,
        neighbours=(*its.neighbours, neighbour(8)),
        forwarding=(*its.forwarding, forwarding(8, vtep=vtep(3))),
    )
    assert not [told for told in overlay.told() if told[0].startswith("rows")]
    overlay.change(1, forwarding=(*its.forwarding, forwarding(8, vtep=vtep(2))))
    assert [told for told in overlay.told() if told[0].startswith("rows")] == [
        ("rows.stale", "host1", "rows for 10.211.0.9 to 10.0.0.12 on overweave, which no container has")
    ]


@pytest.mark.parametrize("value", [b"{", b"", b"[]"])
def test_an_endpoint_whose_record_makes_no_sense_is_not_missing(overlay, value):
    overlay.tree[endpoint_key("2" * 64)] = value
    fault = only(overlay)
    assert (fault.finding.check, fault.finding.severity, fault.remedies) == ("store.values", "warning", ())
    assert fault.finding.seen.endswith(f"{'2' * 64} makes no sense, and was not checked") or (
        fault.finding.seen.endswith(f"{'2' * 64}/ makes no sense, and was not checked")
    )


def test_of_two_containers_with_one_mac_no_row_is_changed(overlay):
    overlay.attachments[3] = (attachment(3, mac=mac(2)),)
    for n in (1, 2):
        overlay.change(
            n,
            neighbours=(neighbour(1), neighbour(2), neighbour(3, mac=mac(2))),
            forwarding=(forwarding(1), forwarding(2), forwarding(2, vtep=vtep(3))),
        )
    fault = only(overlay)
    assert (fault.finding.check, fault.remedies) == ("endpoints.mac", ())
    assert fault.finding.seen == (
        "02:42:0a:d3:00:03 on overweave is the MAC of app-host2 on host2 and app-host3 on host3"
    )


def test_each_subnet_of_a_network_has_a_device_of_its_own(overlay):
    subnets = [
        {"SubnetIP": "10.212.0.0/16", "GwIP": "10.212.0.1/16", "Vni": 300},
        {"SubnetIP": "10.211.0.0/16", "GwIP": "10.211.0.1/16", "Vni": 256},
    ]
    overlay.tree[f"{libnetwork.OVERLAYS}{NETWORK}/"] = json.dumps({"subnets": subnets}).encode()
    other = link("vxlan1", "vxlan", vni=300, port=4789, master="br1")
    stray = forwarding(8, device="vxlan1", mac="02:42:0a:d4:00:09")
    for n in (1, 2, 3):
        its = space(n)
        overlay.change(n, links=(link("br1", "bridge"), other, *its.links))
    overlay.change(1, forwarding=(forwarding(3), stray))
    forwarding_row, stale = overlay.faults()
    assert (forwarding_row.finding.check, forwarding_row.remedies[0].device) == ("rows.forwarding", "vxlan0")
    assert (stale.finding.check, stale.finding.seen) == (
        "rows.stale",
        "a forwarding row for 02:42:0a:d4:00:09 to 10.0.0.18 on overweave, which no container has",
    )


def test_rows_that_are_not_there_are_a_note_and_are_written(overlay):
    """One packet may bring them, or never: that depends on what another engine knows."""
    overlay.change(1, neighbours=(), forwarding=(forwarding(3, permanent=False),))
    fault = only(overlay)
    its = fault.finding
    assert (its.check, its.severity, its.host) == ("rows.neighbour", "note", "host1")
    assert its.seen == "no neighbour row yet on overweave for app-host2 on host2 (10.211.0.3) and 1 more"
    assert its.matters == (
        "its engine asks the others at the first packet, and one that was late in the gossip does not answer"
    )
    (step,) = fault.remedies
    assert step.write == (Row(address(2), mac(2), vtep(2)), Row(address(3), mac(3), vtep(3)))


def test_forwarding_rows_that_were_not_read_are_not_judged(overlay):
    overlay.change(1, forwarding=())
    assert overlay.told() == []
    overlay.change(1, links=tuple(replace(its, up=False) for its in space(1).links))
    assert {told[0] for told in overlay.told()} == {"vxlan.down", "rows.forwarding"}


def test_a_vxlan_device_that_is_down_is_told_with_the_command(overlay):
    """The kernel takes its neighbour rows with it."""
    overlay.change(1, links=(link("br0", "bridge"), replace(VXLAN, up=False), VETH), neighbours=())
    fault = only(overlay)
    its = fault.finding
    assert (its.check, its.host, its.seen) == (
        "vxlan.down",
        "host1",
        "vxlan device vxlan0 of overweave is down",
    )
    assert its.fix == f"`nsenter --net=/var/run/docker/netns/{SPACE} ip link set vxlan0 up` on the host"


def test_an_engine_out_of_the_gossip_whose_address_is_gone_is_not_healthy(overlay):
    advertises(overlay, 3, ["--cluster-advertise=eth7:2376"])
    overlay.site.boxes["host3"].gossips = False
    fault = next(f for f in overlay.faults() if f.finding.check == "gossip.silent")
    assert (fault.finding.host, fault.remedies) == ("host3", ())
    assert fault.finding.seen == (
        "its engine takes no part in the gossip, and announces no address that this host has"
    )
    assert fault.finding.fix == (
        "see `--cluster-advertise` in `systemctl cat docker` and `ip address` there, then deploy"
    )


def test_networks_whose_record_was_lost_are_told(overlay):
    overlay.tree = {key: value for key, value in overlay.tree.items() if key.startswith("docker/nodes")}
    assert overlay.told() == [
        (
            "store.forgotten",
            "",
            f"the store has no record of network overweave (id {NETWORK[:12]}), which app-host1 on host1, "
            "app-host2 on host2, app-host3 on host3 use",
        )
    ]


def test_a_namespace_of_a_later_epoch_has_less_of_the_id(overlay):
    overlay.spaces[1] = {"10-aaaaaaaaa": replace(space(1), name="10-aaaaaaaaa", forwarding=(forwarding(3),))}
    assert [told[0] for told in overlay.told()] == ["rows.forwarding"]


def test_a_stale_endpoint_that_shares_its_name_has_no_remedy(overlay):
    overlay.tree[endpoint_key("9" * 64)] = endpoint(9, name="app-host1", locator=vtep(2))
    fault = next(f for f in overlay.faults() if f.finding.check == "endpoints.stale")
    assert fault.remedies == ()
    assert fault.finding.fix == (
        "the store has another endpoint app-host1, and an engine knows them by name alone: end that one's "
        "container first"
    )


def test_a_stale_endpoint_of_no_host_is_left_alone(overlay):
    overlay.tree[endpoint_key("9" * 64)] = endpoint(9, name="gone", locator="")
    (fault,) = overlay.faults()
    assert (fault.finding.check, fault.remedies) == ("endpoints.stale", ())
    assert fault.finding.fix == "its record names no host, so it is left alone: see who made it"


def test_a_stale_endpoint_whose_name_every_engine_has_is_told_what_it_takes(overlay):
    for n in (1, 2, 3):
        overlay.site.boxes[f"host{n}"].containers["gone"] = ["x", False, {}]
    overlay.tree[endpoint_key("9" * 64)] = endpoint(9, name="gone", locator=vtep(1))
    (fault,) = overlay.faults()
    assert fault.finding.fix == (
        "it takes an engine that runs and has no container gone: rename or remove that"
    )


def test_endpoints_of_a_host_whose_engine_does_not_answer_are_not_judged(overlay):
    overlay.attachments[3] = None
    assert [told for told in overlay.told() if told[0].startswith("endpoints")] == [
        ("endpoints.unseen", "", "1 endpoint of host3 not checked: its engine was not asked")
    ]
    assert not [told for told in overlay.told() if told[0].startswith("rows")]


def test_a_container_that_the_store_does_not_know_is_told(overlay):
    del overlay.tree[endpoint_key("2" * 64)]
    fault = only(overlay)
    assert fault.finding.seen == (
        "the store has no endpoint of container app-host2 (10.211.0.3 on overweave)"
    )
    assert [type(step) for step in fault.remedies] == [RejoinNetwork]


def twins(overlay, **changes):
    """The app of host3 has the address of host2's."""
    overlay.attachments[3] = (attachment(3, address=address(2), mac=mac(2), **changes),)
    overlay.tree[endpoint_key("3" * 64)] = endpoint(3, ep_iface={"addr": f"{address(2)}/16", "mac": mac(2)})
    overlay.tree[f"{libnetwork.SUBNETS}10.211.0.0/16/"] = mask(2, 3)
    for n in (1, 2, 3):
        overlay.change(
            n,
            neighbours=tuple(r for r in space(n).neighbours if r.address != address(3)),
            forwarding=tuple(r for r in space(n).forwarding if r.mac != mac(3)),
        )


def test_of_two_containers_with_one_address_the_older_one_keeps_it(overlay):
    twins(overlay)
    fault = only(overlay)
    assert fault.finding.seen == (
        "10.211.0.3 on overweave is the address of app-host2 on host2 and app-host3 on host3"
    )
    assert [(s.host, s.container) for s in fault.remedies] == [("host3", "app-host3")]


def test_one_that_was_given_its_address_by_its_user_keeps_it(overlay):
    twins(overlay, fixed=True)
    assert [(s.host, s.container) for s in only(overlay).remedies] == [("host2", "app-host2")]


def test_a_container_with_the_gateways_address_gets_another(overlay):
    overlay.attachments[3] = (attachment(3, address="10.211.0.1"),)
    faults = [f for f in overlay.faults() if f.finding.check == "endpoints.gateway"]
    assert [f.finding.seen for f in faults] == [
        "container app-host3 has the address of the gateway of overweave, 10.211.0.1"
    ]
    assert [type(step) for step in faults[0].remedies] == [RejoinNetwork]


def test_two_containers_of_one_name_are_a_warning(overlay):
    overlay.attachments[3] = (attachment(3, container="app-host2"),)
    assert ("endpoints.names", "", "containers on host2, host3 have the name app-host2 on overweave") in (
        overlay.told()
    )


def test_addresses_in_use_that_the_store_would_give_away_are_held(overlay):
    overlay.tree[f"{libnetwork.SUBNETS}10.211.0.0/16/"] = mask(2)
    fault = only(overlay)
    assert fault.finding.seen == (
        "the store holds 10.211.0.3, 10.211.0.4 of 10.211.0.0/16 to be free, and containers have them"
    )
    (step,) = fault.remedies
    assert isinstance(step, HoldAddresses)
    assert step.addresses == ("10.211.0.3", "10.211.0.4")


LEFT = link("vx-000100-aaaaa", "vxlan", vni=256, port=4789)


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (LEFT, [("vx-000100-aaaaa", True)]),
        (replace(LEFT, master="br7"), [("vx-000100-aaaaa", False)]),
        (replace(LEFT, addresses=("10.9.9.9/24",)), [("vx-000100-aaaaa", False)]),
        (replace(LEFT, vni=300), []),
        (replace(LEFT, port=8472), []),
        (link("eth1", ""), []),
    ],
)
@pytest.mark.parametrize("path", ["", "/run/netns/old"])
def test_a_vxlan_device_of_ours_in_another_namespace_was_left(overlay, path, left, found):
    its = Namespace(path or "host", 500, (left,), (), (), ())
    if path:
        overlay.named[2][path] = its
    else:
        overlay.hosts[2] = its
    faults = overlay.faults()
    assert [(f.finding.check, f.finding.host) for f in faults] == [("vxlan.left", "host2")] * len(found)
    for fault, (device, removed) in zip(faults, found, strict=True):
        steps = (RemoveVxlan("host2", fault.finding.seen, path, device, 256),) if removed else ()
        assert fault.remedies == steps


@pytest.mark.parametrize("name", ["vxlan7", "vx-left", "vx-0001-aaaaa", "my-vx-000100-aaaaa"])
def test_a_device_that_no_engine_names_so_is_told_and_left_alone(overlay, name):
    overlay.hosts[2] = Namespace("host", 500, (replace(LEFT, name=name),), (), (), ())
    fault = only(overlay)
    assert fault.remedies == ()
    assert fault.finding.fix == f"no engine gives that name: `ip link del {name}` if nobody needs it"
    overlay.hosts[2] = replace(overlay.hosts[1], inode=501)
    path = "/run/netns/blue"
    overlay.named[2][path] = Namespace(path, 500, (replace(LEFT, name=name),), (), (), ())
    fault = only(overlay)
    assert fault.remedies == ()
    assert fault.finding.fix == (
        f"no engine gives that name: `nsenter --net={path} ip link del {name}` if nobody needs it"
    )


def test_a_named_namespace_that_is_dockers_own_is_not_looked_at_twice(overlay):
    overlay.named[2]["/run/netns/docker"] = replace(space(2), name="/run/netns/docker")
    assert overlay.told() == []


OTHER = Namespace("7-bbbbbbbbbb", 600, (link("br0", "bridge"), VXLAN), (), (), ())


@pytest.mark.parametrize(
    ("name", "links", "seen", "step"),
    [
        (
            "7-bbbbbbbbbb",
            (VXLAN,),
            "namespace 7-bbbbbbbbbb of a network that is gone has no container",
            RemoveVxlan,
        ),
        ("7-bbbbbbbbbb", (VXLAN, VETH), None, None),
        (
            "0-aaaaaaaaaa",
            (VXLAN,),
            "namespace 0-aaaaaaaaaa of network overweave is beside a newer one",
            RemoveVxlan,
        ),
    ],
)
def test_a_namespace_without_containers_was_left(overlay, name, links, seen, step):
    overlay.site.shared = {}
    overlay.spaces[2][name] = Namespace(name, 600, links, (), (), ())
    faults = overlay.faults()
    assert [f.finding.seen for f in faults] == ([seen] if seen else [])
    assert [type(s) for f in faults for s in f.remedies] == ([step] if step else [])


def test_a_half_made_namespace_needs_its_engine_restarted(overlay):
    overlay.attachments[2] = ()
    del overlay.tree[endpoint_key("2" * 64)]
    overlay.spaces[2] = {SPACE: replace(space(2), links=(link("br0", "bridge"),))}
    fault = next(f for f in overlay.faults() if f.finding.check == "vxlan.namespace")
    assert fault.finding.seen == f"namespace {SPACE} of network overweave is half made, and has no container"
    assert [type(step) for step in fault.remedies] == [RestartEngine]


def test_what_fills_up_is_a_warning(overlay):
    overlay.tree[f"{libnetwork.SUBNETS}10.211.0.0/16/"] = mask(*range(2, 53_000))
    key = f"{libnetwork.NETWORKS}{'b' * 64}/"
    overlay.tree[key] = b'{"name":"lan","networkType":"bridge"}'.ljust(VALUE_LIMIT // 2 + 1)
    assert overlay.told() == [
        ("addresses.use", "", "53001 of 65536 addresses of 10.211.0.0/16 are given out"),
        ("store.values", "", f"the value of {key} has 262145 bytes, of 524288 that the store takes"),
    ]


def test_values_that_make_no_sense_are_told(overlay):
    overlay.tree[endpoint_key("9" * 64)] = b"{"
    ((check, _, seen),) = overlay.told()
    assert check == "store.values"
    assert seen.endswith("9/ makes no sense, and was not checked")


def test_what_a_journal_says_is_a_note(overlay):
    overlay.journals[2] = "error creating vxlan interface: file exists\ndial tcp 1.1.1.1:1: i/o timeout"
    fault = only(overlay)
    assert (fault.finding.severity, fault.finding.seen) == (
        "note",
        "the engine has said since its start: a vxlan device of an earlier engine is left over "
        "(moby/libnetwork#1765)",
    )


def test_a_store_without_a_leader_is_told_and_nothing_is_judged_by_it(overlay):
    overlay.site.leader = False
    overlay.change(1, neighbours=(neighbour(8),))
    assert overlay.told() == [("store.leader", "", "the store has no leader")]


def test_a_store_on_none_of_the_hosts_is_told(overlay):
    overlay.site.boxes["host1"].containers = {}
    (fault,) = overlay.faults()
    assert (fault.finding.check, fault.finding.seen) == (
        "store.leader",
        "no store runs on any of these hosts",
    )
    assert fault.finding.fix == "`fab deploy-overlay` sets that right"


def test_a_store_on_another_host_is_named(overlay):
    """As with -H of some hosts: to deploy would not be the remedy."""
    overlay.forget("host1")
    fault = next(f for f in overlay.faults() if f.finding.check == "store.leader")
    assert fault.finding.fix == (
        "their engines use consul://10.0.0.11:8501: name its host, too, or deploy if it is gone"
    )
