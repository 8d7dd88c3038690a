"""A proof over fake hosts whose programs answer from a model of who reaches whom."""

from __future__ import annotations

import json

import pytest
from tests.contract.fakes import FakeClock, FakeEngine, FakeHost, saved_image

from overweave.command import Result
from overweave.errors import EngineError, Interrupted, OverweaveError, Refused
from overweave.fleet import Cancel
from overweave.model import PROBE_LABEL, Access, Archive, Host, container_name
from overweave.prove.choice import OVERLAY_ONLY, Choice, choose
from overweave.prove.matrix import CHECKS, HEAVY, RING, Evidence, Isolation, Verdict
from overweave.prove.proof import Place, explained, left_out, prove, wanted_checks
from overweave.prove.signs import Context

IMAGE, MTU = "busybox:1.36", 1450
NETWORK = {"Name": "blue", "Driver": "overlay", "IPAM": {"Config": []}, "Options": {}}
NAMES = ("a", "b", "c:1")
VTEPS = {name: f"10.0.0.{n}" for n, name in enumerate(NAMES, start=1)}
AVOID = {"x on green": "10.9.9.9", "y on green": "10.9.9.8"}
OK = {
    "dns": "dns {n} {address}",
    "icmp": "icmp {n} 5 5 0.250 -",
    "connect": "connect {n} 0.125",
    "tcp": "tcp {n} ok",
    "mtu": "mtu {n} 1",
}
RED = {
    "dns": "dns {n} no answer",
    "icmp": "icmp {n} 25 0 - -",
    "connect": "connect {n} ETIMEDOUT",
    "tcp": "tcp {n} no connection",
    "mtu": "mtu {n} 0",
}


class Program:
    """A stream to a program in a container on ``host``, which is lost ``at`` a stage if that is said."""

    def __init__(self, host, words):
        self.host, (self.role, self.token, self.number, address, mtu, *_) = host, words
        assert int(mtu) == MTU
        assert host.stands_at(address)
        self.peers, self.avoid, self.open = {}, {}, True
        self.out = [b""] if host.lost == "start" else []
        self._say(["missing perl"] if not host.perl else ["ready 40001 40002"])
        host.fleet.numbers[self.number] = host

    def _say(self, lines):
        self.out.append("".join(f"{self.token} {self.role} {line}\n" for line in lines).encode())

    def sendall(self, data):
        for line in data.decode().splitlines():
            what, *words = line.split()
            if what == self.host.lost:
                self.out.append(b"")
            elif what == "peer":
                self.peers[words[0]] = words
            elif what == "avoid":
                self.avoid[words[0]] = words[1]
            else:
                getattr(self, what)()

    def _checks(self, which):
        for n, address, _, _, _, *checks in map(tuple, self.peers.values()):
            target = next(h for h in self.host.fleet.hosts.values() if h.stands_at(address))
            for check in checks:
                if check in which:
                    form = RED if (target.name, check) in self.host.red else OK
                    yield form[check].format(n=n, address=address)

    def light(self):
        self.host.fate()
        reached = [f"reached {n}" for n, address in self.avoid.items() if address in self.host.reaches]
        self._say([*self._checks(("dns", "icmp", "connect", "mtu")), *reached, "light-done"])

    def heavy(self):
        self._say([*self._checks(("tcp",)), "heavy-done"])

    def end(self):
        numbers = self.host.fleet.numbers
        came = [n for n, source in numbers.items() if (self.host.name, "udp") not in source.red]
        self._say([*(f"came {n} 3" for n in came), "bye"])

    def settimeout(self, seconds):
        self.seconds = seconds

    def recv(self, size):
        if not self.out:
            self.host.fleet.clock.now += self.seconds
            raise TimeoutError
        return self.out.pop(0)

    def close(self):
        self.open = False


class CancelledEngine(FakeEngine):
    """An engine whose calls end when the run is cancelled, as calls over ssh do."""

    cancel = Cancel()

    def end_container(self, name):
        self.cancel.check()
        super().end_container(name)


