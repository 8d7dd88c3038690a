"""What preflight finds on each host by itself: one thing is wrong, and exactly that is found."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.golden.site import Site, inventory_of

from overweave.facts.clock import Reading
from overweave.facts.disks import LOGS, RECORDS, Disk
from overweave.facts.firewall import Firewall
from overweave.facts.kernel import Card, Kernel
from overweave.facts.machine import Machine
from overweave.facts.names import Names
from overweave.facts.pair_report import Port
from overweave.facts.paths import PairFacts, Path, Travel
from overweave.facts.services import Service
from overweave.firewall import iptables
from overweave.firewall.rules import Tool
from overweave.model import SPEC_LABEL
from overweave.preflight import firewall as firewalls
from overweave.preflight import store
from overweave.preflight.everything import findings
from overweave.preflight.kernel import encryption

GIGA = 10**9


def tables(rules="", *, policy="ACCEPT", tool=Tool.IPTABLES_NFT):
    text = (
        f"*filter\n:INPUT {policy} [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        f"-A FORWARD -o docker0 -j DOCKER\n{rules}\nCOMMIT\n"
    )
    return tuple(iptables.parse(text, tool))


CLEAN = Machine(
    kernel=Kernel(
        {"bridge": "", "veth": "", "vxlan": ""}, True, 1024, True, (Card("eth0", "eth0", "e1000", True),)
    ),
    firewall=Firewall(Tool.IPTABLES_NFT, tables()),
    disks=tuple(Disk(path, 9 * GIGA, 10**6, True) for path in ("/var/lib/docker", "/etc", RECORDS, LOGS)),
    clock=Reading(1000.0, 0.1),
    names=Names((IPv4Address("10.0.0.1"),), True),
    services=(Service("docker.service", "active", "success", 0, False),),
)


def found(*, machine=CLEAN, wanted=None, box=None, engine=None):
    """(check, severity, host) of what is found where host2 is so, and all other hosts are well."""
    site = Site(wanted or inventory_of(3))
    for key, value in (box or {}).items():
        assert hasattr(site.boxes["host2"], key)
        setattr(site.boxes["host2"], key, value)
    facts = site.facts()
    hosts = {
        name: replace(its, engine=replace(its.engine, id=f"of {name}", storage="overlay2"))
        for name, its in facts.hosts.items()
    }
    if engine:
        hosts["host2"] = replace(hosts["host2"], engine=replace(hosts["host2"].engine, **engine))
    machines = {name: machine if name == "host2" else CLEAN for name in hosts}
    return findings(site.fleet, replace(facts, hosts=hosts, machines=machines))


def short(found):
    return [(f.check, f.severity.value, f.host) for f in found]


def kernel(**more):
    return replace(CLEAN, kernel=replace(CLEAN.kernel, **more))


def firewall(*args, **more):
    return replace(CLEAN, firewall=replace(CLEAN.firewall, tables=tables(*args, **more)))


def disk(path, **more):
    return replace(CLEAN, disks=tuple(replace(d, **more) if d.path == path else d for d in CLEAN.disks))


def service(**more):
    return replace(CLEAN, services=(replace(CLEAN.services[0], **more),))


def test_hosts_that_are_well():
    assert found() == []


def test_a_kernel_that_can_not_encrypt_matters_to_an_encrypted_network_alone():
    machine = kernel(unencrypted="Error: Requested AEAD algorithm not found.")
    assert found(machine=machine) == []
    site = Site(inventory_of(2, backend="swarm", store={}, network={"options": {"encrypted": ""}}))
    facts = replace(site.facts(), machines={"host1": CLEAN, "host2": machine})
    assert [(f.where, f.told) for f in encryption(site.fleet, facts)] == [
        (
            "host2",
            "error: the kernel can't encrypt packets (ESP): Error: Requested AEAD algorithm not found.: no "
            "container could join the encrypted network overweave -> `modprobe esp4`, or a kernel that has "
            "it: Debian's own has",
        )
    ]


@pytest.mark.parametrize(
    ("machine", "check", "severity"),
    [
        (kernel(links={"bridge": "", "veth": "", "vxlan": "Not supported"}), "kernel.links", "error"),
        (kernel(links={}), "kernel.links", "note"),
        (kernel(forwards=False), "kernel.forwarding", "warning"),
        (kernel(bridge_filter=False), "kernel.br-netfilter", "warning"),
        (kernel(neighbours=8), "kernel.neighbours", "warning"),
        (kernel(cards=(Card("eth0", "eth0", "vmxnet3", True),)), "kernel.checksums", "warning"),
        (kernel(cards=(Card("eth0", "eth0", "vmxnet3", None),)), "kernel.checksums", "note"),
        (kernel(cards=(Card("eth0", "eth0", "virtio_net", True),)), "kernel.checksums", "note"),
        (kernel(cards=(Card("eth0", "eth0", "bonding", False), Card("eth0", "ens3", "vmxnet3", True))),
         "kernel.checksums", "warning"),
        (firewall("-A INPUT -p udp -j DROP"), "firewall.input", "error"),
        (firewall("-A OUTPUT -p tcp --dport 7946 -j DROP"), "firewall.output", "error"),
        (firewall("-A OUTPUT -p tcp --dport 8501 -j REJECT"), "firewall.output", "error"),
        (firewall("-A INPUT -p udp -m limit --limit 5/s -j DROP"), "firewall.input", "note"),
        (firewall(policy="DROP"), "firewall.input", "error"),
        (replace(CLEAN, firewall=replace(CLEAN.firewall, problem="too many")), "firewall.rules", "note"),
        (replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, tables("-A INPUT -i lo -j ACCEPT")
                                          + tables("-A INPUT -i lo -j ACCEPT", tool=Tool.IPTABLES_LEGACY))),
         "firewall.flavours", "warning"),
        (replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, ())), "firewall.engine-chains", "warning"),
        (disk("/etc", writable=False), "resources.read-only", "error"),
        (disk(RECORDS, free=10_000), "resources.disk", "error"),
        (disk("/var/lib/docker", free=10_000_000), "resources.disk", "error"),
        (disk("/var/lib/docker", free=400_000_000), "resources.disk", "warning"),
        (disk(LOGS, inodes=3), "resources.inodes", "warning"),
        (replace(CLEAN, clock=Reading(1031.0, 0.1)), "resources.clock", "warning"),
        (replace(CLEAN, clock=Reading(960.0, 0.1)), "resources.clock", "warning"),
        (replace(CLEAN, names=Names((), False)), "resources.own-name", "warning"),
        (replace(CLEAN, names=Names((IPv4Address("10.211.0.2"),), True)), "addresses.resolvers", "error"),
        (service(state="failed", result="start-limit-hit"), "engine.start-limit", "warning"),
        (service(name="containerd.service", state="failed", result="exit-code"), "engine.units", "warning"),
        (service(outdated=True), "engine.reload", "warning"),
        (service(restarts=3), "engine.restarts", "note"),
    ],
)  # fmt: skip
def test_a_host_that_is_not(machine, check, severity):
    assert short(found(machine=machine)) == [(check, severity, "host2")]


@pytest.mark.parametrize(
    "machine",
    [
        kernel(forwards=None, neighbours=None),
        kernel(cards=(Card("eth0", "eth0", "vmxnet3", False), Card("eth1", "eth1", "vmxnet3", True))),
        kernel(cards=(Card("eth0", "eth0", "veth", True),)),
        firewall("-A INPUT -p tcp --dport 8501 -j DROP"),
        firewall("-A INPUT -s 10.0.0.12/32 -j DROP\n-A INPUT -p tcp --dport 22 -j DROP"),
        replace(CLEAN, firewall=Firewall(None, ())),
        disk("/var/lib/docker", inodes=None),
        replace(CLEAN, disks=()),
        replace(CLEAN, clock=Reading(1029.0, 0.1)),
        replace(CLEAN, clock=Reading(1040.0, 20.0)),
        replace(CLEAN, clock=None),
        replace(CLEAN, names=Names((), None)),
        service(state="inactive", restarts=2),
    ],
)
def test_what_is_no_reason_to_worry(machine):
    assert found(machine=machine) == []


@pytest.mark.parametrize(
    ("engine", "check", "severity"),
    [
        ({"id": "of host1"}, "identity.engine-id", "warning"),
        ({"live_restore": True}, "engine.live-restore", "warning"),
        ({"storage": "vfs"}, "engine.storage", "warning"),
        ({"storage": "devicemapper", "on_loop": True}, "engine.storage", "warning"),
        ({"warnings": ("WARNING: No swap limit support\x1b[2J",)}, "engine.warnings", "note"),
    ],
)
def test_an_engine(engine, check, severity):
    (its,) = found(engine=engine)
    assert (its.check, its.severity.value, its.host) == (check, severity, "host2")
    assert its.seen.isprintable()


@pytest.mark.parametrize(
    ("settings", "exec_start", "environment", "key"),
    [
        ({"hosts": ["fd://"]}, "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS", "", "hosts"),
        ({"hosts": []}, "/usr/sbin/dockerd --host=fd://", "", "hosts"),
        ({"debug": True}, "/usr/sbin/dockerd $DOCKER_OPTS", "DOCKER_OPTS='-D --x'\n", "debug"),
        ({"log-opts": {}}, "/usr/sbin/dockerd ${OPTIONS}", 'OPTIONS="--log-opt max-size=1m"\n', "log-opts"),
        ({"data-root": "/d"}, "/usr/sbin/dockerd -g /d", "", "data-root"),
        ({"live-restore": False}, "/usr/sbin/dockerd --live-restore", "", "live-restore"),
        ({"debug": True}, "/usr/sbin/dockerd --label 'a", "", ""),
        ({"debug": True}, "/usr/sbin/dockerd", "DOCKER_OPTS=--debug\n", ""),
        ({"log-level": "warn"}, "/usr/sbin/dockerd --log-driver=x -H fd://", "", ""),
    ],
)
def test_a_setting_that_is_given_twice(settings, exec_start, environment, key):
    its = found(box={"daemon_json": settings, "exec_start": exec_start, "environment": environment})
    assert short(its) == ([("configuration.conflict", "error", "host2")] if key else [])
    assert all(f.seen == f"{key} is given both as a flag and in /etc/docker/daemon.json" for f in its)


def test_an_engine_that_leaves_iptables_alone():
    box = {"daemon_json": {"iptables": False}}
    assert found(box=box, machine=replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, ()))) == []
    dropping = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n"
    rules = tuple(iptables.parse(dropping, Tool.IPTABLES_NFT))
    its = found(box=box, machine=replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, rules)))
    assert short(its) == [("firewall.forward", "warning", "host2")]
    assert its[0].seen == "the engine leaves iptables alone, and the policy of FORWARD is DROP"


def test_a_warning_about_the_store_itself_is_no_news():
    assert found(engine={"warnings": ("WARNING: … (cluster-advertise, cluster-store) is deprecated",)}) == []


def test_clones():
    site = Site()
    facts = site.facts()
    hosts = {
        n: replace(its, identity=replace(its.identity, machine_id="one")) for n, its in facts.hosts.items()
    }
    its = findings(site.fleet, replace(facts, hosts=hosts))
    assert [(f.check, f.seen, f.host) for f in its] == [
        ("identity.machine-id", "it has the machine-id of host1", "host2"),
        ("identity.machine-id", "it has the machine-id of host1", "host3"),
    ]


def test_live_restore_that_is_only_written_down():
    assert short(found(box={"daemon_json": {"live-restore": True}})) == [
        ("engine.live-restore", "warning", "host2")
    ]


@pytest.mark.parametrize(
    ("subnet", "severity"),
    [("10.211.0.0/28", None), ("10.211.0.0/29", "error"), ("10.211.0.0/24", None)],
)
def test_room(subnet, severity):
    its = found(wanted=inventory_of(3, network={"subnet": subnet}))
    assert short(its) == ([("addresses.room", severity, "")] if severity else [])


def test_room_that_is_soon_used_up():
    assert short(found(wanted=inventory_of(5, network={"subnet": "10.211.0.0/28"}))) == [
        ("addresses.room", "warning", "")
    ]


@pytest.mark.parametrize(
    ("box", "findings"),
    [
        ({"routes": {"10.0.0.0/24": "eth0", "10.0.0.13/32": "eth1"}},
         [("addresses.interface", "packets to host3 leave by eth1, but 10.0.0.12 of eth0 is advertised")]),
        ({"routes": {"0.0.0.0/0": "eth1"}},
         [("addresses.interface",
           "packets to host1, host3 leave by eth1, but 10.0.0.12 of eth0 is advertised")]),
        ({"routes": {"10.9.0.0/16": "eth0"}}, [("addresses.interface", "it has no route to host1, host3")]),
        ({"routes": {"0.0.0.0/0": "eth0"}}, []),
    ],
)  # fmt: skip
def test_the_way_to_the_peers(box, findings):
    assert [(f.check, f.seen) for f in found(box=box)] == findings


def test_the_address_that_vagrant_gives_to_all():
    box = {
        "reached_at": "10.0.2.15",
        "interfaces": {"eth0": [1500, "10.0.2.15/24"], "eth1": [1500, "10.0.0.12/24"]},
        "routes": {"0.0.0.0/0": "eth0"},
    }
    (its,) = found(box=box)
    assert (its.check, its.severity.value, its.host) == ("addresses.nat", "error", "host2")
    assert its.fix == "`advertise:` in the inventory: it has eth1 (10.0.0.12)"


def test_one_finding_a_rule_with_all_that_it_drops_and_its_cure():
    (its,) = found(machine=firewall("-A INPUT -m comment --comment 'odd \x1b[2J' -j DROP"))
    assert its.seen == (
        "`-A INPUT -m comment --comment 'odd  [2J' -j DROP`, table filter (iptables), "
        "drops udp 4789, tcp 7946, udp 7946 from host1, host3"
    )
    assert its.fix == (
        "iptables -I INPUT -p udp -s 10.0.0.0/24 -m multiport --dports 4789,7946 -j ACCEPT && "
        "iptables -I INPUT -p tcp -s 10.0.0.0/24 --dport 7946 -j ACCEPT"
    )


def test_a_host_that_drops_in_a_thousand_ways_is_told_of_once():
    rules = "\n".join(f"-A INPUT -p udp -m length --length {n} -j DROP" for n in range(1000))
    assert len(found(machine=firewall(rules))) <= 10


def test_engines_that_make_no_rules_miss_none():
    bare = replace(CLEAN, firewall=Firewall(Tool.IPTABLES_NFT, ()))
    assert found(machine=bare, box={"daemon_json": {"iptables": False}}) == []
    assert found(machine=bare, box={"arguments": ["/usr/sbin/dockerd", "--iptables=false"]}) == []
    assert found(machine=bare, box={"running": False}) == []


def test_neighbours_are_as_many_as_containers():
    labels = {SPEC_LABEL: "x"}
    box = {"containers": {f"c{n}": ["busybox", True, labels] for n in range(1025)}}
    its = found(box=box)
    assert {f.check for f in its} == {"kernel.neighbours"}
    assert its[0].fix == "`sysctl -w net.ipv4.neigh.default.gc_thresh3=4096`, and in /etc/sysctl.d"


@pytest.mark.parametrize(("count", "even"), [(1, False), (2, True), (3, False), (4, True), (5, False)])
def test_an_odd_number_of_servers(count, even):
    assert [f.check for f in store.quorum(count)] == ["store.servers"] * even


def test_packets_that_were_seen_to_arrive_are_dropped_by_no_rule():
    site = Site()
    facts = site.facts()
    closed = firewall("-A INPUT -p udp -j DROP")
    gossip = {Port("udp", 7946): "ok", Port("tcp", 7946): "ok"}
    lost, came = Path(gossip, vxlan=Travel(3, 0, 0)), Path(gossip, vxlan=Travel(3, 3, 1500))

    def judged(**paths):
        measured = PairFacts(1500, paths={(name, "host2"): path for name, path in paths.items()})
        machines = {name: closed if name == "host2" else CLEAN for name in facts.hosts}
        return [
            (f.severity.value, f.seen.partition("(iptables), ")[2])
            for f in firewalls.rules(site.fleet, replace(facts, machines=machines, pairs=measured))
        ]

    assert judged(host1=came, host3=came) == [("note", "may drop udp 4789, udp 7946 from host1, host3")]
    assert judged(host1=lost, host3=came) == [("error", "drops udp 4789 from host1")]
    assert judged(host1=came) == [("error", "drops udp 4789, udp 7946 from host3")]
