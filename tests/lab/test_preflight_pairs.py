"""Something between the hosts is wrong: preflight finds exactly that, and leaves nothing on the hosts.

What breaks is the wire, where no rule of a host can be read: what is found was measured.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from itertools import permutations
from pathlib import Path

import pytest
from tests.lab.bed import load

from overweave.lab import faults
from overweave.lab.waiting import wait_for
from overweave.stores.consul import SECRETS

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
LEFT = """\
ip -o link | awk -F': ' '{ print $2 }' | sort
ss -Hlntu | awk '{ print $1, $5 }' | sort
ps -e -o comm= | grep -x perl || true
"""
FDB = """\
for ns in /run/docker/netns/*; do
    nsenter --net=$ns bridge fdb show
    nsenter --net=$ns ip neigh show nud permanent
done 2>/dev/null | sort
"""


def left(bed):
    """Links, listeners and programs on the hosts that might be a measurement's."""
    return [bed.do(host.name, LEFT) for host in bed.hosts]


def ended(bed):
    """Wait for the unit that works behind each start of an engine: in Perl it tells all engines of its host's
    containers, and they write that down."""
    at_work = "systemctl is-active overweave-boot || true"
    wait_for(
        lambda: all(bed.do(h.name, at_work).strip() == "inactive" for h in bed.hosts),
        60,
        "the end of what a deployment gives engines to say",
    )


@pytest.fixture(scope="module", params=["clean", "deployed"])
def kind(request):
    """For the module, so that all tests of one kind come together."""
    return request.param


WITHOUT = pytest.mark.parametrize("kind", ["clean"], indirect=True)
"""What has nothing to do with who has the ports."""


@pytest.fixture
def place(request, kind):
    """Hosts without and with engines that have the ports; in the end they must be as they were."""
    bed = request.getfixturevalue(kind)
    ended(bed)
    before, were = bed.state(), left(bed)
    yield bed
    bed.mend()
    wait_for(lambda: left(bed) == were, 20, "an end of everything that measured")
    assert bed.state() == before


def findings(bed, *words):
    """What was found about the paths, gravest first: (check, severity, host, peer), and all of it."""
    path = bed.folder / "preflight.json"
    path.unlink(missing_ok=True)
    ran = bed.fab("preflight", "--json", str(path), *words)
    found = [f for f in load(path)["findings"] if f["check"] != "engine.warnings"]
    assert ran.status == (4 if any(f["severity"] == "error" for f in found) else 0), ran
    return [(f["check"], f["severity"], f["host"], f["peer"]) for f in found], found


def cut(bed, from_, to, *what):
    """Lose packets between two hosts, on the wire."""
    called = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    assert called.read_text() == "1\n", "this machine's rules see no frames between hosts"
    source, target = (bed.lab.host(name).address for name in (from_, to))
    rule = ("FORWARD", "-i", bed.lab.spec.bridge, "-s", source, "-d", target, *what, "-j", "DROP")
    bed.machine("iptables", "-w", "-I", *rule)
    bed.undo.append(lambda: bed.machine("iptables", "-w", "-D", *rule))


def to(protocol, port):
    return "-p", protocol, "--dport", str(port)


def test_a_wire_that_is_fine_is_no_finding_and_takes_little_time(place):
    assert findings(place) == ([], [])
    assert load(place.folder / "preflight.json")["seconds"] < 3


PORTS = [
    ("pairs.vxlan", "udp", 4789),
    ("pairs.tcp-7946", "tcp", 7946),
    ("pairs.udp-7946", "udp", 7946),
]


@pytest.mark.parametrize(("check", "protocol", "port"), PORTS)
def test_one_way(place, check, protocol, port):
    cut(place, "host2", "host3", *to(protocol, port))
    brief, (found,) = findings(place)
    assert brief == [(check, "error", "host2", "host3")]
    assert "; one way: from host3 to host2 it is fine" in found["seen"]
    host2, host3 = (place.lab.host(name).address for name in ("host2", "host3"))
    assert found["fix"] == (
        f"open {protocol.upper()} {port} from {host2} to {host3}: "
        f"`iptables -I INPUT -p {protocol} --dport {port} -s {host2} -j ACCEPT` on host3"
    )


@WITHOUT
@pytest.mark.parametrize(("check", "protocol", "port"), PORTS[:1])
def test_both_ways(place, check, protocol, port):
    for pair in (("host1", "host3"), ("host3", "host1")):
        cut(place, *pair, *to(protocol, port))
    brief, found = findings(place)
    assert brief == [(check, "error", "host1", "host3"), (check, "error", "host3", "host1")]
    assert not any("one way" in f["seen"] for f in found)


@WITHOUT
@pytest.mark.parametrize(("check", "protocol", "port"), PORTS[1:2])
def test_one_host_and_all_others_is_told_once(place, check, protocol, port):
    for other in ("host1", "host3"):
        cut(place, "host2", other, *to(protocol, port))
        cut(place, other, "host2", *to(protocol, port))
    assert findings(place)[0] == [(check, "error", "host2", "")]


def test_the_stores_port(clean):
    """Not where engines use it: they would take a minute to say what they have (moby#29316)."""
    cut(clean, "host2", "host1", *to("tcp", 8501))
    assert findings(clean)[0] == [("pairs.tcp-8501", "error", "host2", "host1")]


def test_the_stores_port_from_everywhere(clean):
    cut(clean, "host2", "host1", *to("tcp", 8501))
    cut(clean, "host3", "host1", *to("tcp", 8501))
    assert findings(clean)[0] == [("pairs.tcp-8501", "error", "host1", "")]


def test_ports_of_the_store_that_one_server_does_not_need(place):
    for protocol in ("tcp", "udp"):
        cut(place, "host2", "host1", "-p", protocol, "--dport", "8300:8301")
    brief, (found,) = findings(place)
    assert brief == [("pairs.store-peers", "note", "", "")]
    # An agent that has the gossip's key answers no ping without it.
    running = place.lab.host("host1").run(("test", "-e", SECRETS)).ok
    ports = "TCP 8300 and TCP 8301" if running else "TCP 8300, TCP 8301 and UDP 8301"
    assert found["seen"] == f"{ports} closed: host2 -> host1"


def test_nothing_arrives_at_all(place):
    for protocol in ("udp", "icmp"):
        cut(place, "host3", "host2", "-p", protocol)
    cut(place, "host3", "host2", *to("tcp", 7946))
    assert findings(place)[0] == [("pairs.path", "error", "host3", "host2")]


@WITHOUT
def test_echo_requests_that_do_not_pass_are_but_a_note(place):
    for pair in permutations(HOSTS, 2):
        cut(place, *pair, "-p", "icmp")
    assert findings(place)[0] == [("pairs.icmp", "note", "", "")]


@WITHOUT
def test_packets_that_get_lost(place):
    """Only what is measured: ssh with a third of its packets lost may take any time."""
    rule = "INPUT -i eth0 -p icmp -m statistic --mode nth --every 3 --packet 0 -j DROP"
    place.do("host3", f"iptables -w -I {rule}")
    place.undo.append(lambda: place.do("host3", f"iptables -w -D {rule}"))
    found = {f[:3] for f in findings(place)[0]}
    assert ("pairs.loss", "warning", "host3") in found


@WITHOUT
def test_a_long_way(place):
    host3 = place.lab.host("host3")
    place.undo.append(lambda: faults.clear(host3))
    faults.netem(host3, delay_ms=150)
    assert [f[:2] for f in findings(place)[0]] == [("pairs.round-trip", "note")]


def shrink(bed):
    """Give host2 a way to the others that carries less than its card believes. (A smaller cable would take
    the operator's own ssh with it.)"""
    for pair in permutations(HOSTS, 2):
        if "host2" in pair:
            cut(bed, *pair, "-m", "length", "--length", "1401:")


@WITHOUT
def test_a_path_that_is_too_small(place):
    shrink(place)
    brief, (found,) = findings(place)
    assert brief == [("pairs.mtu", "error", "host2", "")]
    assert "those up to 1400 pass whole" in found["seen"]
    assert "`network: mtu: 1400`" in found["fix"]


def test_a_path_that_is_small_and_a_network_made_for_it(clean):
    shrink(clean)
    assert findings(clean, "--mtu", "1400") == ([], [])


@contextlib.contextmanager
def squatter(bed, host, protocol, number):
    """Somebody on a host who has a port, until the end of its standard input."""
    kind = "DGRAM" if protocol == "udp" else "STREAM"
    program = (
        f"$| = 1; socket my $s, AF_INET, SOCK_{kind}, 0; setsockopt $s, SOL_SOCKET, SO_REUSEADDR, 1; "
        f"bind $s, pack_sockaddr_in({number}, INADDR_ANY) or die $!; "
        + ("listen $s, 1; " if protocol == "tcp" else "")
        + "print qq(up\\n); <STDIN>"
    )
    words = ("nsenter", "-t", str(bed.lab.host(host).pid), "-a", "perl", "-MSocket", "-e", program)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        try:
            yield
        finally:
            process.communicate()


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("host2", "tcp 7946"),
        ("host3", "udp 7946"),
        ("host1", "tcp 8500"),
        ("host1", "tcp 8501"),
        ("host1", "udp 8600"),
    ],
)
def test_a_port_of_somebody_else(clean, host, port):
    protocol, number = port.split()
    before = left(clean)
    with squatter(clean, host, protocol, int(number)):
        brief, (found,) = findings(clean)
    assert brief == [("ports.taken", "error", host, "")]
    assert f"{protocol.upper()} {number} at " in found["seen"]
    assert "is taken by perl (pid " in found["seen"]
    wait_for(lambda: left(clean) == before, 20, "an end of everything")


def test_vxlans_port_of_somebody_else(clean):
    with squatter(clean, "host2", "udp", 4789):
        brief, _ = findings(clean)
    assert brief == [("pairs.vxlan-port", "error", "host2", "")]


def test_a_host_without_perl_is_not_measured(clean):
    clean.do("host2", "mv /usr/bin/perl /usr/bin/perl.away")
    clean.undo.append(lambda: clean.do("host2", "mv /usr/bin/perl.away /usr/bin/perl"))
    brief, (found,) = findings(clean)
    assert brief == [("pairs.measured", "warning", "host2", "")]
    assert "apt-get install perl-base" in found["fix"]


def test_engines_and_store_do_not_notice(deployed):
    # libnetwork's watcher of neighbours says so when a signal of its runtime interrupts it, at any moment.
    logs_of = "journalctl -q -u docker -o cat | grep -v 'Failed to receive from netlink: interrupted'"

    def said():
        logs = {h.name: deployed.do(h.name, logs_of) for h in deployed.hosts}
        return logs | {"consul": deployed.do("host1", "docker logs consul 2>&1")}

    def rows():
        return {h.name: set(deployed.do(h.name, FDB).splitlines()) for h in deployed.hosts}

    ended(deployed)
    before = said(), rows()
    assert findings(deployed) == ([], [])
    assert {name: now.removeprefix(before[0][name]) for name, now in said().items()} == dict.fromkeys(
        before[0], ""
    )
    # What a bridge has learned by itself it forgets by itself, at any moment.
    assert {name: now - before[1][name] for name, now in rows().items()} == {
        name: set() for name in before[1]
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_nothing_is_left_of_one_that_is_broken_off(place, number):
    """Probes that get no answer go on for a while, and that is when it is ended."""
    cut(place, "host2", "host3", *to("tcp", 7946))
    before = left(place)
    with place.start("preflight", inventory=place.inventory, start_new_session=True) as process:
        try:
            wait_for(lambda: "perl" in place.do("host2", LEFT), 20, "the program on the host")
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        finally:
            process.kill()
    wait_for(lambda: left(place) == before, 20, "an end of everything that measured")
