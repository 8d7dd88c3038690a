"""Each rule of diagnosis, by a fault on real hosts: the right cause is named, and nothing else is blamed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.lab.bed import GREEN, NET, load

from overweave.prove.rules import RULES

pytestmark = pytest.mark.lab

OVERLAY = "nsenter --net=$(ls /var/run/docker/netns/1-*)"
ANCHOR = "$(docker ps -qf label=io.overweave.anchor)"
CONTAINER = f"nsenter --net=/proc/$(docker inspect -f '{{{{.State.Pid}}}}' {ANCHOR})/ns/net"
INNER_TCP = "-p udp --dport 4789 -m u32 --u32 '56&0xFF=6'"
INNER_UDP = INNER_TCP.replace("=6", "=17")
"""The protocol of the packet inside: behind 20 bytes of IP, 8 of UDP, 8 of VXLAN, 14 of Ethernet, 9 of IP."""


@dataclass(frozen=True)
class Fault:
    """``broke`` and ``mended`` by host. ``where`` of the cause; ``green``: the proof is still green."""

    rule: str
    where: str
    broke: dict[str, str]
    mended: dict[str, str] = field(default_factory=dict)
    seen: str = ""
    green: bool = False


def rules_of(host, *rules, inside=""):
    """iptables rules, put first on a host, and taken away again."""
    return {
        "broke": {host: "\n".join(f"{inside} iptables -I {rule}" for rule in rules)},
        "mended": {host: "\n".join(f"{inside} iptables -D {rule}" for rule in rules)},
    }


def row(host, of, vtep):
    """Lead a host's packets for the anchor of another to a VTEP."""
    address = f"{{address of {of}}}"
    find = (
        f"mac=$({OVERLAY} ip neigh show {address} | sed -n 's/.*lladdr \\([^ ]*\\).*/\\1/p' | head -n 1)\n"
        f'dev=$({OVERLAY} bridge fdb show | sed -n "s/^$mac dev \\([^ ]*\\) dst.*/\\1/p" | head -n 1)\n'
    )
    return find + f"{OVERLAY} bridge fdb replace $mac dev $dev dst {vtep} self permanent"


def forget(of):
    """Delete a host's forwarding row for the anchor of another: the MAC is made of the address."""
    return f"{OVERLAY} bridge fdb del {mac(of)} dev vxlan0"


def mac(of):
    return f"$(printf 02:42:%02x:%02x:%02x:%02x $(echo {{address of {of}}} | tr . ' '))"


def remember(of, vtep):
    return f"{OVERLAY} bridge fdb replace {mac(of)} dev vxlan0 dst {vtep} self permanent"


VETH = f"$({OVERLAY} ip -o link show type veth | sed 's/^[0-9]*: \\([^@]*\\)@.*/\\1/')"


