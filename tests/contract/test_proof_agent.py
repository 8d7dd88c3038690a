"""The program that checks between containers, for real: namespaces of this machine stand for containers."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest
from tests.contract.spaces import NETWORK, ONE, THREE, TWO, must

from overweave.adapters.clock import SystemClock
from overweave.facts.remote_program import Program
from overweave.fleet import Cancel
from overweave.lab.waiting import wait_for
from overweave.prove.agent_report import LIMIT, READY, ROLE, AgentReport
from overweave.prove.agents import AT_ONCE, PAYLOAD, Stand, ask
from overweave.prove.matrix import Verdict

pytestmark = pytest.mark.lab

PACKETS = ("icmp", "udp", "connect", "tcp", "mtu")
BOTH = [(ONE, TWO), (TWO, ONE)]


@contextlib.contextmanager
def running(space, *words):
    """A program in a namespace, from when it said that it is up."""
    with space.run(*words) as process:
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def pids(spaces):
    """A process in each namespace, as a container has one."""
    with contextlib.ExitStack() as stack:
        idle = ("sh", "-c", "echo up; exec sleep 300")
        yield {name: stack.enter_context(running(space, *idle)).pid for name, space in spaces.items()}


@pytest.fixture
def check(spaces, pids):
    """Make checks between namespaces, which hold nothing afterwards. Answers, and seconds that it took."""

    def run(*names, checks=PACKETS, patience=1.0, mtu=1500, avoid=None):
        names = names or tuple(spaces)
        stands = {n: Stand(n, "", spaces[n].address, pids[n]) for n in names}
        wanted = {(a, b): checks for a in names for b in names if a != b}
        return asked({n: spaces[n] for n in names}, stands, wanted, patience, mtu, avoid)

    return run


def asked(readers, stands, wanted, patience=1.0, mtu=1500, avoid=None):
    cancel = Cancel()
    clock = SystemClock(cancel)
    began = clock.monotonic()
    stands = {name: replace(its, name=its.name or "x") for name, its in stands.items()}
    found = ask(
        readers, stands, wanted, mtu=mtu, patience=patience, avoid=avoid or {}, clock=clock, cancel=cancel
    )
    took = clock.monotonic() - began
    for reader in readers.values():
        reader.process.wait(10)
    assert not any(its.address in line for its in readers.values() for line in its.listening())
    return found, took


def red(answers):
    """What is wrong, by pair."""
    wrong = {
        pair: {check: its.detail for check, its in verdicts.items() if not its.ok}
        for pair, verdicts in answers.verdicts.items()
    }
    return {pair: its for pair, its in wrong.items() if its}


def drop(space, *rule, chain="INPUT"):
    space.do("iptables", "-A", chain, *rule, "-j", "DROP")


def test_all_is_well_and_quick(check):
    answers, took = check(avoid={"nobody": f"{NETWORK}.77"})
    assert red(answers) == {}
    assert answers.lost == {}
    assert answers.reached == {ONE: (), TWO: (), THREE: ()}
    assert len(answers.verdicts) == 6
    for verdicts in answers.verdicts.values():
        assert tuple(verdicts) == PACKETS
        assert verdicts["udp"].detail == "3 of 3 datagrams arrived"
        assert (verdicts["tcp"].detail, verdicts["mtu"].detail) == ("1048576", "1500")
        assert verdicts["icmp"].loss == 0
        assert 0 < verdicts["icmp"].milliseconds < 1000
        assert 0 < verdicts["connect"].milliseconds < 1000
    assert took < 3


DEAD = {
    "icmp": "no reply to 11 pings",
    "udp": "none of 3 datagrams arrived",
    "connect": "no answer",
    "tcp": "no connection",
    "mtu": "no reply to a packet of 1500 bytes",
}


def test_one_direction_alone_is_dead_and_only_datagrams_can_tell_which(spaces, check):
    drop(spaces[TWO], "-s", spaces[ONE].address)
    answers, took = check()
    silent = {check: why for check, why in DEAD.items() if check != "udp"}
    assert red(answers) == {(ONE, TWO): DEAD, (TWO, ONE): silent}
    assert answers.verdicts[TWO, ONE]["udp"] == Verdict(True, "3 of 3 datagrams arrived")
    assert took < 6


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (("-p", "icmp"), ("icmp", "mtu")),
        (("-p", "tcp"), ("connect", "tcp")),
        # A way that swallows large packets and tells nobody: the stream stands still.
        (("-m", "length", "--length", "1401:65535"), ("tcp", "mtu")),
    ],
    ids=["icmp", "tcp", "large packets"],
)
def test_what_is_dropped_both_ways_is_missing_and_nothing_else(spaces, check, rule, wrong):
    for chain in ("INPUT", "OUTPUT"):
        end = "-s" if chain == "INPUT" else "-d"
        drop(spaces[TWO], end, spaces[ONE].address, *rule, chain=chain)
    found = red(check()[0])
    assert {pair: tuple(its) for pair, its in found.items()} == dict.fromkeys(BOTH, wrong)
    if "mtu" in wrong and "tcp" in wrong:
        assert found[ONE, TWO]["tcp"].startswith("stalled after ")


def test_a_refusal_is_told_as_one(spaces, check):
    rule = ("INPUT", "-s", spaces[ONE].address, "-p", "tcp", "-j", "REJECT", "--reject-with")
    spaces[TWO].do("iptables", "-A", *rule, "tcp-reset")
    spaces[THREE].do("iptables", "-A", *rule, "icmp-host-unreachable")
    spaces[THREE].do("iptables", "-A", "OUTPUT", "-d", spaces[TWO].address, "-p", "icmp", "-j", "DROP")
    found = red(check()[0])
    assert found[ONE, TWO] == {"connect": "refused", "tcp": "no connection"}
    assert found[ONE, THREE]["connect"] == "no route to it, or no neighbour row"
    assert found[THREE, TWO]["icmp"] == "a firewall on the way out forbids it"


def test_loss_is_measured_and_no_failure(spaces, check):
    every_third = ("-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "2")
    small = ("-p", "icmp", "--icmp-type", "echo-request", "-m", "length", "--length", "84")
    drop(spaces[TWO], "-s", spaces[ONE].address, *small, *every_third)
    answers, _ = check(ONE, TWO)
    assert red(answers) == {}
    assert answers.verdicts[ONE, TWO]["icmp"].loss == pytest.approx(8 / 25)
    assert answers.verdicts[ONE, TWO]["icmp"].detail.endswith(" ms, 32% lost")
    assert answers.verdicts[TWO, ONE]["icmp"].loss == 0


def test_a_slow_way_is_waited_for_as_long_as_something_moves(spaces, check):
    slow = ("tbf", "rate", "4mbit", "burst", "16kb", "latency", "5s")
    spaces[ONE].do("tc", "qdisc", "add", "dev", "eth0", "root", *slow)
    answers, took = check(ONE, TWO)
    assert red(answers) == {}
    assert took > 2, "8 Mbit at 4 Mbit/s, although the patience is of 1 s"


PROXY = """\
import socket, struct, sys, threading
listener = socket.socket()
listener.bind(("0.0.0.0", 9999))
listener.listen()
print("up", flush=True)
def carry(a, b, spoil):
    while data := a.recv(65536):
        if spoil and len(data) > 1000:
            data = data[:999] + bytes([data[999] ^ 1]) + data[1000:]
        b.sendall(data)
