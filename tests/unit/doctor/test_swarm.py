"""What is wrong with a swarm: its managers, its nodes, the gossip of its networks, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.golden.site import Site, inventory_of
from tests.unit.doctor.overlay import Overlay, address, forwarding, link, mac, vtep
from tests.unit.doctor.swarmed import DEVICE, NETWORK, SPACE, VNI, SwarmOverlay, joined, swarm_space

from overweave.doctor import backups, certificates, endpoints, engines, gossip, room, swarm
from overweave.doctor.everything import CHECKS, OF_A_STORE, OF_A_SWARM, faults
from overweave.doctor.fault import MOMENT
from overweave.doctor.remedy import repair
from overweave.facts.libnetwork import Endpoint
from overweave.facts.namespaces import Namespace
from overweave.facts.node_certificate import NodeCertificate
from overweave.preflight.finding import Severity
from overweave.steps import MendRows, PassGate, RejoinNetwork, RestartEngine, Row

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def overlay():
    return SwarmOverlay()


def only(overlay):
    """The only fault that there is."""
    (fault,) = overlay.faults()
    return fault


def words(fault):
    """All that is said of a fault."""
    its = fault.finding
    return (str(its.severity), its.check, its.host, its.seen, its.matters, its.fix)


def idle(overlay):
    """Nothing is on the network on host3, and nobody has rows that lead to it."""
    overlay.attachments[3] = ()
    for number in (1, 2):
        its = swarm_space(number)
        overlay.change(number, neighbours=its.neighbours[:1], forwarding=its.forwarding[:1])


def plan(overlay):
    live = overlay.live()
    return repair(overlay.site.fleet, live, faults(overlay.site.fleet, live))


@pytest.mark.parametrize("managers", [1, 3])
def test_a_swarm_that_is_whole_has_no_fault(managers):
    assert SwarmOverlay(managers).told() == []


def test_of_a_swarm_nothing_is_asked_that_only_a_store_can_tell():
    left = [check for check in CHECKS if check not in OF_A_STORE]
    assert [check.__name__ for check in OF_A_SWARM] == [
        "locked",
        "managers",
        "nodes",
        "certificates",
        "gossip",
    ]
    assert set(CHECKS) >= OF_A_STORE
    assert {backups.scheduled, certificates.ending, engines.store, room.addresses} <= OF_A_STORE
    assert {gossip.whole, endpoints.stale, endpoints.unrecorded, endpoints.unheld} <= OF_A_STORE
    assert {engines.running, engines.journals, endpoints.duplicates, engines.booting} <= {*left}


def test_of_a_store_nothing_is_asked_that_only_a_swarm_can_tell():
    overlay = Overlay()
    assert overlay.live().fleet.swarm is None
    assert not any(check.startswith("swarm.") for check, _, _ in overlay.told())


def test_what_a_swarm_does_not_have_is_not_missed(overlay):
    """No registrations, no gossip that can be read, no backups, no certificates of ours."""
    for box in overlay.site.boxes.values():
        box.backup = {"runs": False, "failed": True}
        box.registered = box.gossips = False
    overlay.chosen = dict.fromkeys(overlay.chosen, "10.9.9.9")
    assert overlay.told() == []


LEADER = (
    "no container can join its networks or leave them; what runs goes on",
    "start the managers that are down; if most of them are lost for good, `fab runbook.recover-lost-swarm "
    "--from HOST` goes on with one that is left",
)


def test_a_swarm_whose_managers_do_not_answer(overlay):
    for name in ("host1", "host2"):
        overlay.site.boxes[name].running = False
        overlay.attachments[int(name[-1])] = None
    first, *others = overlay.faults()
    assert words(first) == ("error", "swarm.leader", "", "no manager of the swarm answers", *LEADER)
    assert (first.moment, first.remedies) == (swarm.SECONDS, ())
    assert [(f.finding.check, f.finding.host) for f in others] == [
        ("engines.running", "host1"),
        ("engines.running", "host2"),
    ]


def test_hosts_that_never_were_in_a_swarm_are_not_told_to_force_one(overlay):
    for box in overlay.site.boxes.values():
        box.member = {}
    overlay.site.nodes = {}
    first, *_ = overlay.faults()
    assert words(first)[-1] == "`fab deploy-overlay` begins a swarm: no engine is in one"


def test_a_swarm_without_a_leader(overlay):
    overlay.nodes[1] = {"leader": False}
    assert words(only(overlay)) == ("error", "swarm.leader", "", "the swarm has no leader", *LEADER)


def test_a_manager_that_the_others_do_not_reach(overlay):
    overlay.nodes[2] = {"manager": "unreachable"}
    assert words(only(overlay)) == (
        "error",
        "swarm.manager",
        "",
        "manager host2 (10.0.0.12) is unreachable",
        "",
        "is its host up, and does TCP 2377 of it answer? `docker node demote` if it is gone for good",
    )
    assert only(overlay).moment == swarm.SECONDS


def test_what_a_manager_says_of_itself_is_one_bounded_line(overlay):
    overlay.nodes[2] = {"manager": "un\x1b[31mknown\n" + "x" * 99}
    assert only(overlay).finding.seen == (
        "manager host2 (10.0.0.12) is un [31mknown xxxxxxxxxxxxxxxxxxxxxxxxx …"
    )


def test_an_even_number_of_managers_is_a_warning():
    overlay = SwarmOverlay(managers=1)
    overlay.site.nodes |= {"x": {"name": "far", "role": "manager", "address": "10.9.9.9"}}
    assert words(only(overlay)) == (
        "warning",
        "swarm.managers",
        "",
        "the swarm has 2 managers",
        "no more of them may fail than of 1, and one more can",
        "`swarm: managers:` says more",
    )


def test_managers_of_other_hosts_count(overlay):
    overlay.site.nodes |= {"x": {"name": "far", "role": "manager", "address": "10.9.9.9", "gone": 1}}
    assert overlay.told() == [
        ("swarm.manager", "", "manager far (10.9.9.9) is unreachable"),
        ("swarm.managers", "", "the swarm has 4 managers"),
    ]


@pytest.mark.parametrize("state", ["down", "unknown", "disconnected"])
def test_a_node_that_is_not_ready_while_its_engine_runs(state):
    overlay = SwarmOverlay(managers=1)
    overlay.nodes[3] = {"state": state}
    assert words(only(overlay)) == (
        "error",
        "swarm.node",
        "host3",
        f"its node is {state}, as the managers see it",
        "its engine is not told of networks, nor of containers on other hosts",
        "see `journalctl -u docker` on it: does TCP 2377 of a manager answer?",
    )
    assert only(overlay).moment == swarm.SECONDS


def test_a_node_that_runs_no_services_is_a_note(overlay):
    overlay.nodes[3] = {"availability": "drain"}
    assert words(only(overlay)) == (
        "note",
        "swarm.availability",
        "host3",
        "its node is set to drain: services don't run there",
        "",
        "",
    )


def test_words_of_a_node_are_one_bounded_line(overlay):
    overlay.nodes[3] = {"state": "x" * 99, "availability": "y\n" * 99}
    assert [seen for _, _, seen in overlay.told()] == [
        f"its node is {'x' * 38} …, as the managers see it",
        f"its node is set to {'y ' * 19} …: services don't run there",
    ]


def test_an_engine_that_is_in_no_swarm_is_told_once():
    overlay = SwarmOverlay(managers=1)
    box = overlay.site.boxes["host3"]
    box.containers.clear()
    overlay.attachments[3] = ()
    overlay.site._leave(box)
    (ours, others) = overlay.faults()
    assert words(ours) == (
        "error",
        "swarm.node",
        "host3",
        "the engine is no node of the swarm",
        "",
        "`fab deploy-overlay` sets that right",
    )
    assert ours.moment == MOMENT
    assert others.finding.check == "swarm.others", "what it was before"


def test_an_engine_of_another_swarm_is_no_node_of_this_one(overlay):
    overlay.site.boxes["host3"].member = {"state": "active", "node": "other", "address": vtep(3)}
    assert overlay.told() == [("swarm.node", "host3", "the engine is no node of the swarm")]


def test_hosts_that_were_never_deployed_are_in_no_swarm():
    site = Site(inventory_of(2, backend="swarm", store={}))
    overlay = SwarmOverlay()
    overlay.site = site
    assert overlay.told() == [
        ("swarm.leader", "", "no manager of the swarm answers"),
        ("engines.store", "host1", "the running engine is in no swarm"),
        ("engines.store", "host2", "the running engine is in no swarm"),
    ]


def test_a_host_whose_engine_is_down_is_none_of_the_others():
    """Nobody is told to remove the node of a host that is to come back."""
    overlay = SwarmOverlay(managers=1)
    overlay.site.boxes["host3"].running = False
    overlay.attachments[3] = None
    assert overlay.told() == [("engines.running", "host3", "the engine is down: the engine does not answer")]


def test_nodes_of_other_hosts_are_told_only_where_they_do_not_answer(overlay):
    overlay.site.nodes |= {
        "x" * 25: {"name": "far", "role": "worker", "address": "10.9.9.9"},
        "y" * 25: {"name": "gone", "role": "worker", "address": "10.9.9.8", "gone": 1},
    }
    assert words(only(overlay)) == (
        "note",
        "swarm.others",
        "",
        "node gone (10.9.9.8), which is none of these hosts, is down",
        "",
        "`docker node rm yyyyyyyyyyyy` if it is gone for good",
    )


GOSSIP_FIX = "does 7946 (TCP and UDP) of them answer? Else restart the engine, which joins anew"


def test_an_engine_that_does_not_see_another_in_the_gossip_of_a_network(overlay):
    overlay.peers[1] = {NETWORK: frozenset({vtep(1)})}
    assert words(only(overlay)) == (
        "error",
        "swarm.gossip",
        "host1",
        "the engine does not see host2, host3 in the gossip of overweave",
        "containers that start while it is split are dead to each other",
        GOSSIP_FIX,
    )
    assert only(overlay).moment == swarm.SECONDS


def test_islands_are_told_of_both_sides(overlay):
    overlay.peers[3] = {NETWORK: frozenset({vtep(3)})}
    for n in (1, 2):
        overlay.peers[n] = {NETWORK: frozenset({vtep(1), vtep(2)})}
    assert overlay.told() == [
        ("swarm.gossip", "host1", "the engine does not see host3 in the gossip of overweave"),
        ("swarm.gossip", "host2", "the engine does not see host3 in the gossip of overweave"),
        ("swarm.gossip", "host3", "the engine does not see host1, host2 in the gossip of overweave"),
    ]


def test_an_engine_is_to_see_only_hosts_that_have_containers_on_the_network(overlay):
    idle(overlay)
    for n in (1, 2):
        overlay.peers[n] = {NETWORK: frozenset({vtep(1), vtep(2)})}
    overlay.peers[3] = {}
    assert overlay.told() == []


def certified(overlay, left, *, running=True):
    """What is told of the certificate of host2, of 90 days, when so many are left of them."""
    live = overlay.live()
    its = live.fleet.hosts["host2"]
    engine = replace(its.engine, running=running)
    certificate = NodeCertificate(NOW, NOW + timedelta(days=90), NOW + timedelta(days=90 - left))
    hosts = live.fleet.hosts | {"host2": replace(its, engine=engine, node_certificate=certificate)}
    live = replace(live, fleet=replace(live.fleet, hosts=hosts))
    return [words(fault) for fault in swarm.certificates(overlay.site.fleet, live, None)]


def test_a_nodes_certificate_that_its_engine_has_not_renewed_is_told_before_it_ends(overlay):
    assert certified(overlay, 19) == []
    seen = "its certificate as a node of the swarm ends on 2026-04-01, and its engine has not renewed it"
    matters = "from then on its engine can't be in the swarm (moby#42660)"
    start = "start it before that day: `systemctl start docker`"
    reach = (
        "does TCP 2377 of the managers answer it, and has the swarm a leader? `fab rotate-certificates` "
        "makes all of them anew"
    )
    for running, fix in ((True, reach), (False, start)):
        (told,) = certified(overlay, 17, running=running)
        assert told == ("warning", "swarm.certificate", "host2", seen, matters, fix)


def test_a_nodes_certificate_that_has_ended_is_an_error_and_the_node_has_to_join_anew(overlay):
    assert certified(overlay, 0) == [
        (
            "error",
            "swarm.certificate",
            "host2",
            "its certificate as a node of the swarm ended on 2026-04-01",
            "its engine can't be in the swarm any more (moby#42660)",
            "`docker swarm leave --force` there, then `fab deploy-overlay` lets it join anew; where most "
            "managers are so, `fab destroy-overlay` first",
        )
    ]


def test_an_engine_that_was_not_asked_for_its_peers_is_blamed_for_nothing(overlay):
    overlay.peers[1] = {}
    assert overlay.told() == []


def test_an_engine_that_tells_no_address_is_missed_by_nobody(overlay):
    overlay.site.boxes["host3"].member |= {"address": ""}
    assert "swarm.gossip" not in {check for check, _, _ in overlay.told()}


def test_rows_are_read_as_with_a_store(overlay):
    overlay.change(1, forwarding=(forwarding(2, vtep=vtep(3)), forwarding(3)))
    assert overlay.told() == [
        (
            "rows.vtep",
            "host1",
            "the forwarding row for app-host2 on host2 (10.211.0.3 on overweave) leads to 10.0.0.13, "
            "not to 10.0.0.12",
        )
    ]
    (step,) = plan(overlay).steps
    assert isinstance(step, MendRows)
    assert (step.namespace, step.write) == (SPACE, (Row(address(2), mac(2), vtep(2)),))


def test_addresses_of_services_are_nobodys_stale_endpoints(overlay):
    """Their endpoints are the engine's own: no container shows them."""
    overlay.balancers = (
        Endpoint("b" * 64, "overweave-endpoint", NETWORK, "10.211.0.40", "02:42:0a:d3:00:28", vtep(1)),
    )
    overlay.inspected[1] = frozenset({"b" * 64})
    assert overlay.told() == []


