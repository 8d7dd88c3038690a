"""A proof over fake hosts whose probes answer from a model of who reaches whom."""

from __future__ import annotations

import json

import pytest
from tests.contract.fakes import FakeClock, FakeEngine, FakeHost, saved_image

from overweave.command import Result
from overweave.errors import EngineError, Interrupted
from overweave.fleet import Cancel
from overweave.model import PROBE_LABEL, Access, Archive, Host
from overweave.prove.checks import AROUND, CLIENT, client_arguments
from overweave.prove.proof import prove

IMAGE, MTU = "busybox:1.36", 1450
NETWORK = {"Name": "blue", "Driver": "overlay", "IPAM": {"Config": []}, "Options": {}}
VTEPS = {"a": "10.0.0.1", "b": "10.0.0.2", "c:1": "10.0.0.3"}


class CancelledEngine(FakeEngine):
    """An engine whose calls end when the run is cancelled, as calls over ssh do."""

    cancel = Cancel()

    def end_container(self, name):
        self.cancel.check()
        super().end_container(name)


class ProbeHost(FakeHost):
    """A host whose probe finds everything well but for ``red``: (target, check) pairs.

    ``fate`` is called when its checks begin.
    """

    def __init__(self, name, folder, peers):
        subnet = f"10.211.{len(peers)}"
        super().__init__(Host(name, Access(VTEPS[name])), folder, CancelledEngine(name, subnet=subnet))
        self.peers, self.red, self.sent, self.row = peers, set(), 100, None
        self.fate = lambda: None
        archive = Archive(saved_image(folder / "x.tar", IMAGE))
        self.engine.load_image(IMAGE, archive, lambda done, size: None)
        self.engine.create_network(NETWORK)

    def do(self, change):
        if AROUND not in change.words:
            return super().do(change)
        self.fate()
        network, container, mark, script, *arguments = change.words[4:]
        assert network == self.engine.network("blue")["Id"][:10]
        assert self.engine.container(container)["State"]["Running"]
        assert script == CLIENT
        head = len(client_arguments(MTU, []))
        assert tuple(arguments[:head]) == client_arguments(MTU, [])
        told = list(zip(arguments[head::2], arguments[head + 1 :: 2], strict=True))
        return Result(change, 0, self._answer(mark, told), "")

    def _answer(self, mark, told):
        lines, neighbours, rows = [], [], []
        for name, address in told:
            target = next(t for t, peer in self.peers.items() if peer.owns(name, address))
            for check in ("dns", "icmp", "tcp", "mtu"):
                verdict = "red" if (target, check) in self.red else "ok"
                lines.append(f"{name} {check} {verdict} x")
            if (target, "vxlan") not in self.red:
                neighbours.append({"dst": address, "lladdr": f"mac of {address}"})
                rows.append({"mac": f"mac of {address}", "dst": self.row or VTEPS[target]})

        def link(sent):
            return json.dumps(
                [
                    {
                        "linkinfo": {"info_data": {"id": 256}},
                        "stats64": {"tx": {"packets": sent}, "rx": {"packets": 9}},
                    }
                ]
            )

        parts = [link(7), "\n".join(lines), link(7 + self.sent), json.dumps(neighbours), json.dumps(rows)]
        return f"\n{mark}\n".join(parts)

    def owns(self, container, address):
        """Whether a container of that name and address runs here."""
        running = {n.lstrip("/") for c in self.engine.containers() for n in c["Names"]}
        if container not in running:
            return False
        joined = self.engine.container(container)["NetworkSettings"]["Networks"]
        return joined["blue"]["IPAddress"] == address


@pytest.fixture
def hosts(tmp_path):
    made = {}
    for number, name in enumerate(VTEPS):
        made[name] = ProbeHost(name, tmp_path / str(number), made)
    return made


def run(hosts, cancel=None):
    said = []
    matrix = prove(
        hosts,
        network="blue",
        image=IMAGE,
        mtu=MTU,
        vteps=VTEPS,
        clock=FakeClock(),
        cancel=cancel or Cancel(),
        progress=lambda host, text: said.append(text),
    )
    assert said == ["proof: a probe container on each of 3 hosts", "proof: 6 directed pairs"]
    return matrix