while True:
    c, _ = listener.accept()
    port, address = struct.unpack("!2xH4s8x", c.getsockopt(0, 80, 16))
    to = socket.create_connection((socket.inet_ntoa(address), port))
    threading.Thread(target=carry, args=(c, to, True), daemon=True).start()
    threading.Thread(target=carry, args=(to, c, False), daemon=True).start()
"""


def test_bytes_that_something_on_the_way_changed_are_not_ok(spaces, check):
    redirect = ("-t", "nat", "-A", "PREROUTING", "-s", spaces[ONE].address, "-p", "tcp")
    spaces[TWO].do("iptables", *redirect, "-j", "REDIRECT", "--to-ports", "9999")
    with running(spaces[TWO], "python3", "-c", PROXY):
        assert red(check(ONE, TWO)[0]) == {(ONE, TWO): {"tcp": "other bytes came"}}


RESOLVER = """\
import collections, json, os, socket, struct, sys
right = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.11", 53))
print("up", flush=True)
asked = collections.Counter()
def a(address, kind=1):
    return b"\\xc0\\x0c" + struct.pack(">HHIH", kind, 1, 600, len(address)) + address
while True:
    packet, who = s.recvfrom(512)
    name = packet[13:13 + packet[12]].decode()
    asked[name] += 1
    def head(flags, answers, questions=1):
        return packet[:2] + struct.pack(">HHHHH", flags, questions, answers, 0, 0) + packet[12:]
    address, alias = socket.inet_aton(right), b"\\x05alias\\xc0\\x0c"
    says = {
        "right": head(0x8180, 1) + a(address),
        "late": head(0x8180, 1) + a(address) if asked[name] > 2 else None,
        "alias": head(0x8180, 2) + a(alias, kind=5) + a(address),
        "six": head(0x8180, 2) + a(bytes(16), kind=28) + a(address),
        "wrong": head(0x8180, 1) + a(b"\\x0a\\x09\\x09\\x09"),
        "unknown": head(0x8183, 0),
        "failing": head(0x8182, 0),
        "refused": head(0x8185, 0),
        "empty": head(0x8180, 0),
        "cut": (head(0x8180, 1) + a(address))[:-2],
        "loop": head(0x8180, 65535, 65535) + b"\\xc0\\x0c" * 200,
        "noise": packet[:2] + b"\\xff" * 400,
        "short": packet[:3],
        "mute": None,
    }[name]
    if says:
        s.sendto(says, who)