FAULTS = [
    Fault(
        "silent-host",
        "host2",
        {"host2": "mv /usr/bin/nsenter /usr/bin/nsenter.away"},
        {"host2": "mv /usr/bin/nsenter.away /usr/bin/nsenter"},
        "not all could be measured there: the checks on it ended early",
    ),
    Fault(
        "underlay-dead",
        "host2 <-> host3",
        **rules_of("host2", f"INPUT -s {NET}.13 -j DROP", f"OUTPUT -d {NET}.13 -j DROP"),
    ),
    Fault(
        "vxlan-port",
        "host2 -> host1",
        **rules_of("host1", f"INPUT -s {NET}.12 -p udp --dport 4789 -j DROP"),
    ),
    Fault("vxlan-port", "to host3", **rules_of("host3", "INPUT -p udp --dport 4789 -j DROP")),
    Fault(
        "row-wrong",
        "host1 -> host2",
        {"host1": row("host1", "host2", f"{NET}.13")},
        {"host1": row("host1", "host2", f"{NET}.12")},
    ),
    Fault(
        "device-down",
        "host2",
        {"host2": f"{OVERLAY} ip link set vxlan0 down"},
        {"host2": f"{OVERLAY} ip link set vxlan0 up"},
    ),
    Fault(
        "row-missing",
        "host1 <-> host2",
        {"host1": forget("host2"), "host2": forget("host1")},
        {"host1": remember("host2", f"{NET}.12"), "host2": remember("host1", f"{NET}.11")},
    ),
    Fault(
        "vxlan-swallowed",
        "host2",
        {"host2": f"{OVERLAY} ip link set {VETH} nomaster"},
        {"host2": f"{OVERLAY} ip link set {VETH} master br0"},
    ),
    Fault("icmp-filtered", "host3", **rules_of("host3", "INPUT -p icmp -j DROP", inside=CONTAINER)),
    Fault(
        "mtu",
        "host2",
        {"host2": "ip link set eth0 mtu 1400"},
        {"host2": "ip link set eth0 mtu 1500"},
        "small packets pass, full-size ones don't: the underlay carries 1400 bytes at most",
    ),
    # Bad checksums take UDP, too.
    Fault(
        "checksum",
        "host3",
        **rules_of("host3", f"OUTPUT {INNER_TCP} -j DROP", f"OUTPUT {INNER_UDP} -j DROP"),
    ),
    Fault(
        "stream",
        "from host3",
        **rules_of("host3", f"OUTPUT {INNER_TCP} -m length --length 400:65535 -j DROP"),
    ),
    Fault("names", "from host2", **rules_of("host2", "OUTPUT -d 127.0.0.11 -j DROP", inside=CONTAINER)),
    Fault(
        "other-address",
        "host1 -> host2",
        {"host2": f"ip address add {NET}.99/24 dev eth0", "host1": row("host1", "host2", f"{NET}.99")},
        {"host1": row("host1", "host2", f"{NET}.12"), "host2": f"ip address del {NET}.99/24 dev eth0"},
    ),
    Fault(
        "loss",
        "to host3",
        **rules_of(
            "host3",
            "INPUT -p icmp --icmp-type echo-request -m length --length 84 "
            "-m statistic --mode nth --every 3 --packet 0 -j DROP",
            inside=CONTAINER,
        ),
        green=True,
    ),
]


@pytest.fixture(scope="module", autouse=True)
def no_rows_left(bed):
    """Rows that engines make meanwhile stay, and lead new containers astray later (moby#52661)."""
    yield
    bed.make_clean()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule} {fault.where}")
def test_a_fault_is_named_and_nothing_else_is_blamed(deployed, fault):
    addresses = {
        f"{{address of {name}}}": deployed.do(
            name,
            f"docker inspect -f '{{{{.NetworkSettings.Networks.overweave.IPAddress}}}}' {ANCHOR}",
        ).strip()
        for name in ("host1", "host2", "host3")
    }

    def do(scripts):
        for name, script in scripts.items():
            for mark, address in addresses.items():
                script = script.replace(mark, address)
            deployed.do(name, script)

    deployed.undo.append(lambda: do(fault.mended))
    do(fault.broke)
    file = deployed.folder / "proof.json"
    ran = deployed.fab("validate-overlay", "--timeout", "1", "--json", str(file))
    found = load(file)
    assert ran.status == (0 if fault.green else 1), ran
    assert [(its["rule"], its["where"]) for its in found["diagnosis"]] == [(fault.rule, fault.where)], ran.out
    assert fault.seen in found["diagnosis"][0]["seen"]
    deployed.mend()
    ran = deployed.fab("validate-overlay", "--json", str(file))
    assert (ran.status, load(file)["diagnosis"]) == (0, []), ran
    assert GREEN in ran.out


def test_what_is_often_suspected_makes_nothing_red(deployed):
    """FORWARD closed, a route over the subnet: docs/diagnosis.md says so. Without the store, engines show no
    network that could be proven."""
    deployed.undo.append(
        lambda: deployed.do("host2", "iptables -D FORWARD -j DROP; ip route del 10.211.0.0/16")
    )
    deployed.do("host2", f"iptables -I FORWARD -j DROP; ip route add 10.211.0.0/16 via {NET}.13")
    assert GREEN in deployed.fab("validate-overlay").ok().out
    deployed.undo.append(lambda: deployed.do("host1", "docker start consul"))
    deployed.do("host1", "docker stop -t 2 consul")
    ran = deployed.fab("validate-overlay")
    assert (ran.status, ran.said) == (
        4,
        "overweave: the store does not answer, and engines show no overlay network without it: "
        "host1, host2, host3\n"
        "  -> `fab status` shows the store; `fab deploy-overlay` starts it; running containers go on",
    )


def test_every_rule_has_its_fault():
    """But those of the gossip, which take a restart (test_faults.py), and those of fleets without Perl."""
    elsewhere = {"gossip-port", "gossip-split", "vxlan-lost", "unexplained"}
    assert {rule.name for rule in RULES} == {fault.rule for fault in FAULTS} | elsewhere