def test_one_address_twice_is_mended_without_the_books_of_a_store(overlay):
    overlay.attachments[3] = (joined(3, address=address(2), mac=mac(3)),)
    overlay.spaces = {n: {SPACE: replace(swarm_space(n), neighbours=(), forwarding=())} for n in (1, 2, 3)}
    assert overlay.told() == [
        (
            "endpoints.duplicate",
            "",
            "10.211.0.3 on overweave is the address of app-host2 on host2 and app-host3 on host3",
        )
    ]
    (step,) = plan(overlay).steps
    assert isinstance(step, RejoinNetwork)
    assert (step.host, step.container, step.keep) == ("host3", "app-host3", None)


def test_a_container_that_has_no_address_yet_does_not_have_that_of_a_gateway(overlay):
    """Engines don't tell a swarm's gateways: nobody knows whose address that is."""
    overlay.attachments[1] = (joined(1), joined(9, container="new", address="", mac=""))
    assert "endpoints.gateway" not in {check for check, _, _ in overlay.told()}


def test_a_manager_that_is_locked_is_opened_with_the_key_of_another(overlay):
    overlay.site.boxes["host1"].member["state"] = "locked"
    (fault,) = (f for f in overlay.faults() if f.finding.severity is Severity.ERROR)
    assert words(fault)[:3] == ("error", "swarm.locked", "host1")
    assert fault.finding.fix == "`fab repair` unlocks it with the key that another manager knows"
    plan = repair(overlay.site.fleet, overlay.live(), (fault,))
    assert [(s.title, str(s.steps[0])) for s in plan.stages] == [
        ("locked managers", "unlock its manager with the key that host2 knows")
    ]