"""


def named(spaces, pids, names):
    """Check of ONE that the names of containers in TWO are resolved."""
    readers = {ONE: spaces[ONE]} | {name: replace(spaces[TWO]) for name in names}
    stands = {
        name: Stand(name, f"{name}.example", its.address, pids[its.name]) for name, its in readers.items()
    }
    answers, _ = asked(readers, stands, {(ONE, name): ("dns",) for name in names}, patience=2.0)
    return {name: answers.verdicts[ONE, name]["dns"] for name in names}


def test_whatever_a_resolver_answers_is_told(spaces, pids):
    address = spaces[TWO].address
    told = {
        "right": address,
        "late": address,
        "alias": address,
        "six": address,
        "wrong": "10.9.9.9",
        "unknown": "no such name",
        "failing": "the resolver failed",
        "refused": "refused",
        "empty": "no address",
        "cut": "no address",
        "loop": "no address",
        "noise": "rcode 15",
        "short": "no answer",
        "mute": "no answer",
    }
    with running(spaces[ONE], "python3", "-c", RESOLVER, address):
        found = named(spaces, pids, tuple(told))
    assert found == {name: Verdict(said == address, said) for name, said in told.items()}


def test_a_container_without_a_resolver(spaces, pids):
    assert named(spaces, pids, ("right",)) == {"right": Verdict(False, "refused")}


def test_what_must_not_answer_and_does_is_told_by_name(spaces, check):
    avoid = {"a stranger": spaces[THREE].address, "nobody": f"{NETWORK}.77"}
    drop(spaces[THREE], "-s", spaces[TWO].address)
    answers, _ = check(ONE, TWO, checks=("icmp",), avoid=avoid)
    assert answers.reached == {ONE: ("a stranger",), TWO: ()}
    assert red(answers) == {}


HOSTILE = """\
import errno, socket, sys
target = sys.argv[1]
icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held, rounds = [], 0
junk = (b"", b"0123456789abcdef 0 0", b"\\xff" * 1400)
while True:
    for short in (bytes(2), bytes(4), bytes(21)):
        icmp.sendto(short, (target, 0))
    for port in range(40000, 40010):
        for data in junk:
            try:
                udp.sendto(data, (target, port))
            except ConnectionRefusedError:
                pass
        for _ in range(10):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((target, port))
            held.append(s)
    for s in held[::4]:
        try:
            s.send(b"x" * 4096)
        except OSError:
            pass
    if len(held) > 900:
        for s in held:
            s.close()
        held = []
    rounds += 1
    if rounds == 3:
        print("up", flush=True)