class ProofHost(FakeHost):
    """Finds everything well but for ``red``: (target, check) pairs; ``row`` is where all its rows lead."""

    def __init__(self, name, number, folder, fleet):
        engine = CancelledEngine(name, subnet=f"10.211.{number}")
        super().__init__(Host(name, Access(VTEPS[name])), folder, engine)
        self.name, self.fleet = name, fleet
        self.red, self.reaches, self.perl, self.row, self.sent, self.lost = set(), set(), True, None, 50, ""
        self.fate, self.looks, self.programs, self.namespace = (lambda: None), 0, [], True
        archive = Archive(saved_image(folder / "x.tar", IMAGE))
        self.engine.load_image(IMAGE, archive, lambda done, size: None)
        self.engine.create_network(NETWORK)

    def stands_at(self, address):
        return address.startswith(f"{self.engine._subnet}.")

    def serves(self, name, port):
        """Whether a server runs in that container, or beside it."""
        specs = [c["spec"] for n, c in self.engine._containers.items() if c["running"]]
        own = self.engine._containers[name]["spec"]
        beside = [spec for spec in specs if spec["HostConfig"]["NetworkMode"] == f"container:{name}"]
        return any(f"nc -ll -p {port} -e cat &" in " ".join(spec.get("Cmd", ())) for spec in [own, *beside])

    def start(self, command):
        self.programs.append(Program(self, command.words[6:]))
        return self.programs[-1]

    def ask(self, *queries):
        (query,) = queries
        mark, _, wanted = query.words[4:]
        assert wanted == f"*-{self.fleet.id[:6]}*"
        self.looks += 1
        if not self.namespace:
            return (Result(query, 0, "", ""),)
        link = {
            "ifname": "vxlan0",
            "flags": ["UP", "LOWER_UP"],
            "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 256}},
            "stats64": {"tx": {"packets": 7 + self.sent * self.looks}, "rx": {"packets": 9}},
        }
        peers = [h for h in self.fleet.hosts.values() if h is not self and (h.name, "vxlan") not in self.red]
        neighbours, rows = [], []
        for peer in peers:
            for last in range(2, 5):
                address = f"{peer.engine._subnet}.{last}"
                neighbours.append({"dst": address, "lladdr": f"02:{address}", "state": ["PERMANENT"]})
                rows.append({"mac": f"02:{address}", "dst": self.row or VTEPS[peer.name], "ifname": "vxlan0"})
        parts = [f"1-{self.fleet.id[:10]} 42", *(json.dumps(part) for part in ([link], neighbours, rows, []))]
        return (Result(query, 0, "".join(f"{part}\n{mark}\n" for part in parts), ""),)

    def do(self, change):
        """The checks with a container's own tools."""
        container, _, port, _, mtu, *peers = change.words[4:]
        assert self.engine.container(container)["State"]["Running"]
        assert int(mtu) == MTU
        lines = []
        for name, address in zip(peers[::2], peers[1::2], strict=True):
            target = next(h for h in self.fleet.hosts.values() if h.stands_at(address))
            assert target.serves(name, port)
            for check in ("dns", "icmp", "tcp", "mtu"):
                verdict = "red" if (target.name, check) in self.red else "ok"
                lines.append(f"{name} {check} {verdict} x")
        return Result(change, 0, "\n".join(lines), "")


class Fleet:
    def __init__(self, folder):
        self.clock, self.hosts, self.numbers, self.said = FakeClock(), {}, {}, []
        for number, name in enumerate(NAMES):
            self.hosts[name] = ProofHost(name, number, folder / str(number), self)
        self.id = self.hosts["a"].engine.network("blue")["Id"]
        self.stands = {}

    def stand(self, *names):
        """Containers on the network that are there for good."""
        for name in names:
            engine = self.hosts[name].engine
            spec = {"Image": IMAGE, "HostConfig": {"NetworkMode": "blue"}}
            its = container_name("anchor", name)
            engine.create_container(its, spec)
            engine.start_container(its)
            self.stands[name] = its

    def prove(self, choice=OVERLAY_ONLY, cancel=None, avoid=AVOID):
        place = Place("blue", self.id, MTU, VTEPS, IMAGE, self.stands, avoid)
        return prove(
            self.hosts,
            place,
            choice,
            clock=self.clock,
            cancel=cancel or Cancel(),
            progress=lambda host, text: self.said.append(text),
        )

    def left_over(self):
        return [
            c["Names"]
            for h in self.hosts.values()
            for c in h.engine.containers()
            if PROBE_LABEL in c["Labels"]
        ]

    def made(self):
        """Whether a container was made on some host, besides those that stand."""
        calls = [call for h in self.hosts.values() for call in h.engine.calls]
        return any("creating container overweave-probe" in call for call in calls)


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    assert made.left_over() == []
    assert not any(program.open for host in made.hosts.values() for program in host.programs)


def red(matrix):
    return {(p.source, p.target): p.failed for p in matrix.red}


