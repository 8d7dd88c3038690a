"""The unit that finishes what Docker gives up: its plan, and its programs with an engine of files."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address

import msgpack
import pytest
from tests.contract.gossip import GossipStream, Memberlist

from overweave import boot
from overweave.command import Result
from overweave.facts.boot import FOLDER, GOSSIP, QUERIES, SCRIPT, UNIT, UNIT_FILE, BootUnit
from overweave.facts.boot import parse as parse_boot
from overweave.gossip.wire import Member
from overweave.render import script
from overweave.steps import InstallUnit, RemoveUnit

PEERS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
WANTED = boot.files("10.0.0.2", PEERS)


def test_its_own_address_comes_first_and_the_engine_starts_it_and_waits_for_nothing_of_it():
    unit = WANTED[UNIT_FILE]
    assert f"\nExecStart=/bin/sh {SCRIPT} 10.0.0.2 10.0.0.1 10.0.0.3\n" in unit
    for line in (
        "After=docker.service",
        "PartOf=docker.service",
        "Type=simple",
        "TimeoutStopSec=5",
        "WantedBy=docker.service",
    ):
        assert f"\n{line}\n" in unit


@pytest.mark.parametrize(
    ("its", "why"),
    [
        (BootUnit(), boot.WHY),
        (BootUnit(WANTED | {SCRIPT: "older"}, enabled=True), "it is not as it should be"),
        (BootUnit({SCRIPT: WANTED[SCRIPT]}, enabled=True), "it is not as it should be"),
        (BootUnit(WANTED, enabled=False), "it is disabled"),
    ],
)
def test_it_is_installed_where_it_is_not_as_it_should_be(its, why):
    assert boot.install("b", its, "10.0.0.2", PEERS) == [
        InstallUnit("b", why, UNIT, WANTED, its.files, FOLDER)
    ]


def test_nothing_is_done_where_it_is_there_and_nothing_is_removed_where_it_is_not():
    assert boot.install("b", BootUnit(WANTED, enabled=True), "10.0.0.2", PEERS) == []
    assert boot.remove("b", BootUnit()) == []
    (step,) = boot.remove("b", BootUnit(WANTED, enabled=True))
    assert step == RemoveUnit("b", "it was made by the deployment", UNIT, (SCRIPT, GOSSIP, UNIT_FILE), FOLDER)


@pytest.mark.parametrize(
    ("shown", "enabled", "failed"),
    [
        ("UnitFileState=enabled\nActiveState=failed\n", True, True),
        ("UnitFileState=disabled\nActiveState=inactive\n", False, False),
        ("nonsense", False, False),
    ],
)
def test_what_is_on_a_host(shown, enabled, failed):
    said = (shown, "script", "", "unit")
    results = [Result(query, 0, text, "") for query, text in zip(QUERIES, said, strict=True)]
    assert parse_boot(results) == BootUnit({SCRIPT: "script", UNIT_FILE: "unit"}, enabled, failed)


class Served:
    """Engines that gossip on 7946 of loopback addresses, which no other process has."""

    def __init__(self, stack, count):
        self.stack = stack
        self.engines = []
        # Of this process alone: tests run side by side.
        place = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250}"
        for number in range(1, count + 1):
            address = f"{place}.{number}"
            self.engines.append(Memberlist(f"e{number}", IPv4Address(address)))
            listener = socket.create_server((address, 7946))
            stack.callback(listener.close)
            # An accept that waits would keep the port.
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=self._serve, args=(listener, self.engines[-1]), daemon=True).start()

    @staticmethod
    def _serve(listener, engine):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                stream, asked = GossipStream(engine), b""
                with contextlib.suppress(AssertionError, OSError):
                    asked += connection.recv(1 << 20)
                    stream.sendall(asked)
                    while piece := stream.recv(1 << 10):
                        connection.sendall(piece)

    def addresses(self):
        return [str(engine.address) for engine in self.engines]


@pytest.fixture
def served():
    with contextlib.ExitStack() as stack:
        yield lambda count: Served(stack, count)


def gossip(tmp_path, *addresses, containers="", store="", left="", tell=""):
    program = tmp_path / "boot-gossip.pl"
    program.write_text(script("boot-gossip.pl"))
    ran = subprocess.run(
        ["perl", program, *addresses],
        capture_output=True,
        text=True,
        timeout=30,
        input=containers,
        env=os.environ | {"OVERWEAVE_STORE": store, "OVERWEAVE_LEFT": left, "OVERWEAVE_TELL": tell},
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def meet(*engines):
    for engine in engines:
        for other in engines:
            engine.merge(other.members())


def test_an_engine_alone_and_an_island_are_told_of_each_other_and_one_of_each_is_enough(served, tmp_path):
    fleet = served(4)
    alone, *others = fleet.engines
    meet(*others[:2])
    meet(others[2])
    those = " ".join(fleet.addresses()[1:])
    told = f"the gossip was split: told this engine and those at {those} of each other\n"
    assert gossip(tmp_path, *fleet.addresses()) == (1, told)
    assert sorted(alone.seen()) == ["e2", "e3", "e4"]
    assert all("e1" in other.seen() for other in others)
    assert gossip(tmp_path, *fleet.addresses()) == (0, "")


def test_one_that_was_buried_comes_back_with_a_higher_incarnation(served, tmp_path):
    fleet = served(2)
    one, two = fleet.engines
    meet(one, two)
    one.merge([Member("e2", two.address, 7946, 5, 2)])
    two.merge([Member("e1", one.address, 7946, 300, 2)])
    assert (one.seen(), two.seen()) == ([], [])
    assert gossip(tmp_path, *fleet.addresses())[0] == 1
    assert (one.seen(), two.seen()) == (["e2"], ["e1"])
    # Whoever was outbid hears of it, and has the last word about itself.
    assert two.known["e1"].incarnation == 301


def test_those_that_are_off_are_left_alone_and_an_engine_without_gossip_is_told(served, tmp_path):
    fleet = served(1)
    (own,) = fleet.addresses()
    off = own.rpartition(".")[0] + ".77"
    assert gossip(tmp_path, own, off) == (0, "")
    assert gossip(tmp_path, off, own) == (2, "")


NETWORK, ENDPOINT = "a" * 64, "b" * 64


def announced(tmp_path, own, *peers, unseen=(), status=0, **more):
    """What an engine that sees all peers but some is sent by datagrams, decoded: (names, payloads) of user
    events of serf. The program ends with ``status``."""
    state = b"\x02" + msgpack.packb(
        {"LTime": 9, "StatusLTimes": {"e1": 3}, "EventLTime": 300, "Events": None}
    )
    members = [
        {
            "Name": f"e{number}",
            "Addr": IPv4Address(address).packed,
            "Port": 7946,
            "Incarnation": 1,
            "State": 2 if address in unseen else 0,
        }
        for number, address in enumerate((own, *peers))
    ]
    header = {"Nodes": len(members), "UserStateLen": len(state), "Join": False}
    answer = b"\x06" + b"".join(msgpack.packb(its, use_bin_type=False) for its in (header, *members)) + state
    with (
        socket.create_server((own, 7946)) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind((own, 7946))
        datagrams.settimeout(0)

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert gossip(tmp_path, own, *peers, **more) == (status, "")
        socket.create_connection((own, 7946)).close()  # should nobody have asked
        thread.join(5)
        found = []
        with contextlib.suppress(BlockingIOError):
            while message := datagrams.recv(1 << 16):
                assert message[:2] == b"\x08\x03", "a user message of memberlist, a user event of serf"
                event = msgpack.unpackb(message[2:])
                assert (event["LTime"], event["CC"]) == (300, False)
                found.append((event["Name"], event["Payload"]))
        return found


@pytest.fixture
def own():
    """An address of this process alone."""
    return f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250}.98"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{NETWORK} {ENDPOINT} 10.211.0.5 16 02:42:0a:d3:00:05", "10.211.0.5 255.255.0.0 02:42:0a:d3:00:05"),
        (f"{NETWORK} {ENDPOINT} 10.9.0.5 29 02:42:0a:09:00:05", "10.9.0.5 255.255.255.248 02:42:0a:09:00:05"),
        ("no container\n\n" + "x" * 99, ""),
        (f"{NETWORK} {ENDPOINT}  0 ", ""),
    ],
)
def test_containers_are_told_as_an_engine_tells_those_that_join(tmp_path, own, line, told):
    found = announced(tmp_path, own, containers=f"{line}\n")
    assert found == ([(f"jl {own} {NETWORK} {ENDPOINT}", f"join {told}")] if told else [])


def record(number, address, locator, name=""):
    """An endpoint as Consul gives it."""
    its = {
        "ep_iface": {"addr": address, "dstPrefix": "eth", "mac": f"02:42:00:00:00:{number:02x}"},
        "locator": locator,
        "name": name or "é" * number,
    }
    value = base64.b64encode(json.dumps(its, separators=(",", ":")).encode()).decode()
    key = f"docker/network/v1.0/endpoint/{NETWORK}/{number:064x}/"
    return {"LockIndex": 0, "Key": key, "Flags": 0, "Value": value, "CreateIndex": 9}


@contextlib.contextmanager
def stored(own, records, status=200):
    """A store with these, for one question: its address as engines have it."""

    class Store(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            wanted = self.path == "/v1/kv/docker/network/v1.0/endpoint/?recurse=true"
            self.wfile.write(
                json.dumps(records if wanted and status == 200 else [], separators=(",", ":")).encode()
            )

        def log_message(self, *arguments):
            pass

    with HTTPServer((own, 0), Store) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        yield f"consul://{own}:{server.server_port}"


@pytest.mark.parametrize("status", [200, 500])
def test_an_engine_is_told_of_the_containers_of_its_peers_as_the_store_has_them(tmp_path, own, status):
    """Not of those of its own host or of strangers, not where two have one address, and not of a peer that it
    does not see, whose rows would come and go without it (then a proof has to show that)."""
    records = [
        *(record(n, f"10.211.0.{n}/16", "10.0.0.2") for n in range(2, 9)),
        record(20, "10.211.0.20/16", own),
        record(21, "10.211.0.21/16", "10.0.0.99"),
        record(22, "10.211.0.22/16", "10.0.0.2"),
        record(23, "10.211.0.22/16", "10.0.0.3"),
        record(25, "10.211.0.25/16", "127.0.0.4"),
        {"Key": f"docker/network/v1.0/endpoint/{NETWORK}/{24:064x}/", "Value": "bm9uc2Vuc2U="},
    ]

    with stored(own, records, status) as url:
        ran = gossip(tmp_path, own, "10.0.0.2", "10.0.0.3", "127.0.0.4", store=url, tell="1")
    wanted = [f"10.0.0.2 {NETWORK} {n:064x} 10.211.0.{n} 16 02:42:00:00:00:{n:02x}\n" for n in range(2, 9)]
    blind = f"127.0.0.4 {NETWORK} {25:064x} 10.211.0.25 16 02:42:00:00:00:19\n"
    assert ran == (0, "".join([*wanted, blind]) if status == 200 else ""), "those that it does not see, too"
    with stored(own, records, status) as url:
        found = announced(tmp_path, own, "10.0.0.2", "10.0.0.3", "127.0.0.4", unseen=["127.0.0.4"], store=url)
    wanted = [
        (f"jl 10.0.0.2 {NETWORK} {n:064x}", f"join 10.211.0.{n} 255.255.0.0 02:42:00:00:00:{n:02x}")
        for n in range(2, 9)
    ]
    assert found == (wanted if status == 200 else [])


@pytest.mark.parametrize(
    ("name", "locators", "ours"),
    [
        ("app.1", ["own"], True),
        ("app.1", [], False),
        ("app.1", ["10.0.0.2"], False),
        ("app-1", ["own"], False),
    ],
)
def test_peers_are_told_that_an_endpoint_which_this_host_has_left_in_the_store_is_gone(
    tmp_path, own, name, locators, ours
):
    """And it is not this host's where another one has a container of that name."""
    records = [record(9, "10.211.0.9/16", "10.0.0.2")]
    for number, locator in enumerate(locators, 2):
        host = own if locator == "own" else locator
        records.append(record(number, f"10.211.0.{number}/16", host, "app.1"))
    with stored(own, records) as url:
        found = announced(tmp_path, own, store=url, left=f"{NETWORK} {name}", status=int(not ours))
    told = (f"jl {own} {NETWORK} {2:064x}", "leave 10.211.0.2 255.255.0.0 02:42:00:00:00:02")
    assert found == ([told] if ours else [])


