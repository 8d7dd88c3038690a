"""How fast the overlay is, on real hosts; and that nothing of it stays."""

from __future__ import annotations

import json

import pytest
from tests.lab.bed import changes

from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

MEASURES = {"one", "many", "requests", "datagrams"}


def test_every_pair_is_measured_in_both_planes_and_nothing_is_left(deployed):
    before = deployed.state()
    file = deployed.folder / "bench.json"
    ran = deployed.fab("bench-overlay", "--seconds", "0.3", "--streams", "3", "--json", str(file)).ok()
    assert ran.said == ""
    assert "3 of 3 pairs of overweave in " in ran.out
    assert "MTU limit: all hosts: 1398 bytes of data in a packet against 1448 on the underlay" in ran.out
    result = json.loads(file.read_text())
    assert {frozenset((p["from"], p["to"])) for p in result["pairs"]} == {
        frozenset(pair) for pair in (("host1", "host2"), ("host1", "host3"), ("host2", "host3"))
    }
    for pair in result["pairs"]:
        for plane in ("underlay", "overlay"):
            its = pair[plane]
            assert its["missing"] == {}
            assert its.keys() - {"missing"} == MEASURES
            assert its["one"]["bits_per_second"] > 1e7
            assert set(its["many"]["busy"]) == {pair["from"], pair["to"]}
            assert its["requests"]["per_second"] > 10
        assert all(ratio > 0 for ratio in pair["ratio"].values())
    assert {(d["mtu"], d["inner_mtu"]) for d in result["devices"].values()} == {(1500, 1450)}
    assert all(d["features"]["tx-checksumming"] in (True, False) for d in result["devices"].values())
    assert changes(before, deployed.state()) == []
    for host in deployed.hosts:
        wait_for(lambda host=host: not host.run(("pgrep", "-x", "perl")).ok, 10, "the end of its programs")


def test_a_closed_underlay_and_a_broken_overlay_are_told(deployed):
    rule = "INPUT -i eth0 -p tcp --dport 32768:60999 -m conntrack --ctstate NEW -j REJECT"
    deployed.do("host2", f"iptables -I {rule}")
    deployed.undo.append(lambda: deployed.do("host2", f"iptables -D {rule}"))
    two = ("bench-overlay", "-H", "host1,host2", "--seconds", "0.1")
    closed = deployed.fab(*two).ok()
    assert "not measured: underlay, host1 -> host2: TCP port " in closed.out
    assert "  --port NAMES a port that the hosts' firewalls let through\n" in closed.out
    deployed.drop("host2", "udp", 4789, "host1")
    broken = deployed.fab(*two)
    assert broken.status == 1
    assert "not measured: overlay, host1 -> host2: TCP port " in broken.out
    assert "): ETIMEDOUT\n" in broken.out


def test_what_can_not_be_measured_is_refused(deployed):
    none = deployed.fab("bench-overlay", "--network", "nowhere", "-H", "host1,host2")
    assert none.status == 4
    for host in ("host1", "host2"):
        assert (
            f"{host}: no container of Overweave's own runs on network nowhere here\n"
            "  -> `fab deploy-overlay` makes one on every host; --network NAME measures another network"
        ) in none.said
    alone = deployed.fab("bench-overlay", "-H", "host1")
    assert (alone.status, alone.said) == (
        2,
        "overweave: a benchmark needs two hosts\n  -> as in fab bench-overlay -H host1,host2",
    )
    for option, told in (
        (
            ("--seconds", "0"),
            "overweave: --seconds 0.0: not between 0.1 and 60\n  -> give a number within these",
        ),
        (
            ("--streams", "65"),
            "overweave: --streams 65: not between 1 and 64\n  -> give a number within these",
        ),
        (
            ("--port", "70000"),
            "overweave: --port 70000: not between 0 and 65535\n  -> give a number within these",
        ),
    ):
        refused = deployed.fab("bench-overlay", "-H", "host1,host2", *option)
        assert (refused.status, refused.said) == (2, told)