def test_managers_that_are_all_locked_need_a_key_that_was_kept(overlay):
    for name in overlay.site.boxes:
        overlay.site.boxes[name].member = {"state": "locked"}
    locked, leader = [f for f in overlay.faults() if f.finding.host in ("", "host2")]
    assert words(locked) == (
        "error",
        "swarm.locked",
        "host2",
        "its manager is locked: it waits for the swarm's unlock key since its engine started",
        "it takes no part in the swarm, and no container on the swarm's networks starts there",
        "`fab unlock-swarm --key FILE` with the key that was kept; or name one that is not locked",
    )
    assert words(leader)[1:4] == ("swarm.leader", "", "no manager of the swarm answers")
    assert leader.finding.fix == "unlock its managers"


def test_a_device_that_a_killed_engine_has_left_is_known_by_its_vni(overlay):
    left = link("vx-001001-aaaaa", "vxlan", vni=VNI, port=DEVICE.port)
    overlay.hosts[2] = Namespace("host", 500, (left,), (), (), ())
    assert overlay.told() == [
        ("vxlan.left", "host2", f"vxlan device vx-001001-aaaaa has VNI {VNI} of network overweave")
    ]
    overlay.site.boxes["host1"].member["port"] = 4790
    assert overlay.told() == [], "another port does not stand in the way of that one"
    overlay.hosts[2] = Namespace("host", 500, (replace(left, port=4790),), (), (), ())
    assert [check for check, _, _ in overlay.told()] == ["vxlan.left"]


