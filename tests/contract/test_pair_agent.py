"""The program that measures paths, for real: two or three namespaces of this machine on one wire."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest
from tests.contract.spaces import NETWORK, ONE, PREFIX, THREE, TWO, must

from overweave.adapters.clock import SystemClock
from overweave.facts.pair_agent import SECONDS, Agent, End
from overweave.facts.pair_report import Port
from overweave.facts.pairs import measure
from overweave.facts.paths import Listen
from overweave.fleet import Cancel
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

TCP, UDP = Port("tcp", 7946), Port("udp", 7946)
GOSSIP = (Listen(TCP, frozenset({"dockerd"})), Listen(UDP, frozenset({"dockerd"})))


@pytest.fixture
def measured(spaces):
    def run(*, mtu=1500, vxlan=4789, listens=GOSSIP, more=None):
        cancel = Cancel()
        listening = dict.fromkeys(spaces, listens) | (more or {})
        addresses = {name: space.address for name, space in spaces.items()}
        found = measure(
            spaces, addresses, listening, mtu=mtu, vxlan=vxlan, clock=SystemClock(cancel), cancel=cancel
        )
        for space in spaces.values():
            space.process.wait(10)
        wait_for(
            lambda: not any(s.listening() for s in spaces.values()) or more, 10, "an end to all listeners"
        )
        return found

    return run


def bad(facts, mtu=1500):
    """What of a direction is not as it should be."""
    found = {}
    for direction, path in facts.paths.items():
        wrong = {str(port) for port, result in path.ports.items() if result != "ok"}
        for name, its, size in (("icmp", path.underlay, mtu), ("vxlan", path.vxlan, mtu - 50)):
            if its is None or not its.arrived:
                wrong.add(name)
            elif its.largest != size:
                wrong.add(f"{name} {its.largest}")
        if wrong:
            found[direction] = wrong
    return found


def test_all_is_well(measured):
    facts = measured()
    assert len(facts.paths) == 6
    assert bad(facts) == {}
    for path in facts.paths.values():
        assert set(path.ports) == {TCP, UDP}
        for its in (path.underlay, path.vxlan):
            assert (its.sent, its.arrived, its.error) == (10, 10, "")
            assert 0 < its.milliseconds < 1000


def test_it_is_quick_and_a_single_host_is_enough(spaces):
    cancel = Cancel()
    clock = SystemClock(cancel)
    before = clock.monotonic()
    facts = measure(
        spaces, {ONE: f"{NETWORK}.1"}, {ONE: GOSSIP}, mtu=1500, vxlan=4789, clock=clock, cancel=cancel
    )
    assert clock.monotonic() - before < 2
    assert (facts.paths, facts.ends[ONE].lost, facts.ends[ONE].no_vxlan) == ({}, "", "")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (("-p", "udp", "--dport", "4789"), "vxlan"),
        (("-p", "udp", "--dport", "7946"), "UDP 7946"),
        (("-p", "tcp", "--dport", "7946"), "TCP 7946"),
        (("-p", "icmp", "--icmp-type", "echo-request"), "icmp"),
    ],
)
def test_what_is_dropped_one_way_is_missing_one_way(spaces, measured, rule, expected):
    spaces[TWO].do("iptables", "-A", "INPUT", "-s", spaces[ONE].address, *rule, "-j", "DROP")
    assert bad(measured()) == {(ONE, TWO): {expected}}


def test_frames_go_to_the_port_that_the_overlay_is_to_have(spaces, measured):
    rule = ("INPUT", "-s", spaces[ONE].address, "-p", "udp", "--dport", "4790", "-j", "DROP")
    spaces[TWO].do("iptables", "-A", *rule)
    found = measured(vxlan=4790)
    assert (bad(found), found.vxlan) == ({(ONE, TWO): {"vxlan"}}, 4790)
    assert bad(measured()) == {}


def test_how_a_port_is_closed_is_told(spaces, measured):
    def reject(space, protocol, how):
        rule = ("INPUT", "-s", spaces[ONE].address, "-p", protocol, "--dport", "7946")
        space.do("iptables", "-A", *rule, "-j", "REJECT", "--reject-with", how)

    reject(spaces[TWO], "tcp", "tcp-reset")
    reject(spaces[TWO], "udp", "icmp-port-unreachable")
    reject(spaces[THREE], "tcp", "icmp-admin-prohibited")
    rule = ("OUTPUT", "-d", spaces[TWO].address, "-p", "udp", "--dport", "7946", "-j", "DROP")
    spaces[THREE].do("iptables", "-A", *rule)
    paths = measured().paths
    assert paths[ONE, TWO].ports == {TCP: "ECONNREFUSED", UDP: "ECONNREFUSED"}
    assert paths[ONE, THREE].ports == {TCP: "EHOSTUNREACH", UDP: "ok"}
    assert paths[THREE, TWO].ports == {TCP: "ok", UDP: "EPERM"}


def test_the_largest_packet_that_passes_whole(spaces, measured):
    must("ip", "-n", f"{PREFIX}0", "link", "set", "port2", "mtu", "1420")
    facts = measured()
    # A wire lets 4 bytes more pass, for the tag of a VLAN.
    assert 1420 <= facts.paths[TWO, ONE].underlay.largest <= 1424
    assert 1420 <= facts.paths[TWO, ONE].vxlan.largest + 50 <= 1424
    assert facts.paths[ONE, THREE].underlay.largest == 1500
    assert bad(measured(mtu=1400), mtu=1400) == {}


def test_jumbo_frames(spaces, measured):
    for n, space in enumerate(spaces.values(), 1):
        must("ip", "-n", f"{PREFIX}0", "link", "set", f"port{n}", "mtu", "9000")
        must("ip", "-n", space.name, "link", "set", "eth0", "mtu", "9000")
    assert bad(measured(mtu=9000), mtu=9000) == {}


SERVE = """\
import socket, sys
from pathlib import Path
Path("/proc/self/comm").write_text("dockerd")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 7946))
tcp = socket.socket()
tcp.bind((sys.argv[1], 7946))
tcp.listen()
print("up", flush=True)
while True:
    data, who = udp.recvfrom(2048)
    print(data.hex(), flush=True)
    udp.sendto(b"\\x02\\x81\\xa5SeqNo\\x01", who)
