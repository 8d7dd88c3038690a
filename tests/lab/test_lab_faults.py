"""Every fault does what it says, and its undo takes it back."""

from __future__ import annotations

import pytest
from tests.lab.bed import fresh, in_turn

from overweave.errors import ConnectionProblem, UsageError
from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def pair():
    with in_turn("tfaults"):
        lab = fresh("tfaults", hosts=3, subnet="10.97.14.0/24")
        yield lab.hosts
        lab.down()


@pytest.fixture
def host(pair):
    """The first host; what a failed test broke is mended."""
    yield pair[0]
    if not pair[0].running:
        faults.power_on(pair[0])
    faults.clear(pair[0])


def pinged(host, peer, *options):
    """(packets that came back, mean round trip in ms) of 20 pings."""
    lines = host.run(("ping", "-q", "-c20", "-i0.01", "-W1", *options, peer)).stdout.splitlines()
    came = int(next(line for line in lines if "received" in line).split(", ")[1].split()[0])
    mean = next((float(line.split("/")[4]) for line in lines if line.startswith("rtt")), 0.0)
    return came, mean


def connects(host, peer, port):
    return host.run(("timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{peer}/{port}")).ok


def rules(host):
    return host.run(("iptables", "-S")).stdout


def engine_pid(host):
    return host.run(("systemctl", "show", "--property=MainPID", "--value", "docker.service")).stdout


def test_an_engine_that_is_killed_comes_back(host):
    before = engine_pid(host)
    for _ in range(2):
        faults.kill_engine(host)
        wait_for(lambda: engine_pid(host) != before, 10, "the engine's end")
        faults.start_engine(host)
    assert engine_pid(host) not in (before, "0\n")
    assert host.run(("docker", "ps")).ok


@pytest.mark.parametrize("hard", [True, False], ids=["hard", "in order"])
def test_a_host_keeps_its_disk_when_it_is_off(pair, host, hard):
    assert host.run(("sh", "-c", "echo kept > /root/file && docker volume create keep")).ok
    key, machine_id = host.public_key, host.run(("cat", "/etc/machine-id")).stdout
    faults.power_off(host, hard=hard)
    assert not host.running
    with pytest.raises(ConnectionProblem) as caught:
        host.run(("true",))
    assert str(caught.value) == "host1: is powered off\n  -> lab.up boots what is off"
    assert pinged(pair[1], host.address) == (0, 0.0)
    faults.power_off(host, hard=hard)
    faults.power_on(host)
    assert host.run(("cat", "/root/file")).stdout == "kept\n"
    assert host.run(("docker", "volume", "ls", "-q")).stdout == "keep\n"
    assert (host.public_key, host.run(("cat", "/etc/machine-id")).stdout) == (key, machine_id)
    assert pinged(pair[1], host.address)[0] == 20
    faults.power_on(host)


def test_a_port_is_dropped_for_everybody(pair, host):
    before = rules(host)
    faults.drop(host, "tcp", 22)
    faults.drop(host, "tcp", 22)
    assert rules(host).count("--dport 22 -j DROP\n") == 1
    assert not connects(pair[1], host.address, 22)
    assert not connects(host, pair[1].address, 22)
    assert pinged(pair[1], host.address)[0] == 20
    faults.undrop(host, "tcp", 22)
    assert connects(pair[1], host.address, 22)
    assert rules(host) == before


def test_a_port_is_dropped_for_one_peer(pair, host):
    before = rules(host)
    faults.drop(host, "tcp", 22, pair[1].address)
    faults.drop(host, "udp", 4789)
    assert not connects(pair[1], host.address, 22)
    assert not connects(host, pair[1].address, 22)
    assert connects(pair[2], host.address, 22)
    faults.undrop(host, "tcp", 22, pair[1].address)
    assert connects(pair[1], host.address, 22)
    assert "--dport 4789 -j DROP" in rules(host)
    faults.clear(host)
    assert rules(host) == before


def test_a_host_is_cut_off_from_one_peer(pair, host):
    before = rules(host)
    faults.cut(host, pair[1].address)
    faults.cut(host, pair[1].address)
    assert rules(host).count(f"{pair[1].address}/32 -j DROP\n") == 2
    assert pinged(host, pair[1].address)[0] == 0
    assert not connects(pair[1], host.address, 22)
    assert pinged(host, pair[2].address)[0] == 20
    faults.clear(host)
    assert rules(host) == before
    faults.cut(host, *(peer.address for peer in pair[1:]))
    assert not connects(host, pair[2].address, 22)
    faults.clear(host)
    assert rules(host) == before


def test_what_is_no_port_is_refused(host):
    for protocol, port in (("icmp", 1), ("udp", 0), ("tcp", 65536)):
        with pytest.raises(UsageError) as caught:
            faults.drop(host, protocol, port)
        assert str(caught.value) == f"{protocol} {port} is not a port\n  -> as in: udp 4789"


def test_a_slow_cable_delays_one_way(pair, host):
    faults.netem(host, delay_ms=20)
    came, mean = pinged(host, pair[1].address)
    assert came == 20
    assert 20 <= mean < 35
    assert 20 <= pinged(pair[1], host.address, "-s", "1472", "-M", "do")[1] < 35
    # A stream, which is cut into frames on the way.
    sink = "sleep 30 | busybox nc -l -p 9000 > /tmp/came"
    assert pair[1].run(("systemd-run", "--quiet", "sh", "-c", sink)).ok
    wait_for(lambda: ":9000" in pair[1].run(("ss", "-Hltn")).stdout, 20, "a listener")
    assert host.run(("bash", "-c", f"seq 300000 | tee /tmp/went > /dev/tcp/{pair[1].address}/9000")).ok
    went = host.run(("sh", "-c", "md5sum < /tmp/went")).stdout
    wait_for(lambda: pair[1].run(("sh", "-c", "md5sum < /tmp/came")).stdout == went, 20, "the same bytes")
    faults.undo_netem(host)
    assert pinged(host, pair[1].address)[1] < 10


def test_a_lossy_cable_loses(pair, host):
    faults.netem(host, loss_percent=100)
    assert pinged(host, pair[1].address)[0] == 0
    faults.netem(host, loss_percent=50)
    assert 0 < sum(pinged(host, pair[1].address)[0] for _ in range(3)) < 60
    faults.undo_netem(host)
    faults.undo_netem(host)
    assert pinged(host, pair[1].address)[0] == 20


def test_a_slow_cable_ends_with_the_power(pair, host):
    faults.netem(host, delay_ms=20)
    faults.power_off(host)
    faults.power_on(host)
    assert pinged(host, pair[1].address)[1] < 10


def test_a_small_mtu_loses_what_is_larger(pair, host):
    full = ("-s", "1472", "-M", "do")
    faults.mtu(host, 1400)
    assert pinged(pair[1], host.address, *full)[0] == 0
    assert pinged(pair[1], host.address, "-s", "1372", "-M", "do")[0] == 20
    faults.undo_mtu(host)
    assert pinged(pair[1], host.address, *full)[0] == 20
