"""The program that measures how fast networks are, for real: three namespaces of this machine on one wire."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

import pytest
from tests.contract.spaces import NETWORK, ONE, PREFIX, THREE, TWO, must

from overweave.adapters.clock import SystemClock
from overweave.bench.answers import LIMIT, Answers
from overweave.bench.ends import End
from overweave.bench.figures import MEASURES, OVERLAY, UNDERLAY, Device
from overweave.bench.measure import Wanted, measure
from overweave.errors import Refused
from overweave.facts.remote_program import Program
from overweave.fleet import Cancel
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

INSIDE = "10.98.10"
"""Second addresses, in place of an overlay's."""


@pytest.fixture
def benched(spaces):
    """Benchmark the namespaces; what it started is over then."""
    inner = {}
    for n, space in enumerate(spaces.values(), 1):
        must("ip", "-n", space.name, "address", "add", f"{INSIDE}.{n}/24", "dev", "eth0")
        inner[space.name] = process = space.run("sh", "-c", "echo there; exec sleep 300")
        assert process.stdout.readline() == "there\n"

    def run(*names, seconds=0.2, streams=3, port=0):
        cancel = Cancel()
        ends = {
            name: End(f"{NETWORK}.{n}", f"{INSIDE}.{n}", inner[name].pid, Device("eth0", 1500, 1450))
            for n, name in enumerate((ONE, TWO, THREE), 1)
            if name in (names or spaces)
        }
        try:
            return measure(
                spaces,
                ends,
                "overlay",
                Wanted(seconds, streams, port),
                clock=SystemClock(cancel),
                cancel=cancel,
                progress=lambda host, what: None,
            )
        finally:
            for space in spaces.values():
                for process in space.processes:
                    process.wait(10)
            wait_for(lambda: not any(s.listening() for s in spaces.values()), 10, "an end to all listeners")

    yield run
    for process in inner.values():
        process.kill()
        process.wait()
        process.stdout.close()


def missing(result):
    return {
        (p.source, p.target, plane): dict(p.planes[plane].missing)
        for p in result.pairs
        for plane in p.planes
        if p.planes[plane].missing
    }


def test_every_figure_of_every_pair_is_there(benched):
    result = benched()
    assert {frozenset((p.source, p.target)) for p in result.pairs} == {
        frozenset(pair) for pair in ((ONE, TWO), (ONE, THREE), (TWO, THREE))
    }
    assert missing(result) == {}
    for pair in result.pairs:
        for plane in pair.planes.values():
            assert set(plane.flows) | set(plane.trips) == set(MEASURES)
            for flow in plane.flows.values():
                assert flow.bits_per_second > 1e8
                assert set(flow.busy) == {pair.source, pair.target}
                for busy in flow.busy.values():
                    assert 0 < busy.busiest <= 1
                    # Read one after the other: of a machine that is busy all the time either may be more.
                    assert 0 < busy.all < busy.busiest + 0.05
                    assert busy.cores == os.cpu_count()
            for its in plane.trips.values():
                assert 0 < its.p50 <= its.p90 <= its.p99 <= its.longest < 1000
                assert its.count > 10
                assert its.seconds == pytest.approx(0.2, abs=0.1)