"""


def test_an_owner_of_a_port_answers_for_itself_and_a_stranger_is_named(spaces, measured):
    with spaces[TWO].run("python3", "-c", SERVE, spaces[TWO].address) as engine:
        assert engine.stdout.readline() == "up\n"
        try:
            facts = measured(more={ONE: GOSSIP})
            strangers = measured(
                more={name: (Listen(TCP, frozenset({"consul"})), Listen(UDP)) for name in spaces}
            )
        finally:
            engine.kill()
        pings = engine.stdout.read().split()
    assert bad(facts) == {}
    assert facts.paths[ONE, TWO].ports == {TCP: "ok", UDP: "ok"}
    assert [(t.port, t.errno, t.process) for t in facts.ends[TWO].taken] == [
        (TCP, "EADDRINUSE", "dockerd"),
        (UDP, "EADDRINUSE", "dockerd"),
    ]
    # As memberlist reads it: type 0, and a map of SeqNo and of the name of the node that is meant, none.
    assert set(pings) == {b"\x00\x82\xa5SeqNo\x01\xa4Node\xa0".hex()}
    assert strangers.paths[ONE, TWO].ports == {}
    assert [t.process for t in strangers.ends[TWO].taken] == ["dockerd", "dockerd"]


def test_a_kernels_own_vxlan_devices_share_the_port_and_another_socket_does_not(spaces, measured):
    spaces[ONE].do("ip", "link", "add", "vx0", "up", "type", "vxlan", "id", "256", "dstport", "4789",
                   "local", spaces[ONE].address)  # fmt: skip
    assert bad(measured(more={ONE: GOSSIP})) == {}
    with spaces[TWO].run("python3", "-c", HOLD, spaces[TWO].address) as holder:
        assert holder.stdout.readline() == "1\n"
        try:
            facts = measured(more={ONE: GOSSIP})
        finally:
            holder.kill()
    assert "Address already in use" in facts.ends[TWO].no_vxlan
    assert facts.ends[ONE].no_vxlan == ""
    assert [d for d, path in facts.paths.items() if path.vxlan] == [(ONE, THREE), (THREE, ONE)]
    assert bad(facts) == {d: {"vxlan"} for d in facts.paths if TWO in d}


HOLD = """\
import signal, socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 4789))
print(1, flush=True)
signal.pause()
"""


def without(tmp_path, *missing):
    """A PATH of what the program needs, without some."""
    for name in {"sh", "perl", "ip", "bridge", "unshare", "ss", "cat"} - {*missing}:
        (tmp_path / name).symlink_to(shutil.which(name))
    return str(tmp_path)


def test_a_host_without_perl_does_not_keep_the_others_from_it(spaces, measured, tmp_path):
    spaces[TWO].path = without(tmp_path, "perl")
    facts = measured()
    assert facts.ends[TWO].lost == "there is no perl"
    assert set(facts.paths) == {(ONE, THREE), (THREE, ONE)}
    assert bad(facts) == {}


def test_a_host_without_namespaces_measures_the_rest(spaces, measured, tmp_path):
    spaces[TWO].path = without(tmp_path, "unshare")
    facts = measured()
    assert facts.ends[TWO].no_vxlan == "namespace: unshare ended"
    assert bad(facts) == {d: {"vxlan"} for d in facts.paths if TWO in d}


def test_a_host_without_ss_can_not_say_whose_a_port_is(spaces, measured, tmp_path):
    spaces[TWO].path = without(tmp_path, "ss")
    with spaces[TWO].run("python3", "-c", SERVE, spaces[TWO].address) as engine:
        assert engine.stdout.readline() == "up\n"
        try:
            facts = measured(more={ONE: GOSSIP})
        finally:
            engine.kill()
    assert [t.process for t in facts.ends[TWO].taken] == ["", ""]


def prepared(space):
    """An agent that holds its ports and has its device."""
    cancel = Cancel()
    agent = Agent(
        space, End(0, space.address), token="0123456789abcdef", vni=16_000_001, mtu=1500, vxlan=4789
    )
    agent.tell([f"hold tcp 7946 {space.address}", "prepare"])
    assert agent.listen(
        lambda report: {("host", "ready"), ("vxlan", "ready")} <= report.said, 10, SystemClock(cancel), cancel
    )
    assert len(space.listening()) == 2
    return agent


def namespaces_of(pid):
    """Processes below one, and how many network namespaces they are in."""
    children = must("ps", "-o", "pid=", "--ppid", str(pid)).split()
    return children, {os.readlink(f"/proc/{child}/ns/net") for child in children}


@pytest.mark.parametrize("end", ["its input ends", "it is killed"])
def test_nothing_is_left_when_it_ends_without_a_word(spaces, end):
    agent = prepared(spaces[ONE])
    children, networks = namespaces_of(spaces[ONE].process.pid)
    assert len(networks) == 1
    if end == "its input ends":
        agent.close()
    else:
        spaces[ONE].process.kill()
    spaces[ONE].process.wait(10)
    wait_for(lambda: not spaces[ONE].listening(), 10, "the end of the listeners")
    wait_for(lambda: not any(os.path.exists(f"/proc/{c}") for c in children), 10, "the end of the child")
    with contextlib.suppress(OSError):
        agent.close()


def test_it_ends_by_itself_when_nobody_ends_it(spaces):
    """A machine that dies without a word leaves the connection open for a long while."""
    agent = prepared(spaces[ONE])
    spaces[ONE].process.wait(SECONDS + 5)
    wait_for(lambda: not spaces[ONE].listening(), 10, "the end of the listeners")
    agent.close()
