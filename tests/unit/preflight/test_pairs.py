"""One thing is wrong between the hosts, and exactly that is found."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from tests.golden.site import Site, inventory_of
from tests.unit.preflight.test_machines import CLEAN, tables

from overweave.facts.firewall import Firewall
from overweave.facts.kernel import Kernel
from overweave.facts.pair_report import Port, Taken
from overweave.facts.paths import HostEnd, PairFacts, Path, Travel
from overweave.firewall.rules import Tool
from overweave.model import SPEC_LABEL
from overweave.preflight import everything, firewall, pairs, travel
from overweave.preflight.finding import Severity

GOSSIP = (Port("tcp", 7946), Port("udp", 7946))
STORE = Port("tcp", 8501)
SPARE = Port("tcp", 8300)
GOOD = Travel(10, 10, 1500, 0.2)
INSIDE = Travel(10, 10, 1450, 0.3)
CHECKS = [check for check in everything.CHECKS if check.__module__ in (pairs.__name__, travel.__name__)]


class Wire:
    """Hosts whose paths are all fine, until one is broken."""

    def __init__(self, count=3, mtu=1500):
        self.site = Site(inventory_of(count))
        hosts = self.site.fleet.names
        self.ends = {n: HostEnd(self.site.boxes[n].address) for n in hosts}
        self.mtu = mtu
        self.machines = {}
        self.paths = {
            (a, b): Path(
                dict.fromkeys((*GOSSIP, *((STORE, SPARE) if b == "host1" else ())), "ok"), GOOD, INSIDE
            )
            for a, b in permutations(hosts, 2)
        }

    def close(self, port, *directions, how="silent"):
        for d in directions:
            self.paths[d] = replace(self.paths[d], ports={**self.paths[d].ports, port: how})

    def change(self, direction, **more):
        self.paths[direction] = replace(self.paths[direction], **more)

    @property
    def facts(self):
        return replace(
            self.site.facts(), pairs=PairFacts(self.mtu, self.ends, self.paths), machines=self.machines
        )

    def found(self):
        return [f for check in CHECKS for f in check(self.site.fleet, self.facts)]

    def only(self):
        (finding,) = self.found()
        return finding


NOTHING = Travel(30, 0, 0)


@pytest.fixture
def wire():
    return Wire()


def brief(finding):
    return finding.severity, finding.check, finding.host, finding.peer


@pytest.mark.parametrize("count", [1, 2, 3, 25])
def test_paths_that_are_fine_are_no_finding(count):
    assert Wire(count).found() == []


def test_what_was_not_looked_at_is_no_finding():
    site = Site()
    assert [f for check in CHECKS for f in check(site.fleet, site.facts())] == []


def test_vxlan_one_way(wire):
    wire.change(("host2", "host1"), vxlan=NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.vxlan", "host2", "host1")
    assert finding.seen == ("UDP 4789: VXLAN frames do not arrive; one way: from host1 to host2 it is fine")
    assert finding.matters == "names resolve and nothing answers (moby#33416, moby#29979, swarmkit#1434)"
    assert finding.fix == (
        "open UDP 4789 from 10.0.0.12 to 10.0.0.11: "
        "`iptables -I INPUT -p udp --dport 4789 -s 10.0.0.12 -j ACCEPT` on host1"
    )


def test_another_port_of_a_swarm_is_told_as_that_one():
    wire = Wire()
    wanted = inventory_of(3, backend="swarm", store={}, swarm={"port": 4790})
    wire.site = Site(wanted)
    wire.change(("host2", "host1"), vxlan=NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.vxlan", "host2", "host1")
    assert finding.seen.startswith("UDP 4790: VXLAN frames do not arrive")
    assert "--dport 4790" in finding.fix
    wire = Wire()
    wire.site = Site(wanted)
    wire.ends["host2"] = replace(wire.ends["host2"], no_vxlan="up: RTNETLINK answers: Address already in use")
    assert wire.only().seen.startswith("UDP 4790 is taken by something else than a VXLAN device")
    assert "sport = :4790`" in wire.only().fix
    wire = Wire()
    wire.site = Site(wanted)
    for d in wire.paths:
        wire.paths[d] = Path(dict.fromkeys(wire.paths[d].ports, "silent"), NOTHING, NOTHING)
    assert wire.only().fix.endswith("let firewalls pass UDP 4790, TCP and UDP 7946")


def test_a_rule_that_drops_another_port_of_a_swarm_is_told():
    wire = Wire()
    wire.site = Site(inventory_of(3, backend="swarm", store={}, swarm={"port": 4790}))
    dropping = tables("-A INPUT -p udp --dport 4790 -j DROP")
    wire.machines["host2"] = replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, dropping))
    (rule,) = firewall.rules(wire.site.fleet, replace(wire.facts, pairs=None))
    assert rule.seen.endswith("drops udp 4790 from host1, host3")
    assert rule.matters.startswith("names would resolve and nothing would answer")
    (seen,) = firewall.rules(wire.site.fleet, wire.facts)
    assert seen.severity is Severity.NOTE, "its frames were seen to arrive"


def test_vxlan_both_ways_is_told_of_both_directions(wire):
    for d in (("host2", "host1"), ("host1", "host2")):
        wire.change(d, vxlan=NOTHING)
    found = wire.found()
    assert [brief(f) for f in found] == [
        (Severity.ERROR, "pairs.vxlan", "host1", "host2"),
        (Severity.ERROR, "pairs.vxlan", "host2", "host1"),
    ]
    assert all(f.seen == "UDP 4789: VXLAN frames do not arrive" for f in found)


def test_vxlan_of_one_host_is_told_once(wire):
    for d in wire.paths:
        if "host2" in d:
            wire.change(d, vxlan=NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.vxlan", "host2", "")
    assert finding.seen == (
        "UDP 4789: VXLAN frames do not arrive: from it and to it, with all of its peers (host1 and host3)"
    )
    assert finding.fix.endswith("`iptables -I INPUT -p udp --dport 4789 -j ACCEPT` on host2")


def test_vxlan_of_no_host_is_told_once():
    wire = Wire(25)
    for d in wire.paths:
        wire.change(d, vxlan=NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.vxlan", "", "")
    assert "in 600 directions: host1 -> host2, " in finding.seen
    assert finding.seen.endswith(" and 595 more")


@pytest.mark.parametrize("port", [*GOSSIP, STORE])
@pytest.mark.parametrize(
    ("how", "seen", "fix"),
    [
        ("silent", "no answer", "INPUT -p {} --dport {} -s 10.0.0.12 -j ACCEPT` on host1"),
        ("ECONNREFUSED", "refused", "INPUT -p {} --dport {} -s 10.0.0.12 -j ACCEPT` on host1"),
        ("EHOSTUNREACH", "rejected on the way (EHOSTUNREACH)", "` on host1"),
        ("mute", "a connection that carries nothing", "` on host1"),
        ("E199", "E199", "` on host1"),
        (
            "EPERM",
            "forbidden by the sender's own firewall (EPERM)",
            "OUTPUT -p {} --dport {} -d 10.0.0.11 -j ACCEPT` on host2",
        ),
    ],
)
def test_a_port_that_is_closed(wire, port, how, seen, fix):
    wire.close(port, ("host2", "host1"), how=how)
    finding = wire.only()
    assert brief(finding) == (
        Severity.ERROR,
        f"pairs.{port.protocol}-{port.number}",
        "host2",
        "host1",
    )
    back = "" if port == STORE else "; one way: from host1 to host2 it is fine"
    assert finding.seen == f"{port}: {seen}{back}"
    assert finding.fix.endswith(fix.format(port.protocol, port.number))
    assert finding.matters


def test_the_stores_port_that_nobody_reaches_is_told_once(wire):
    wire.close(STORE, ("host2", "host1"), ("host3", "host1"))
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.tcp-8501", "host1", "")
    assert "to it, from all of its peers (host2 and host3)" in finding.seen


def test_what_one_server_does_not_need_is_a_note(wire):
    wire.close(SPARE, ("host2", "host1"), ("host3", "host1"))
    finding = wire.only()
    assert brief(finding) == (Severity.NOTE, "pairs.store-peers", "", "")
    assert finding.seen == "TCP 8300 closed: host2 -> host1 and host3 -> host1"


def test_a_direction_where_nothing_arrives_is_told_once(wire):
    """And its way back has no connections for want of answers, which is no second cause."""
    dead = Path(dict.fromkeys((*GOSSIP, STORE, SPARE), "silent"), NOTHING, NOTHING)
    wire.paths["host2", "host1"] = dead
    wire.close(GOSSIP[0], ("host1", "host2"))
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.path", "host2", "host1")
    assert "10.0.0.11" in finding.fix
    assert "`advertise:`" in finding.fix
    assert "moby#17248" in finding.matters


def test_a_host_whose_address_nobody_reaches_is_told_once(wire):
    for d in list(wire.paths):
        if "host3" in d:
            wire.paths[d] = Path(dict.fromkeys(wire.paths[d].ports, "silent"), NOTHING, NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.path", "host3", "")


def test_echo_requests_that_are_filtered_are_a_note_and_sizes_come_from_vxlan(wire):
    for d in wire.paths:
        wire.change(d, underlay=NOTHING)
    finding = wire.only()
    assert brief(finding) == (Severity.NOTE, "pairs.icmp", "", "")
    assert "between any hosts" in finding.seen
    wire.change(("host1", "host2"), vxlan=Travel(10, 10, 1350, 0.2))
    mtu, _ = wire.found()
    assert brief(mtu) == (Severity.ERROR, "pairs.mtu", "host1", "host2")
    assert "--mtu 1400" in mtu.fix


def test_an_mtu_that_is_too_big_for_a_path(wire):
    wire.change(("host1", "host2"), underlay=Travel(10, 10, 1400, 0.2), vxlan=Travel(10, 10, 1350, 0.2))
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "pairs.mtu", "host1", "host2")
    assert finding.seen == (
        "packets of 1500 bytes do not arrive, or only cut up, those up to 1400 pass whole"
    )
    assert "`network: mtu: 1400`" in finding.fix
    assert "moby#24906" in finding.matters


def test_packets_that_are_cut_up_on_the_way_are_a_warning(wire):
    for d in wire.paths:
        if d[1] == "host2":
            wire.change(d, underlay=Travel(10, 10, 1420, 0.2))
    finding = wire.only()
    assert brief(finding) == (Severity.WARNING, "pairs.mtu", "host2", "")


def test_an_mtu_that_fits_a_small_path_is_no_finding():
    wire = Wire(mtu=1400)
    for d in wire.paths:
        wire.change(d, underlay=Travel(10, 10, 1400, 0.2), vxlan=Travel(10, 10, 1350, 0.2))
    assert wire.found() == []


def test_a_full_packet_lost_among_others_says_nothing_about_sizes(wire):
    wire.change(("host1", "host2"), underlay=Travel(30, 20, 1492, 0.2))
    assert wire.only().check == "pairs.loss"


def test_loss_is_a_warning(wire):
    wire.change(("host1", "host2"), underlay=Travel(30, 27, 1500, 0.2))
    finding = wire.only()
    assert brief(finding) == (Severity.WARNING, "pairs.loss", "host1", "host2")
    assert finding.seen == "packets get lost, up to 3 of 30"


def test_echoes_that_a_firewall_limits_are_no_loss_and_hide_no_size(wire):
    wire.change(("host1", "host2"), underlay=Travel(30, 7, 84, 0.2))
    assert wire.found() == []
    wire.change(("host1", "host2"), vxlan=Travel(10, 10, 1350, 0.2))
    assert wire.only().check == "pairs.mtu"


def test_a_single_packet_is_no_loss(wire):
    wire.change(("host1", "host2"), underlay=Travel(30, 29, 1500, 0.2))
    assert wire.found() == []


def test_a_long_round_trip_is_a_note(wire):
    for d in (("host1", "host2"), ("host2", "host1")):
        wire.change(d, underlay=replace(GOOD, milliseconds=180.0))
    finding = wire.only()
    assert brief(finding) == (Severity.NOTE, "pairs.round-trip", "host1", "host2")
    assert finding.seen == "a round trip takes 180 ms, and more than 100 ms in 1 more"


@pytest.mark.parametrize(
    ("why", "check", "severity"),
    [
        ("device: RTNETLINK answers: Operation not supported", "pairs.vxlan-device", Severity.ERROR),
        ("device: Error: Unknown device type.", "pairs.vxlan-device", Severity.ERROR),
        ("up: RTNETLINK answers: Address already in use", "pairs.vxlan-port", Severity.ERROR),
        ("namespace: unshare ended", "pairs.measured", Severity.WARNING),
        ("device: RTNETLINK answers: Operation not permitted", "pairs.measured", Severity.WARNING),
    ],
)
def test_a_kernel_without_vxlan(wire, why, check, severity):
    wire.ends["host2"] = replace(wire.ends["host2"], no_vxlan=why)
    for d in wire.paths:
        if "host2" in d:
            wire.change(d, vxlan=None)
    finding = wire.only()
    assert brief(finding) == (severity, check, "host2", "")
    assert why in finding.seen


def test_a_kernel_without_vxlan_is_told_once(wire):
    why = "RTNETLINK answers: Operation not supported"
    wire.ends["host2"] = replace(wire.ends["host2"], no_vxlan=f"device: {why}")
    kernel = Kernel({"bridge": "", "veth": "", "vxlan": why}, True, 1024, True, ())
    wire.machines["host2"] = replace(CLEAN, kernel=kernel)
    assert [f for f in wire.found() if f.check.startswith("pairs.")] == []


def test_what_a_rule_drops_is_told_with_the_rule(wire):
    dropping = tables("-A INPUT -p udp --dport 4789 -j DROP")
    wire.machines["host2"] = replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, dropping))
    for other in ("host1", "host3"):
        wire.change((other, "host2"), vxlan=NOTHING)
    assert [f.check for f in wire.found()] == []
    wire.change(("host2", "host3"), vxlan=NOTHING)
    assert [(f.check, f.host, f.peer) for f in wire.found()] == [("pairs.vxlan", "host2", "host3")]


def test_a_host_that_was_not_measured_is_a_warning(wire):
    wire.ends["host2"] = replace(wire.ends["host2"], lost="there is no perl")
    wire.paths = {d: path for d, path in wire.paths.items() if "host2" not in d}
    finding = wire.only()
    assert brief(finding) == (Severity.WARNING, "pairs.measured", "host2", "")
    assert "perl-base" in finding.fix


def taken(port, process, pid=12, address="10.0.0.11", errno="EADDRINUSE"):
    return Taken(port, address, errno, process, pid)


@pytest.mark.parametrize("port", GOSSIP)
def test_the_gossips_port_may_be_the_engines(wire, port):
    wire.ends["host1"] = replace(wire.ends["host1"], taken=(taken(port, "dockerd"),))
    assert wire.found() == []


@pytest.mark.parametrize(
    ("port", "process", "who"),
    [
        (GOSSIP[0], "serf", "taken by serf (pid 12)"),
        (GOSSIP[1], "consul", "taken by consul (pid 12)"),
        (STORE, "python3", "taken by python3 (pid 12)"),
        (STORE, "consul", "taken by consul (pid 12)"),
        (SPARE, "", "taken by something that has no process"),
        (Port("udp", 8600), "dnsmasq", "taken by dnsmasq (pid 12)"),
    ],
)
def test_a_port_that_somebody_else_has(wire, port, process, who):
    wire.ends["host1"] = replace(wire.ends["host1"], taken=(taken(port, process),))
    finding = wire.only()
    assert brief(finding) == (Severity.ERROR, "ports.taken", "host1", "")
    assert who in finding.seen
    assert finding.fix


def test_a_port_on_two_addresses_is_told_once(wire):
    its = (taken(STORE, "nginx"), taken(STORE, "nginx", address="127.0.0.1"))
    wire.ends["host1"] = replace(wire.ends["host1"], taken=its)
    assert wire.only().check == "ports.taken"


def test_the_stores_port_may_be_the_stores(wire):
    wire.ends["host1"] = replace(wire.ends["host1"], taken=(taken(STORE, "consul"), taken(SPARE, "consul")))
    wire.site.boxes["host1"].containers["consul"] = ["consul:1.8.7", True, {SPEC_LABEL: "x"}]
    assert wire.found() == []


def test_an_address_that_is_not_the_hosts_is_said(wire):
    wire.ends["host1"] = replace(wire.ends["host1"], taken=(taken(GOSSIP[0], "", errno="EADDRNOTAVAIL"),))
    assert "can't be opened (EADDRNOTAVAIL)" in wire.only().seen