def test_what_is_no_gossip_is_no_answer(tmp_path):
    place = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250}.99"
    for answer in (b"", b"\x06", b"\xff" * 99, b"\x06\x81\xa5Nodes\xcd\xff\xff", b"\x09" + b"\x81" * 4000):
        with socket.create_server((place, 7946)) as listener:

            def serve(listener=listener, answer=answer):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            assert gossip(tmp_path, place) == (2, "")
            thread.join(5)


DOCKER = """\
#!/bin/sh
# An engine of files: what it was asked decides, as far as finish-boot.sh asks.
cd "$ENGINE" || exit
[ -e up ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
case "$*" in
"network ls "*) cat networks ;;
"network disconnect -f "*) echo "$*" >> log; rm -f containers/*/fails ;;
"rename "*) echo "$*" >> log ;;
"network inspect "*) grep -qw "$3" networks ;;
"info "*) echo "$(cat swarm 2> /dev/null || echo inactive) $(pwd)" ;;
"ps "*) ls containers ;;
"start "*)
  if [ -e "containers/$2/fails" ]; then cat "containers/$2/fails" >&2; echo "fails" >> log; exit 1; fi
  [ -e "containers/$2/ends" ] || rm "containers/$2/listed"
  echo "$*" >> log ;;
*RestartPolicy*NetworkID*'{{end}}{{end}} '*)
  shift 3
  for id; do cat "containers/$id/listed" 2> /dev/null; done; true ;;
*println*)
  shift 3
  for id; do cat "containers/$id/joined" 2> /dev/null; done; true ;;
*State.Error*)
  if [ -e "containers/$4/why" ]; then cat "containers/$4/why"; exit; fi
  [ -e "containers/$4/quiet" ] || echo "network overweave not found" ;;
*) echo "not understood: $*" >&2; exit 9 ;;
esac
"""
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
"--quiet is-failed docker.service") [ -e "$ENGINE/failed" ] ;;
"--no-block restart docker.service") echo "restart" >> "$ENGINE/log" ;;
*"start docker.service") touch "$ENGINE/up"; rm "$ENGINE/failed" ;;
"show -p MainPID "*) cat "$ENGINE/pid" ;;
"show -p ExecMainStartTimestamp "*) echo "Sun 2026-11-22 09:43:43 UTC" ;;
"show -p ActiveEnterTimestamp "*) echo "Sun 2026-11-22 09:43:55 UTC" ;;
esac
"""
NSENTER = """\
#!/bin/sh
shift
case "$*" in
"ip neigh show nud permanent") cat "$ENGINE/neighbours" ;;
"bridge fdb show") cat "$ENGINE/forwarding" ;;
"bridge fdb replace "*) echo "$*" >> "$ENGINE/log" ;;
*) exit 9 ;;
esac
"""
FIRST = "aaaa"


@pytest.fixture
def host(tmp_path):
    made = Machine(tmp_path)
    # A process with the engine's flags.
    words = ["sh", "-c", "read wait", "dockerd", "--cluster-store=consul://127.0.0.1:8500"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as engine:
        (made.engine / "pid").write_text(f"{engine.pid}\n")
        yield made


class Machine:
    """A host whose engine is a folder. Time passes with every turn of the program, and not else."""

    def __init__(self, folder):
        self.engine, self.bin = folder / "engine", folder / "bin"
        (self.engine / "containers").mkdir(parents=True)
        (self.engine / "up").touch()
        (self.engine / "networks").write_text("id1 overweave global\n")
        self.bin.mkdir()
        self.turns = folder / "turns"
        sleep = f'#!/bin/sh\necho >> {self.turns}\n[ ! -e "$ENGINE/then" ] || sh "$ENGINE/then"\n'
        perl = (
            '#!/bin/sh\n[ ! "$OVERWEAVE_TELL" ] || { cat "$ENGINE/peers" 2> /dev/null; exit; }\n'
            'echo "$OVERWEAVE_STORE" >> "$ENGINE/store"\ncat > "$ENGINE/told"\n'
            'if [ "$OVERWEAVE_LEFT" ]; then echo "left $OVERWEAVE_LEFT at $2" >> "$ENGINE/log"\n'
            'exit "$(cat "$ENGINE/left")"; fi\n'
            '[ ! -e "$ENGINE/gossip" ] || exit "$(cat "$ENGINE/gossip")"\n'
        )
        cut = f"#!/bin/sh\nwc -l < {self.turns}\n"
        for name, text in (
            ("docker", DOCKER),
            ("systemctl", SYSTEMCTL),
            ("sleep", sleep),
            ("nsenter", NSENTER),
            ("perl", perl),
            ("cut", cut),
        ):
            self.program(name, text)
        self.turns.touch()
        self.file = folder / "finish-boot.sh"
        self.file.write_text(script("finish-boot.sh"))

    def program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def given_up(self, name="app", networks="overweave=id1", made="2026-11-22T09:43:42.9Z", **config):
        its = self.engine / "containers" / FIRST
        its.mkdir()
        (its / "listed").write_text(f"{FIRST} {made} /{name} {networks}\n")
        known = {"HasBeenStartedBefore": True, "HasBeenManuallyStopped": False} | config
        (its / "config.v2.json").write_text(json.dumps(known, separators=(",", ":")))
        return its

    def run(self, patience=20):
        ran = subprocess.run(
            ["sh", self.file, "10.0.0.1", "10.0.0.2"],
            capture_output=True,
            text=True,
            timeout=30,
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "ENGINE": str(self.engine),
                "OVERWEAVE_PATIENCE": str(patience),
                "OVERWEAVE_ONCE": str(self.engine / "once"),
                "OVERWEAVE_SPACES": str(self.engine),
            },
        )
        assert ran.stderr == ""
        return ran.returncode, ran.stdout.splitlines()

    def log(self):
        log = self.engine / "log"
        return log.read_text().splitlines() if log.exists() else []


def test_where_all_is_well_it_says_so_and_does_nothing(host):
    assert host.run() == (0, ["all there: nothing was to be done"])
    assert host.log() == []


def test_containers_on_the_stores_overlays_are_told_to_the_gossip_and_no_others(host):
    its = host.engine / "containers" / FIRST
    its.mkdir()
    (its / "joined").write_text("id1 e1 10.0.0.2 24 02:42\nid9 e9 10.9.0.2 24 02:43\n\n")
    assert host.run() == (0, ["all there: nothing was to be done"])
    assert (host.engine / "told").read_text() == "id1 e1 10.0.0.2 24 02:42\n"
    assert (host.engine / "store").read_text().split("\n") == ["", "consul://127.0.0.1:8500", ""], "once"


def test_a_container_that_docker_gave_up_is_started_and_the_reason_is_told(host):
    host.given_up()
    assert host.run() == (
        0,
        ["started app: Docker had given it up: network overweave not found", "all there"],
    )
    assert host.log() == [f"start {FIRST}"]


def test_one_that_docker_did_not_even_try_is_started(host):
    (host.given_up() / "quiet").touch()
    assert host.run() == (0, ["started app: Docker did not, and nobody had stopped it", "all there"])


def test_rows_of_which_the_engine_has_made_only_the_one_half_get_the_other(host):
    """Not those of which it has neither, which it asks for itself, or both, wherever they lead."""
    peers = [f"10.0.0.2 id1 e{n} 10.9.0.{n} 16 02:42:0a:09:00:0{n}" for n in range(2, 7)]
    (host.engine / "peers").write_text(
        "\n".join([*peers, "10.0.0.2 id9 e7 10.8.0.2 16 02:42:0a:08:00:02", ""])
    )
    (host.engine / "1-id1").touch()
    neighbours = [f"10.9.0.{n} dev vxlan0 lladdr 02:42:0a:09:00:0{n} PERMANENT" for n in (2, 3, 4, 5)]
    (host.engine / "neighbours").write_text("\n".join([*neighbours, ""]))
    forwarding = [
        "02:42:0a:09:00:02 dev vxlan0 dst 10.0.0.2 link-netnsid 0 self permanent",
        "02:42:0a:09:00:03 dev vxlan0 dst 10.0.0.2 link-netnsid 0 self",
        "02:42:0a:09:00:05 dev vxlan0 dst 10.0.0.9 link-netnsid 0 self permanent",
        "02:42:0a:09:00:09 dev vxlan0 master br0 permanent",
    ]
    (host.engine / "forwarding").write_text("\n".join([*forwarding, ""]))
    told = (
        "wrote the forwarding row of 10.9.0.{} on overweave, which the engine had not: it leads to 10.0.0.2"
    )
    assert host.run() == (
        0,
        [told.format(3), told.format(4), "all there: nothing was to be done"],
    )
    write = "bridge fdb replace 02:42:0a:09:00:0{} dev vxlan0 dst 10.0.0.2 self permanent"
    assert host.log() == [write.format(3), write.format(4)]


def test_one_that_starts_and_ends_by_itself_over_and_over_is_no_failure(host):
    for mark in ("quiet", "ends"):
        (host.given_up() if mark == "quiet" else host.engine / "containers" / FIRST).joinpath(mark).touch()
    started = "started app: Docker did not, and nobody had stopped it"
    assert host.run() == (0, [*[started] * 5, "all there"])


STOPPED = {"HasBeenManuallyStopped": True}


@pytest.mark.parametrize(
    "config",
    [
        STOPPED,
        {"HasBeenStartedBefore": False},
        STOPPED | {"FinishedAt": "2026-11-22T09:43:42.999Z"},
        STOPPED | {"FinishedAt": "2026-11-22T09:43:55.0Z"},
        STOPPED | {"FinishedAt": "nonsense"},
        STOPPED | {"FinishedAt": "2026-11-22T09:43:50Z", "HasBeenStartedBefore": False},
    ],
)
def test_what_somebody_has_stopped_or_never_started_is_left_alone(host, config):
    host.given_up(**config)
    assert host.run() == (0, ["all there: nothing was to be done"])


def test_a_worker_of_a_swarm_has_no_network_before_a_container_is_on_it(host):
    (host.engine / "swarm").write_text("active")
    (host.engine / "networks").write_text("")
    (host.engine / "gossip").write_text("2")
    host.given_up()
    assert host.run()[0] == 0, "nobody looks at the gossip of a swarm"
    assert host.log() == ["start aaaa"]


def test_an_engine_that_is_not_back_in_its_swarm_is_waited_for(host):
    (host.engine / "swarm").write_text("pending")
    assert host.run(5) == (1, ["gave up after 5 s: the engine is not in its swarm yet: pending"])


def test_one_that_the_engine_itself_stopped_at_its_start_is_started(host):
    """As behind a dockerd that was killed: Docker takes it for stopped by somebody."""
    (host.given_up(**STOPPED, FinishedAt="2026-11-22T09:43:53.741496462Z") / "quiet").touch()
    assert host.run() == (0, ["started app: Docker did not, and nobody had stopped it", "all there"])


def test_one_that_was_made_since_the_engine_began_is_left_to_who_made_it(host):
    """Else it would start what somebody has made, started and stopped while it looked."""
    (host.given_up(made="2026-11-22T09:43:43.5Z") / "quiet").touch()
    assert host.run() == (0, ["all there: nothing was to be done"])
    assert host.log() == []


def test_a_container_that_is_on_no_overlay_is_left_alone(host):
    host.given_up(networks="other=id9")
    (host.engine / "networks").write_text("id1 overweave global\n")
    (host.engine / "then").write_text("")
    host.program("docker", DOCKER.replace("grep -qw", "true"))
    assert host.run() == (0, ["all there: nothing was to be done"])


def test_it_waits_for_the_network_and_tells_what_it_waited_for_in_vain(host):
    host.given_up()
    (host.engine / "networks").write_text("")
    assert host.run(5) == (1, ["gave up after 5 s: app waits for its network overweave"])
    host.turns.write_text("")
    (host.engine / "then").write_text(
        f'[ "$(wc -l < {host.turns})" -lt 3 ] || echo "id1 overweave global" > "$ENGINE/networks"\n'
    )
    assert host.run()[1][-1] == "all there"
    assert host.log() == [f"start {FIRST}"]


def test_one_that_never_starts_is_tried_five_times(host):
    its = host.given_up()
    (its / "fails").write_text("port is already allocated\n")
    status, said = host.run()
    assert (status, said) == (
        1,
        ["app does not start: port is already allocated"] * 5 + ["gave up after 20 s: app is not running"],
    )


TAKEN = """\
Error response from daemon: endpoint with name app already exists in network overweave
Error: failed to start containers: aaaa
"""


def test_a_name_that_an_earlier_start_has_left_in_the_store_is_freed(host):
    (host.given_up() / "fails").write_text(TAKEN)
    (host.engine / "left").write_text("0")
    assert host.run() == (
        0,
        [
            "freed the name app on overweave: "
            "an endpoint that an earlier start had left in the store kept it",
            "started app: Docker had given it up: network overweave not found",
            "all there",
        ],
    )
    assert host.log() == [
        "fails",
        "left id1 app at 10.0.0.1",
        "rename app overweave-aside-app",
        "network disconnect -f overweave app",
        "rename overweave-aside-app app",
        "start aaaa",
    ]


def test_a_name_that_another_host_has_is_left_to_it(host):
    (host.given_up() / "fails").write_text(TAKEN)
    (host.engine / "left").write_text("1")
    status, said = host.run()
    assert (status, said[0]) == (1, f"app does not start: {TAKEN.splitlines()[0]}")
    assert not [line for line in host.log() if "disconnect" in line or "rename" in line]


def test_a_container_whose_name_was_put_aside_when_the_power_went_gets_it_back(host):
    host.given_up("overweave-aside-app")
    assert host.run()[0] == 0
    assert host.log() == ["rename aaaa app", "start aaaa"]


def test_an_engine_that_is_stuck_with_what_went_with_the_power_is_restarted_once(host):
    its = host.given_up()
    (its / "why").write_text('could not get network sandbox (oper true): failed get network namespace ""\n')
    (its / "fails").write_text("as before\n")
    told = "the engine is stuck with what was on an overlay before its power went: it is restarted, once"
    assert host.run(5)[1][0] == told
    assert host.log()[:2] == ["restart", "fails"], "what a restart does not help is tried as all else"
    host.turns.write_text("")
    assert told not in host.run(5)[1]
    assert host.log().count("restart") == 1


def test_an_engine_that_systemd_has_given_up_is_started_again(host):
    (host.engine / "up").unlink()
    (host.engine / "failed").touch()
    assert host.run() == (
        0,
        ["the engine does not start: systemd has given it up, once more", "all there"],
    )


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        (1, "the gossip was split"),
        (2, "the engine takes no part in the gossip"),
        (255, "the gossip was not looked at"),
    ],
)
def test_it_goes_on_until_the_gossip_is_whole(host, code, waits):
    (host.engine / "gossip").write_text(str(code))
    assert host.run(5) == (1, [f"gave up after 5 s: {waits}"])