"""


class Few:
    """A namespace whose programs may hold few files."""

    def __init__(self, space):
        self._space = space

    def __getattr__(self, name):
        return getattr(self._space, name)

    def start(self, command):
        words = ("sh", "-c", 'ulimit -n 40 && exec "$@"', "sh", *command.words)
        return self._space.start(replace(command, words=words))


def test_a_stranger_on_the_network_with_packets_and_connections_without_end_changes_nothing(spaces, check):
    # Of this range are the ports that the program listens on: the stranger has not to look for them.
    spaces[TWO].do("sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40009")
    spaces[TWO] = Few(spaces[TWO])
    with running(spaces[THREE], "python3", "-c", HOSTILE, spaces[TWO].address) as stranger:
        answers, took = check(ONE, TWO, patience=3.0)
        assert stranger.poll() is None
    assert answers.lost == {}
    assert red(answers) == {}
    assert took < 20


CROWD = """\
import socket, sys, time
target = sys.argv[1]
for n in range(100, 130):
    for _ in range(4):
        for port in range(40000, 40010):
            s = socket.socket()
            s.setblocking(False)
            s.bind((f"10.98.9.{n}", 0))
            s.connect_ex((target, port))
            globals().setdefault("held", []).append(s)
print("up", flush=True)
time.sleep(300)
"""


def test_without_a_free_file_number_it_goes_on_without_turning_in_circles(spaces, pids):
    spaces[TWO].do("sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40009")
    for n in range(100, 130):
        must("ip", "-n", THREE, "address", "add", f"{NETWORK}.{n}/24", "dev", "eth0")
    report = AgentReport(TOKEN)
    program, clock, cancel = started(Few(spaces[TWO]), pids[TWO], report)
    with running(spaces[THREE], "python3", "-c", CROWD, spaces[TWO].address):
        process = spaces[TWO].process
        wait_for(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) >= 38, 10, "that it holds all it can")
        program.tell(["light"])
        assert program.listen(lambda its: "light-done" in its.said, 5, clock, cancel)
        before = ticks(process.pid)
        assert not program.listen(lambda its: False, 1.0, clock, cancel)
        assert ticks(process.pid) - before < 30, "hundredths of a second, in a second"
    program.close()
    process.wait(10)


def ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        words = stat.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


TOKEN = "0123456789abcdef"


def started(space, pid, report, seconds=60):
    cancel = Cancel()
    clock = SystemClock(cancel)
    words = (ROLE, report.token, "0", space.address, "1500", str(PAYLOAD), "1", str(seconds), str(AT_ONCE))
    program = Program(space, "proof-agent.pl", words, report, limit=LIMIT, namespace=f"/proc/{pid}/ns/net")
    assert program.listen(lambda its: READY in its.said, 10, clock, cancel)
    assert len([line for line in space.listening() if space.address in line]) == 2
    return program, clock, cancel


@pytest.mark.parametrize("end", ["its stream ends", "it is killed", "nobody ends it"])
def test_nothing_is_left_of_it_however_it_ends(spaces, pids, end):
    space = spaces[ONE]
    program, *_ = started(space, pids[ONE], AgentReport(TOKEN), seconds=1)
    if end == "its stream ends":
        program.close()
    elif end == "it is killed":
        space.process.kill()
    space.process.wait(5)
    wait_for(lambda: not any(space.address in line for line in space.listening()), 5, "its ports' end")
    program.close()


def test_an_address_that_is_not_the_containers_is_a_reason_not_to_take_part(spaces, pids):
    stands = {
        ONE: Stand(ONE, "x", spaces[ONE].address, pids[ONE]),
        TWO: Stand(TWO, "x", "10.9.9.9", pids[TWO]),
    }
    wanted = {(ONE, TWO): PACKETS, (TWO, ONE): PACKETS}
    answers, _ = asked({ONE: spaces[ONE], TWO: spaces[TWO]}, stands, wanted)
    assert answers.lost == {TWO: "the checks can't be made there: EADDRNOTAVAIL"}
    assert answers.verdicts == {(ONE, TWO): {}, (TWO, ONE): {}}