def test_it_is_made_between_the_containers_that_stand_on_the_network(fleet):
    fleet.stand(*NAMES)
    seen = fleet.prove()
    matrix = seen.matrix
    assert matrix.green
    assert not fleet.made()
    assert (matrix.network, matrix.hosts, len(matrix.pairs)) == ("blue", NAMES, 6)
    assert matrix.between == "containers that stand on the network"
    assert (matrix.checks, matrix.left_out, matrix.isolation, seen.lost) == (CHECKS, {}, (), {})
    assert matrix.pair("a", "b").checks["vxlan"] == Verdict(True, "VNI 256 to 10.0.0.2")
    assert matrix.evidence == {name: Evidence(256, at, 50, 0) for name, at in VTEPS.items()}
    assert seen.rows == {(a, b): VTEPS[b] for a in NAMES for b in NAMES if a != b}
    assert fleet.said == ["proof: 6 directed pairs"]


@pytest.mark.parametrize("why", ["a host has none", "new ones were asked for", "nobody has any"])
def test_probes_are_made_for_it_where_none_stand_or_new_ones_are_wanted(fleet, why):
    fleet.stand(*{"a host has none": NAMES[:2], "new ones were asked for": NAMES}.get(why, ()))
    matrix = fleet.prove(choose(fresh=why == "new ones were asked for")).matrix
    assert matrix.green
    assert fleet.made()
    assert matrix.between == "containers made for this proof"
    assert fleet.said == ["proof: a probe container on each of 3 hosts", "proof: 6 directed pairs"]


@pytest.mark.parametrize("check", ["dns", "icmp", "udp", "connect", "tcp", "mtu", "vxlan"])
def test_a_red_check_is_red_in_its_pair_and_nowhere_else_and_has_a_cause(fleet, check):
    fleet.stand(*NAMES)
    fleet.hosts["b"].red = {("c:1", check)}
    seen = fleet.prove()
    assert red(seen.matrix) == {("b", "c:1"): (check,)}
    matrix = explained(seen, Context(VTEPS), {("b", "c:1"): {"icmp": Verdict(True, "x")}})
    assert [cause.pairs for cause in matrix.causes] == [(("b", "c:1"),)]
    assert matrix.pair("b", "c:1").underlay == {"icmp": Verdict(True, "x")}
    assert matrix.pair("c:1", "b").underlay == {}


