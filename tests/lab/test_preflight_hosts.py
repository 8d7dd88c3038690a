"""One thing is wrong on a host: preflight finds exactly that, and changes nothing.

A path between hosts that is closed for that very reason is not told again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.lab.bed import FILES, NET, load

from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
RULES = """\
{ iptables-save; iptables-legacy-save; } | grep -v '^[#:]'
nft list ruleset | sed 's/packets .* bytes [0-9]*//'
"""
RESTART = "systemctl reset-failed docker docker.socket; systemctl restart docker"
DAEMON_JSON = "/etc/docker/daemon.json"
NO_SETTINGS = f"rm -f {DAEMON_JSON}"


@dataclass(frozen=True)
class Fault:
    """``broke`` and ``mended`` are shell scripts for a host. ``found`` has the checks that find something
    there, each with its severity; ``seen`` is a part of what the first of them saw. ``alone``: on host2
    and no other one at the same time, for others notice."""

    name: str
    broke: str
    mended: str
    found: tuple[str, ...]
    seen: str
    alone: bool = False

    def __str__(self) -> str:
        return self.name


def settings(text):
    return f"echo '{text}' > {DAEMON_JSON}"


def wrapped(program, script):
    """How to put a program before the real one, and how to take it away."""
    path = f"/usr/local/sbin/{program}"
    return f"printf '#!/bin/sh\\n%s\\n' '{script}' > {path}; chmod +x {path}", f"rm {path}"


def covered(path, size="1g", *, more=""):
    """How to mount an empty file system over a folder, and how to unmount it."""
    return (
        f"test -d {path} || mkdir {path}; mount -t tmpfs -o size={size} lab-fault {path}; {more or 'true'}",
        f"umount {path}; rmdir {path} 2>/dev/null || true",
    )


FAULTS = (
    Fault("a name server inside the subnet", "echo nameserver 10.211.0.2 > /etc/resolv.conf",
          ": > /etc/resolv.conf", ("addresses.resolvers error",),
          "it asks 10.211.0.2 for names, which is inside the subnet 10.211.0.0/16"),
    Fault("a route to a peer by another interface",
          # Without a word of ARP from there: the others would believe it longer than the test takes.
          f"ping -qc1 {NET}.13; mac=$(ip neigh show {NET}.13 | cut -d' ' -f5); "
          "ip link add link eth0 name other0 type macvlan mode bridge; "
          "sysctl -qw net.ipv4.conf.other0.arp_ignore=1; ip link set other0 up; "
          f"ip neigh replace {NET}.13 lladdr $mac dev other0 nud permanent; "
          f"ip route add {NET}.13/32 dev other0 src {NET}.12",
          "ip link delete other0", ("addresses.interface warning",),
          f"packets to host3 leave by other0, but {NET}.12 of eth0 is advertised", alone=True),
    Fault("live-restore", settings('{"live-restore": true}') + "; systemctl reload docker",
          f"{NO_SETTINGS}; {RESTART}", ("engine.live-restore warning",),
          "live-restore is on"),
    Fault("copies of layers in full", settings('{"storage-driver": "vfs"}') + f"; {RESTART}",
          f"{NO_SETTINGS}; {RESTART}; rm -rf /var/lib/docker/vfs /var/lib/docker/image/vfs",
          ("engine.storage warning",), "the storage driver vfs copies every layer in full"),
    Fault("what the engine warns of", "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
          "sysctl -qw net.bridge.bridge-nf-call-iptables=1", ("engine.warnings note",),
          "the engine warns: bridge-nf-call-iptables is disabled"),
    Fault("a flag that is in daemon.json too", settings('{"hosts": ["fd://"]}'), NO_SETTINGS,
          ("configuration.conflict error",), "hosts is given both as a flag and in /etc/docker/daemon.json"),
    Fault("too many starts", "for n in 1 2 3 4 5 6; do systemctl restart docker || exit 0; done; exit 1",
          "systemctl reset-failed docker docker.socket; systemctl start docker.socket docker",
          ("engine.start-limit warning", "engine.units warning"),
          "docker.service has failed: start-limit-hit"),
    Fault("unit files that systemd has not read",
          "mkdir /etc/systemd/system/docker.service.d; "
          "echo '[Service]' > /etc/systemd/system/docker.service.d/10-x.conf",
          "rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload", ("engine.reload warning",),
          "the files of docker.service have changed since systemd read them"),
    Fault("a kernel without VXLAN",
          *wrapped("ip", 'case "$*" in *ow-link*vxlan*) echo Operation not supported; exit 2;; esac; '
                   'exec /bin/ip "$@"'),
          ("kernel.links error",), "no vxlan link can be made: Operation not supported"),
    Fault("no forwarding", "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1",
          ("kernel.forwarding warning", "engine.warnings note"), "net.ipv4.ip_forward is 0"),
    Fault("no br_netfilter", *covered("/proc/sys/net/bridge"),
          ("kernel.br-netfilter warning", "engine.warnings note"),
          "br_netfilter is neither loaded nor can it be"),
    Fault("a small neighbour table",
          *covered("/proc/sys/net/ipv4/neigh", more="mkdir /proc/sys/net/ipv4/neigh/default; "
                   "echo 8 > /proc/sys/net/ipv4/neigh/default/gc_thresh3"),
          ("kernel.neighbours warning",), "the neighbour table holds 8, and this fleet may need 12"),
    Fault("a card that computes checksums wrongly",
          *wrapped("ethtool", 'case "$1" in -i) echo driver: vmxnet3;; *) exec /sbin/ethtool "$@";; esac'),
          ("kernel.checksums warning",), "eth0 computes checksums of packets, and is a vmxnet3"),
    Fault("rules of both flavours", "iptables-legacy -A INPUT -i lo -j ACCEPT",
          "iptables-legacy -D INPUT -i lo -j ACCEPT", ("firewall.flavours warning",),
          "both iptables-nft and iptables-legacy have rules; `iptables` is iptables-nft"),
    Fault("a rule of iptables", "iptables -A INPUT -p udp --dport 4789 -j DROP", "iptables -F INPUT",
          ("firewall.input error",),
          "`-A INPUT -p udp -m udp --dport 4789 -j DROP`, table filter (iptables), drops udp 4789 from "
          "host1, host3", alone=True),
    Fault("a rule of iptables for what leaves", "iptables -A OUTPUT -p tcp --dport 7946 -j REJECT",
          "iptables -F OUTPUT", ("firewall.output error",),
          "`-A OUTPUT -p tcp -m tcp --dport 7946 -j REJECT --reject-with icmp-port-unreachable`, "
          "table filter (iptables), drops tcp 7946 to host1, host3", alone=True),
    Fault("a policy of iptables-legacy",
          "iptables-legacy -A INPUT -i lo -j ACCEPT; iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; "
          "iptables-legacy -P INPUT DROP",
          "iptables-legacy -P INPUT ACCEPT; iptables-legacy -F INPUT",
          ("firewall.input error", "firewall.flavours warning"),
          "the policy of INPUT, table filter (iptables-legacy), drops udp 4789, tcp 7946, udp 7946 from "
          "host1, host3", alone=True),
    Fault("a table of nftables",
          "nft add table inet site; "
          "nft add chain inet site incoming \"{ type filter hook input priority 5; }\"; "
          "nft add rule inet site incoming udp dport \"{ 4789, 7946 }\" counter drop",
          "nft delete table inet site", ("firewall.input error",),
          "drops udp 4789, udp 7946 from host1, host3", alone=True),
    Fault("ufw", "ufw allow 22/tcp; ufw --force enable", "ufw --force reset", ("firewall.input error",),
          "the policy of INPUT, table filter (ufw), drops udp 4789, tcp 7946, udp 7946 from host1, host3",
          alone=True),
    Fault("firewalld", "systemctl start firewalld; systemctl restart docker",
          "systemctl stop firewalld; systemctl restart docker", ("firewall.input error",),
          "table firewalld (firewalld), drops udp 4789, tcp 7946, udp 7946 from host1, host3", alone=True),
    Fault("nothing is forwarded, and the engine leaves that alone",
          settings('{"iptables": false}') + "; iptables -F; iptables -X; iptables -P FORWARD DROP; "
          + RESTART, f"{NO_SETTINGS}; {RESTART}", ("firewall.forward warning",),
          "the engine leaves iptables alone, and the policy of FORWARD is DROP"),
    Fault("the engine's rules gone", "iptables -F FORWARD", RESTART, ("firewall.engine-chains warning",),
          "the engine's chains are gone from iptables"),
    Fault("no room for images", *covered("/var/lib/docker", "10m"), ("resources.disk error",),
          "/var/lib/docker has 10 MB free, and "),
    Fault("little room for images", *covered("/var/lib/docker", "100m"), ("resources.disk warning",),
          "/var/lib/docker has only 104 MB free"),
    Fault("no room for records", *covered("/var/lib/overweave", "1m"), ("resources.disk error",),
          "/var/lib/overweave has 1 MB free, and 4 MB are needed"),
    Fault("no room for logs", *covered("/var/log", "1m"), ("resources.disk warning",),
          "/var/log/overweave has 1 MB free, and 4 MB are needed"),
    Fault("no room for more files", *covered("/var/log", "10m,nr_inodes=10"), ("resources.inodes warning",),
          "the file system of /var/log/overweave can take 9 more files"),
    Fault("a read-only /etc", "mount --bind /etc /etc; mount -o remount,bind,ro /etc", "umount /etc",
          ("resources.read-only error",), "/etc can't be written to"),
    Fault("a clock that is wrong",
          *wrapped("date", "echo $(($(/bin/date +%s) - 60)).5"), ("resources.clock warning",),
          "s behind the other hosts'", alone=True),
    Fault("a host that does not know its name",
          "cp /etc/hosts /etc/hosts.was; echo 127.0.0.1 localhost > /etc/hosts",
          "cat /etc/hosts.was > /etc/hosts; rm /etc/hosts.was", ("resources.own-name warning",),
          "it does not know its own name, "),
)  # fmt: skip


@pytest.fixture(scope="module")
def saw_nothing(bed):
    """That a bed without a fault has no finding at all is what makes the others mean something."""
    bed.make_clean()
    assert findings(bed) == []


def state(bed):
    """All that is on the hosts, with their rules; of an engine that is down there is nothing to see."""
    down = any("inactive" in bed.do(name, "systemctl is-active docker || echo inactive") for name in HOSTS)
    return (None if down else bed.state()), [bed.do(h.name, FILES + RULES) for h in bed.hosts]


def findings(bed, *words, settled=True, **more):
    """What is found, gravest first. Preflight changes neither what is on hosts nor their rules; where they
    are not ``settled``, something else is still at it."""
    before = state(bed)
    path = bed.folder / "preflight.json"
    ran = bed.fab("preflight", "--json", str(path), *words, **more)
    assert not settled or state(bed) == before
    found = load(path)["findings"]
    assert ran.status == (4 if any(f["severity"] == "error" for f in found) else 0), ran
    return found


def short(found):
    return [(f"{f['check']} {f['severity']}", f["host"]) for f in found]


SEVERAL = [fault for fault in FAULTS if not fault.alone]
COMMANDS = ("firewall.input error", "firewall.output error")
"""What is told with a command that mends it."""


@pytest.mark.parametrize("first", range(0, len(SEVERAL), len(HOSTS)), ids=lambda n: str(SEVERAL[n]))
def test_exactly_that_is_found_on_each_host(clean, saw_nothing, first):
    here = dict(zip(HOSTS, SEVERAL[first:], strict=False))
    for host, fault in here.items():
        clean.do(host, fault.broke)
        clean.undo.append(lambda host=host, fault=fault: clean.do(host, fault.mended))
    found = findings(clean)
    assert sorted(short(found)) == sorted((check, host) for host, its in here.items() for check in its.found)
    for host, fault in here.items():
        its = next(f for f in found if (f["host"], f"{f['check']} {f['severity']}") == (host, fault.found[0]))
        assert fault.seen in its["seen"]
        assert its["fix"] or its["severity"] == "note"


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.alone], ids=str)
def test_exactly_that_is_found_and_the_command_that_is_told_mends_it(clean, saw_nothing, fault):
    clean.do("host2", fault.broke)
    clean.undo.append(lambda: clean.do("host2", fault.mended))
    found = findings(clean)
    assert short(found) == [(check, "host2") for check in fault.found]
    assert fault.seen in found[0]["seen"]
    assert found[0]["fix"]
    if fault.found[0] in COMMANDS:
        clean.do("host2", found[0]["fix"])
        # Told that firewalld has reloaded, the engine writes its own rules again.
        after = {f["check"] for f in findings(clean, settled=fault.name != "firewalld")}
        assert not after & {"firewall.input", "firewall.output"}


def test_a_clone_with_the_machine_id_of_another(clean, saw_nothing):
    of_host1 = clean.do("host1", "cat /etc/machine-id").strip()
    clean.do("host2", f"echo {of_host1} > /root/id; mount --bind /root/id /etc/machine-id")
    clean.undo.append(lambda: clean.do("host2", "umount /etc/machine-id; rm /root/id"))
    assert short(findings(clean)) == [("identity.machine-id warning", "host2")]


def test_a_clone_with_the_engine_of_another(clean, saw_nothing):
    key = clean.do("host1", "cat /etc/docker/key.json")
    clean.do("host2", f"cp -p /etc/docker/key.json /root/; echo '{key}' > /etc/docker/key.json; {RESTART}")
    clean.undo.append(lambda: clean.do("host2", f"mv /root/key.json /etc/docker/; {RESTART}"))
    assert short(findings(clean)) == [("identity.engine-id warning", "host2")]


def test_an_engine_that_keeps_dying(clean, saw_nothing):
    folder = "/run/systemd/system/docker.service.d"
    clean.do(
        "host2",
        f"mkdir -p {folder}\n"
        f"printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestartSec=0\\n' > {folder}/x.conf\n"
        "systemctl daemon-reload",
    )
    clean.undo.append(lambda: clean.do("host2", f"rm -r {folder}; systemctl daemon-reload; {RESTART}"))
    for restarts in (1, 2, 3):
        clean.do("host2", "kill -9 $(systemctl show -p MainPID --value docker)")
        again = (
            f"systemctl show -p NRestarts,ActiveState docker | grep -c -e =active -e ={restarts} | grep -x 2"
        )
        wait_for(lambda again=again: clean.lab.host("host2").run(("sh", "-c", again)).ok, 20, "the engine")
    (found,) = findings(clean)
    assert short([found]) == [("engine.restarts note", "host2")]
    assert found["seen"] == "systemd has restarted docker.service 3 times by itself"


def test_an_address_of_vagrants_nat(clean, saw_nothing):
    for name in ("host1", "host2", "host3"):
        clean.do(
            name,
            "ip link add nat0 type veth peer name nat1; ip link set nat1 up; ip link set nat0 up; "
            "ip address add 10.0.2.15/24 dev nat0",
        )
        clean.undo.append(lambda name=name: clean.do(name, "ip link delete nat0"))
    inventory = clean.wanted()
    inventory["hosts"]["host2"]["advertise"] = "nat0"
    found = findings(clean, inventory=clean.write("nat.yml", inventory))
    assert ("addresses.nat error", "host2") in short(found)


def test_a_subnet_without_room(clean, saw_nothing):
    assert short(findings(clean, "--subnet", "10.211.0.0/29")) == [("addresses.room error", "")]