def test_figures_are_what_the_link_is_like(spaces, benched):
    narrow = ("rate", "100mbit", "burst", "64k", "latency", "50ms")
    spaces[ONE].do("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *narrow)
    (result,) = benched(ONE, TWO, seconds=0.5).pairs
    for plane in result.planes.values():
        for flow in plane.flows.values():
            assert 70e6 < flow.bits_per_second < 115e6


def drop(space, *rule):
    space.do("iptables", "-A", "INPUT", *rule)


def test_a_closed_underlay_is_told_and_the_overlay_is_measured(spaces, benched):
    drop(spaces[TWO], "-d", spaces[TWO].address, "-p", "tcp", "-j", "DROP")
    drop(spaces[TWO], "-d", spaces[TWO].address, "-p", "udp", "-j", "REJECT")
    (result,) = benched(ONE, TWO).pairs
    assert (result.source, result.target) == (ONE, TWO)
    why = result.planes[UNDERLAY].missing
    assert set(why) == set(MEASURES)
    assert why["one"].endswith(f" of {TWO} ({NETWORK}.2): ETIMEDOUT")
    assert why["datagrams"].startswith("UDP port ")
    assert why["datagrams"].endswith("ECONNREFUSED")
    assert result.planes[OVERLAY].missing == {}


def test_a_port_that_is_open_can_be_named(spaces, benched):
    for protocol in ("tcp", "udp"):
        for name in (ONE, TWO):
            drop(spaces[name], "-d", spaces[name].address, "-p", protocol, "!", "--dport", "5201",
                 "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")  # fmt: skip
    assert missing(benched(ONE, TWO, port=5201)) == {}


def test_a_port_that_is_taken_is_refused(spaces, benched):
    holding = "use Socket; socket S, AF_INET, SOCK_STREAM, 0; setsockopt S, SOL_SOCKET, SO_REUSEADDR, 1;"
    holding += (
        f"bind S, pack_sockaddr_in(5201, inet_aton('{NETWORK}.2')); listen S, 1; $| = 1; print 1; sleep 60"
    )
    with spaces[TWO].run("perl", "-e", holding) as holder:
        assert holder.stdout.read(1) == "1"
        threading.Timer(2, holder.kill).start()
        with pytest.raises(Refused) as caught:
            benched(ONE, TWO, port=5201)
    assert str(caught.value) == (
        f"{TWO}: port 5201 can't be had for the measurement (EADDRINUSE)\n"
        "  -> name another with --port, or none: then any free one is taken"
    )


def test_a_way_that_loses_full_packets_is_told(benched):
    must("ip", "-n", f"{PREFIX}0", "link", "set", "port2", "mtu", "600")
    (result,) = benched(ONE, TWO).pairs
    for plane in result.planes.values():
        assert plane.missing["one"] == (
            "a connection opens and no data comes: packets of full size may get lost (MTU)"
        )
        assert plane.trips["datagrams"].lost == 0


def test_a_host_without_perl_does_not_keep_the_others_from_it(spaces, benched, tmp_path):
    for name in ("sh", "cat", "nsenter"):
        (tmp_path / name).symlink_to(shutil.which(name))
    spaces[TWO].path = str(tmp_path)
    result = benched(seconds=0.1)
    assert {why for its in missing(result).values() for why in its.values()} == {f"there is no perl on {TWO}"}
    assert [pair for pair in result.pairs if not pair.planes[OVERLAY].missing]


@pytest.fixture
def agent(spaces):
    made = Program(
        spaces[ONE],
        "bench-agent.pl",
        ("bench", "0123456789abcdef", spaces[ONE].address, "0", "60"),
        Answers("0123456789abcdef"),
        limit=LIMIT,
    )
    cancel = Cancel()
    assert made.listen(lambda said: said.port, 10, SystemClock(cancel), cancel)
    yield made
    made.close()


def test_a_stranger_gets_nothing(spaces, agent):
    talk = """
import socket, sys
at = (sys.argv[1], int(sys.argv[2]))
with socket.create_connection(at, 10) as s:
    s.sendall(b"0123456789abcdee echo 1 0 5\\n" + b"x" * 64)
    try: print(s.recv(100))
    except ConnectionError: print(b"")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(0.5)
    s.sendto(b"0123456789abcdee 1".ljust(64), at)
    try: print(s.recv(100))
    except TimeoutError: print(b"")
    s.sendto(b"0123456789abcdef 1".ljust(64), at)
    print(len(s.recv(100)))
"""
    said = spaces[TWO].do("python3", "-c", talk, spaces[ONE].address, str(agent.report.port))
    assert said.splitlines() == ["b''", "b''", "64"]


@pytest.mark.parametrize("end", ["its input ends", "it is killed"])
def test_nothing_is_left_when_it_ends_without_a_word(spaces, agent, end):
    drop(spaces[TWO], "-p", "tcp", "-j", "DROP")
    agent.tell([f"stream 1 {spaces[TWO].address} 9 3 1"])
    wait_for(lambda: len(children(spaces[ONE].process.pid)) == 3, 10, "its children")
    its = children(spaces[ONE].process.pid)
    if end == "its input ends":
        agent.close()
    else:
        spaces[ONE].process.kill()
    spaces[ONE].process.wait(10)
    wait_for(lambda: not spaces[ONE].listening(), 10, "the end of the listeners")
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in its), 20, "the end of its children")


def children(pid):
    return subprocess.run(
        ("ps", "-o", "pid=", "--ppid", str(pid)), capture_output=True, text=True
    ).stdout.split()