def test_a_missing_row_and_a_row_to_another_host_are_red_and_say_so(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["a"].red = {("b", check) for check in CHECKS}
    fleet.hosts["b"].row = "10.0.0.99"
    seen = fleet.prove()
    checks = {(p.source, p.target): p.checks["vxlan"] for p in seen.matrix.pairs}
    assert checks["a", "b"] == Verdict(False, "no forwarding row")
    assert checks["b", "a"] == Verdict(False, "VNI 256 to 10.0.0.99")
    assert checks["a", "c:1"].ok
    assert (seen.rows["a", "b"], seen.rows["b", "a"]) == ("", "10.0.0.99")
    found = {(c.rule, c.where) for c in explained(seen, Context(VTEPS), {}).causes}
    assert found == {("row-missing", "a -> b"), ("other-address", "from b")}


def test_packets_that_took_another_way_are_no_proof(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["a"].sent = 0
    matrix = fleet.prove().matrix
    assert red(matrix) == dict.fromkeys([("a", "b"), ("a", "c:1")], ("vxlan",))
    assert matrix.pair("a", "b").checks["vxlan"].detail == "no packet went through the vxlan device"
    assert choose("^(vxlan|dns)$").overlay == ("dns", "icmp", "vxlan"), "something has to send packets"


def test_a_host_without_the_networks_namespace_has_no_rows(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["a"].namespace = False
    seen = fleet.prove()
    assert red(seen.matrix) == dict.fromkeys([("a", "b"), ("a", "c:1")], ("vxlan",))
    assert not [pair for pair in seen.rows if pair[0] == "a"]
    assert seen.matrix.evidence["a"] == Evidence(0, "10.0.0.1", 0, 0)


@pytest.mark.parametrize("at", ["start", "light", "heavy", "end"])
def test_a_host_that_is_lost_is_red_both_ways_and_named(fleet, at):
    fleet.stand(*NAMES)
    fleet.hosts["b"].lost = at
    seen = fleet.prove()
    assert seen.lost == {"b": "the checks on it ended early"}
    assert all("b" in pair for pair in red(seen.matrix))
    assert {("a", "b"), ("c:1", "b")} <= red(seen.matrix).keys()
    (cause,) = explained(seen, Context(VTEPS), {}).causes
    assert cause.rule == "silent-host"
    assert cause.seen == "not all could be measured there: the checks on it ended early"


def test_only_the_chosen_checks_are_made(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["a"].red = {("b", "tcp"), ("b", "dns")}
    matrix = fleet.prove(choose("dns|icmp")).matrix
    assert matrix.checks == ("dns", "icmp")
    assert red(matrix) == {("a", "b"): ("dns",)}
    assert {tuple(p.checks) for p in matrix.pairs} == {("dns", "icmp")}


def test_what_must_not_be_reached_and_is_makes_it_red(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["b"].reaches = {"10.9.9.8"}
    matrix = fleet.prove(Choice()).matrix
    assert [p for p in matrix.pairs if not p.green] == []
    assert not matrix.green
    assert len(matrix.isolation) == 6
    assert [i for i in matrix.isolation if i.reached] == [Isolation("b", "y on green", "y on green")]
    assert fleet.prove(OVERLAY_ONLY).matrix.isolation == ()


def test_what_a_host_reached_before_it_was_lost_is_not_forgotten(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["b"].reaches, fleet.hosts["b"].lost = {"10.9.9.8"}, "heavy"
    tried = fleet.prove(Choice()).matrix.isolation
    assert [i for i in tried if i.source == "b"] == [Isolation("b", "y on green", "y on green")]


def test_without_perl_on_a_host_all_are_checked_with_the_tools_of_probes(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["b"].perl = False
    fleet.hosts["a"].red = {("c:1", "tcp")}
    seen = fleet.prove()
    matrix = seen.matrix
    assert red(matrix) == {("a", "c:1"): ("tcp",)}
    assert matrix.checks == CHECKS
    assert {pair.wanted for pair in matrix.pairs} == {("dns", "icmp", "tcp", "mtu", "vxlan")}
    assert (matrix.left_out, matrix.without_perl) == ({}, ("b",))
    assert matrix.between == "containers that stand on the network"
    assert seen.lost == {}
    assert fleet.said == ["proof: 6 directed pairs", "no perl on b: the containers' own tools check"]
    assert seen.rows["a", "b"] == VTEPS["b"]


def test_without_perl_and_without_a_check_that_is_left_nothing_is_green(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["b"].perl = fleet.hosts["a"].perl = False
    with pytest.raises(Refused) as caught:
        fleet.prove(choose("^(udp|connect)$"))
    assert str(caught.value) == (
        "none of the chosen checks can be made without perl, which is not on a, b\n"
        "  -> install perl there, or choose of dns, icmp, tcp, mtu, vxlan"
    )


def test_a_probe_that_does_not_start_is_an_error(fleet):
    fleet.hosts["b"].engine.remove_network("blue")
    with pytest.raises(
        EngineError, match=r"^b: starting container overweave-probe-[0-9a-f]{8}-b: network blue "
    ):
        fleet.prove()


def test_a_container_that_stopped_meanwhile_is_an_error_with_its_host(fleet):
    fleet.stand(*NAMES)
    fleet.hosts["b"].engine.restart()
    fleet.hosts["b"].engine.hang_up()
    with pytest.raises(OverweaveError, match=r"^b: anchor-b has no address on blue, or does not run\n  -> "):
        fleet.prove()


def test_probes_are_removed_also_after_checks_that_fail_and_after_ctrl_c(fleet):
    def fail():
        raise EngineError("broken", host="b")

    fleet.hosts["b"].fate = fail
    with pytest.raises(EngineError, match=r"^b: broken\n  -> "):
        fleet.prove()
    assert fleet.left_over() == []
    cancel = Cancel()

    def interrupt():
        cancel.set()
        cancel.check()

    for host in fleet.hosts.values():
        host.engine.cancel = cancel
    fleet.hosts["b"].fate = interrupt
    with pytest.raises(Interrupted):
        fleet.prove(cancel=cancel)
    assert fleet.made()


def test_a_large_fleet_makes_heavy_checks_in_a_ring_and_says_what_it_left_out():
    hosts = tuple(f"h{n}" for n in range(40))
    wanted = wanted_checks(hosts, OVERLAY_ONLY)
    assert len(wanted) == 40 * 39
    for check in CHECKS:
        made = sum(check in checks for checks in wanted.values())
        assert made == (40 * RING if check in HEAVY else 40 * 39)
    assert wanted["h0", "h10"] == CHECKS
    assert wanted["h0", "h11"] == tuple(c for c in CHECKS if c not in HEAVY)
    assert set(wanted_checks(hosts[:32], OVERLAY_ONLY).values()) == {CHECKS}


def test_the_report_counts_what_a_large_fleet_left_out():
    hosts = tuple(f"h{n}" for n in range(33))
    wanted = wanted_checks(hosts, OVERLAY_ONLY)
    assert left_out(wanted, OVERLAY_ONLY) == {"tcp": 33 * 22, "mtu": 33 * 22}
    dns = choose("dns")
    assert left_out(wanted_checks(hosts, dns), dns) == {}