def test_a_namespace_that_a_swarm_keeps_without_containers_is_no_leftover(overlay):
    idle(overlay)
    overlay.change(3, links=(link("br0", "bridge"), DEVICE))
    assert overlay.told() == []


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"boot_failed": True}, "overweave-boot.service gave up"),
        ({"boot_enabled": False}, "overweave-boot.service is not enabled"),
    ],
)
def test_the_boot_unit_of_a_swarms_host_is_looked_at(overlay, changes, seen):
    for key, value in changes.items():
        setattr(overlay.site.boxes["host2"], key, value)
    assert overlay.told() == [("boot.unit", "host2", seen)]
    overlay.site.boxes["host2"].before = None
    assert overlay.told() == [], "it is none of a deployment's hosts"


def test_an_engine_of_a_swarm_restarts_behind_a_gate_that_asks_no_store(overlay):
    overlay.site.boxes["host3"].stray_threads = 1
    (fault,) = overlay.faults()
    assert fault.finding.check == "engines.threads"
    restart, gate = plan(overlay).steps
    assert isinstance(restart, RestartEngine)
    assert isinstance(gate, PassGate)
    assert (gate.hosts, gate.nodes, gate.gossip, gate.started) == (("host3",), {}, {}, True)


def test_faults_are_told_with_the_gravest_first(overlay):
    overlay.nodes |= {1: {"availability": "pause"}, 2: {"manager": "unknown"}}
    overlay.site.nodes |= {"x": {"name": "far", "role": "manager", "address": "10.9.9.9"}}
    assert [fault.finding.severity for fault in overlay.faults()] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.NOTE,
    ]