def left_over(hosts):
    return [c["Names"] for h in hosts.values() for c in h.engine.containers() if PROBE_LABEL in c["Labels"]]


def test_a_network_that_works_is_green_and_no_probe_stays(hosts):
    matrix = run(hosts)
    assert matrix.green
    assert (matrix.network, matrix.hosts, len(matrix.pairs)) == ("blue", tuple(VTEPS), 6)
    assert matrix.pair("a", "b").checks["vxlan"].detail == "VNI 256 to 10.0.0.2"
    assert {e: (its.vni, its.vtep, its.sent, its.received) for e, its in matrix.evidence.items()} == {
        name: (256, address, 100, 0) for name, address in VTEPS.items()
    }
    assert matrix.causes == ()
    assert left_over(hosts) == []


@pytest.mark.parametrize("check", ["dns", "icmp", "tcp", "mtu", "vxlan"])
def test_a_red_check_is_red_in_its_pair_and_nowhere_else_and_has_a_cause(hosts, check):
    hosts["b"].red = {("c:1", check)}
    if check == "vxlan":
        hosts["b"].red |= {("c:1", "icmp")}
    matrix = run(hosts)
    assert [(p.source, p.target) for p in matrix.red] == [("b", "c:1")]
    assert check in matrix.red[0].failed
    assert len(matrix.causes) == 1
    assert left_over(hosts) == []


def test_a_missing_row_and_a_row_to_another_host_are_red_and_say_so(hosts):
    hosts["a"].red = {("b", "vxlan")}
    hosts["b"].row = "10.0.0.99"
    matrix = run(hosts)
    checks = {(p.source, p.target): p.checks["vxlan"] for p in matrix.pairs}
    assert not checks["a", "b"].ok
    assert checks["a", "b"].detail.startswith("no forwarding row for 10.211.1.")
    assert checks["b", "a"] == type(checks["b", "a"])(False, "VNI 256 to 10.0.0.99")
    assert checks["a", "c:1"].ok


def test_packets_that_took_another_way_are_no_proof(hosts):
    hosts["a"].sent = 0
    assert {(p.source, p.failed) for p in run(hosts).red} == {("a", ("vxlan",))}


def test_each_host_begins_with_the_one_after_it(hosts):
    order = {}
    for name, host in hosts.items():
        answer = host._answer

        def remember(mark, told, name=name, answer=answer):
            order[name] = [next(t for t, peer in hosts.items() if peer.owns(*pair)) for pair in told]
            return answer(mark, told)

        host._answer = remember
    run(hosts)
    assert order == {"a": ["b", "c:1"], "b": ["c:1", "a"], "c:1": ["a", "b"]}


def test_a_probe_that_does_not_start_is_an_error_and_those_that_did_are_removed(hosts):
    hosts["b"].engine.remove_network("blue")
    with pytest.raises(
        EngineError, match=r"^b: starting container overweave-probe-[0-9a-f]{8}-b: network blue "
    ):
        run(hosts)
    assert left_over(hosts) == []


def test_probes_are_removed_also_after_checks_that_fail_and_after_ctrl_c(hosts):
    cancel = Cancel()

    def fail():
        raise EngineError("broken", host="b")

    hosts["b"].fate = fail
    with pytest.raises(EngineError, match=r"^b: broken$"):
        run(hosts)
    assert left_over(hosts) == []

    def interrupt():
        cancel.set()
        cancel.check()

    for host in hosts.values():
        host.engine.cancel = cancel
    hosts["b"].fate = interrupt
    with pytest.raises(Interrupted):
        run(hosts, cancel)
    assert left_over(hosts) == []
    with pytest.raises(Interrupted):
        cancel.check()


def test_names_of_two_runs_differ_and_colons_of_ipv6_are_no_part_of_them(hosts):
    seen = set()

    def note():
        seen.update(c["Names"][0] for host in hosts.values() for c in host.engine.containers())

    hosts["a"].fate = note
    run(hosts)
    run(hosts)
    assert len(seen) == 6
    assert not [name for name in seen if ":" in name]
