"""`fab trace` on real hosts: every hop of a healthy way, and each fault at the hop where it is."""

from __future__ import annotations

import json
import re

import pytest
from tests.lab.bed import NET

pytestmark = pytest.mark.lab

THERE = [
    ("host1", "container", "web"),
    ("host1", "interface", "eth0"),
    ("host1", "veth", "veth"),
    ("host1", "bridge", "br0"),
    ("host1", "vxlan", "vxlan0"),
    ("host1", "neighbour row", "10.211."),
    ("host1", "forwarding row", "02:42:"),
    ("host1", "underlay", "eth0"),
    ("host2", "underlay", "eth0"),
    ("host2", "vxlan", "vxlan0"),
    ("host2", "bridge", "br0"),
    ("host2", "veth", "veth"),
    ("host2", "interface", "eth0"),
    ("host2", "container", "db"),
]
ON_THE_WIRE = ("interface", "veth", "vxlan", "underlay")


def start(bed, host, name, network):
    image = bed.wanted()["images"]["probe"]
    bed.do(host, f"docker run -d --name {name} --network {network} {image} sleep 100000")
    bed.undo.append(lambda: bed.do(host, f"docker rm -f {name}"))


def traced(bed, *words, status):
    """A trace that must end so, and its JSON."""
    ran = bed.fab("trace", *words, "--json", "-")
    assert ran.status == status, ran
    assert ran.said == "", ran
    found = json.loads(ran.out)
    assert (found["version"], found["kind"], found["ok"]) == (1, "trace", status == 0)
    return found


def hops(way):
    return [(hop["host"], hop["kind"], hop["name"]) for hop in way["hops"]]


def is_like(found, wanted):
    return len(found) == len(wanted) and all(
        f[:2] == w[:2] and f[2].startswith(w[2]) for f, w in zip(found, wanted, strict=True)
    )


@pytest.fixture
def shop(deployed):
    """web on host1 and db on host2, on the overlay."""
    start(deployed, "host1", "web", "overweave")
    start(deployed, "host2", "db", "overweave")
    # Tests before may have had containers with these addresses on other hosts (moby#52661).
    deployed.fab("repair", "--yes").ok()
    return deployed


def test_a_healthy_way_between_two_hosts_and_the_packet_at_each_hop(shop):
    before = shop.state()
    svg = shop.folder / "way.svg"
    found = traced(shop, "web", "host2:db", "--capture", "--svg", str(svg), status=0)
    assert shop.state() == before
    assert found["verdict"] == "the packet arrives, both ways"
    assert (found["network"], found["driver"], found["broken"]) == ("overweave", "overlay", None)
    there, back = found["there"], found["back"]
    assert is_like(hops(there), THERE), hops(there)
    back_hops = [(h, k, n) for h, k, n in hops(back) if k not in ("neighbour row", "forwarding row")]
    assert back_hops[::-1] == [h for h in hops(there) if h[1] not in ("neighbour row", "forwarding row")]
    assert {h[0] for h in hops(back) if h[1] == "forwarding row"} == {"host2"}
    for way in (there, back):
        assert way["echo"]["small"]["answered"] == 3
        assert (way["echo"]["size"], way["echo"]["full"]["answered"]) == (1450, 1)
    by = {(hop["host"], hop["kind"]): hop for hop in there["hops"]}
    vni = next(its for its in by["host1", "vxlan"]["shows"] if re.fullmatch(r"VNI \d+", its))
    ids = {vni, "UDP 4789", "MTU 1450", "in br0"}
    assert all(ids == set(by[host, "vxlan"]["shows"]) for host in ("host1", "host2"))
    assert by["host1", "forwarding row"]["shows"] == [f"-> {NET}.12 (host2)"]
    assert "UDP 4789 open" in by["host2", "underlay"]["shows"]
    for hop in there["hops"]:
        seen = hop["seen"]
        assert (seen is not None) == (hop["kind"] in ON_THE_WIRE)
        if seen:
            # Three small packets and a large one, each at each hop, and their replies.
            assert (seen["requests"], seen["replies"], seen["ttl"], seen["length"]) == (4, 4, 64, 84)
            outer = f"{NET}.11 -> {NET}.12, {vni}" if hop["kind"] == "underlay" else ""
            assert seen["outer"] == outer
    for host in ("host1", "host2"):
        times = [h["seen"]["request_after"] for h in there["hops"] if h["seen"] and h["host"] == host]
        assert times == sorted(times)
        assert times[0] == 0
    assert svg.read_text().startswith("<svg ")
    # What it started on the hosts has ended with it.
    assert all("perl" not in shop.do(host, "ps -eo comm") for host in ("host1", "host2"))
    picture = shop.fab("trace", "web", "db").ok().out
    assert max(map(len, picture.partition("\nback ")[0].splitlines())) == 80
    assert "│ ✓ forwarding row 02:42:" in picture
    assert picture.endswith("verdict  the packet arrives, both ways\n")
    assert shop.fab("trace", "web", "db", "--svg", "-").ok().out.startswith("<svg ")
    nowhere = shop.fab("trace", "web", "db", "--svg", "/nowhere/way.svg")
    assert (nowhere.status, nowhere.err) == (
        2,
        "overweave: --svg /nowhere/way.svg: No such file or directory\n"
        "  -> name a file that can be written\n",
    )
    nobody = shop.fab("trace", "web", "dbx")
    assert (nobody.status, nobody.said) == (
        2,
        "overweave: there is no container 'dbx'\n  -> did you mean host2:db?",
    )


def test_each_fault_is_at_its_hop_and_its_remedy_mends_it(shop):
    mac = {n: inspect(shop, h, n)["MacAddress"] for h, n in (("host1", "web"), ("host2", "db"))}
    address = inspect(shop, "host2", "db")["IPAddress"]
    spaces = {h: f"nsenter --net=/var/run/docker/netns/{overlay(shop, h)}" for h in ("host1", "host2")}
    sandbox = f"nsenter --net=/proc/{pid(shop, 'host1', 'web')}/ns/net"
    port = traced(shop, "web", "db", status=0)["there"]["hops"][2]["name"]

    def broken(host, script, at, seen, *words):
        """Break it: the trace marks this hop and says this, and no other on the way there before it."""
        shop.do(host, script)
        found = traced(shop, "web", "db", *words, status=1)
        marked = found["broken"]
        assert (marked["host"], marked["kind"]) == at, found["verdict"]
        assert [problem["seen"] for problem in marked["problems"]] == [seen]
        return found

    def mended(found):
        """Do what it says on the host it says. Where that did not help, the next fault is not the first."""
        command, host = re.match(r"`([^`]+)` on (host\d)", found["broken"]["problems"][0]["fix"]).groups()
        shop.do(host, command)

    wrong = f"{spaces['host1']} bridge fdb replace {mac['db']} dev vxlan0 dst {NET}.13 self permanent"
    seen = f"the row leads to {NET}.13 (host3), and db is on host2 ({NET}.12)"
    mended(broken("host1", wrong, ("host1", "forwarding row"), seen))

    # web still has the MAC from before, so packets go until it asks anew; then its engine looks the row up.
    gone = f"{spaces['host1']} ip neigh del {address} dev vxlan0"
    seen = f"there is no row for {address}: host1 does not know its MAC"
    found = broken("host1", gone, ("host1", "neighbour row"), seen)
    assert found["arrives"]
    assert found["verdict"] == "the packet arrives, and something on its way is not as it should be"
    mended(found)
    shop.do("host1", f"{gone}; {sandbox} ip neigh flush dev eth0")
    assert traced(shop, "web", "db", status=0)["notes"] == [
        f"host1 had no neighbour row {address} until a packet asked for it: its engine looked it up"
    ]

    out = f"{spaces['host1']} ip link set {port} nomaster"
    seen = f"{port} is plugged into nothing, not into br0"
    mended(broken("host1", out, ("host1", "veth"), seen))

    mended(broken("host1", f"{sandbox} ip link set eth0 down", ("host1", "interface"), "eth0 is down"))

    small = f"{spaces['host2']} ip link set vxlan0 mtu 1300"
    seen = "MTU 1300: eth0 sends up to 1450 bytes; large packets die here"
    found = broken("host2", small, ("host2", "vxlan"), seen)
    assert found["verdict"].startswith("small packets arrive and large ones are lost")
    mended(found)

    rule = f"-s {NET}.11 -p udp --dport 4789 -j DROP"
    printed = f"-A INPUT -s {NET}.11/32 -p udp -m udp --dport 4789 -j DROP"
    seen = f"`{printed}` (iptables) drops UDP 4789 from {NET}.11"
    shop.undo.append(lambda: shop.do("host2", f"iptables -D INPUT -p udp -s {NET}.11 --dport 4789 -j ACCEPT"))
    mended(broken("host2", f"iptables -I INPUT {rule}", ("host2", "underlay"), seen))
    shop.do("host2", f"iptables -D INPUT {rule}")
    shop.do("host2", f"iptables -D INPUT -p udp -s {NET}.11 --dport 4789 -j ACCEPT")
    shop.undo.pop()

    # A filter that nobody can judge: all reads right, and the capture shows where packets die.
    rule = "PREROUTING -p udp --dport 4789 -m length --length 0:9000 -j DROP"
    shop.do("host2", f"iptables -t raw -I {rule}")
    shop.undo.append(lambda: shop.do("host2", f"iptables -t raw -D {rule}"))
    blind = traced(shop, "web", "db", status=1)
    assert blind["broken"] is None
    assert blind["verdict"] == (
        "the packet does not arrive, and all that could be read looks right; --capture shows where it is lost"
    )
    seen = "the request was seen at eth0 (host2) and did not come here"
    found = broken("host2", "true", ("host2", "vxlan"), seen, "--capture")
    assert found["broken"]["problems"][0]["fix"].startswith("let UDP 4789 in on host2: ")
    seen_by = {h["kind"]: h["seen"]["requests"] for h in found["there"]["hops"][8:] if h["seen"]}
    assert seen_by.pop("underlay") > 0
    assert set(seen_by.values()) == {0}
    shop.undo.pop()()

    assert traced(shop, "web", "db", status=0)["arrives"]
    hole = f"ip route add blackhole {NET}.12/32"
    seen = f"a blackhole route drops what goes to {NET}.12"
    broken("host1", hole, ("host1", "underlay"), seen)
    shop.do("host1", f"ip route del blackhole {NET}.12/32")

    down = f"{spaces['host2']} ip link set vxlan0 down"
    seen = "vxlan0 is down, and its neighbour rows went with it"
    found = broken("host2", down, ("host2", "vxlan"), seen)
    shop.do("host2", f"{spaces['host2']} ip link set vxlan0 up")
    shop.do("host1", wrong)
    ran = shop.fab("runbook.cannot-talk", "web", "db", "--yes")
    assert ran.status == 0, ran
    first, last = (part.partition("\n")[0] for part in ran.out.split("\nverdict  ")[1:])
    assert (first == last, last) == (False, "the packet arrives, both ways")


def test_on_one_host_on_a_bridge_on_two_and_on_none(shop):
    for name, network in (("one", "bridge"), ("two", "bridge"), ("other", "shop"), ("bare", "host")):
        if network == "shop":
            shop.do("host1", "docker network create shop")
            shop.undo.append(lambda: shop.do("host1", "docker network rm shop"))
        start(shop, "host1", name, network)
    found = traced(shop, "one", "two", "--capture", status=0)
    wire = ["interface eth0", "veth veth", "bridge docker0", "veth veth", "interface eth0"]
    told = [f"{hop['kind']} {hop['name']}" for hop in found["there"]["hops"][1:-1]]
    assert all(t.startswith(w) for t, w in zip(told, wire, strict=True)), told
    assert all(h["seen"]["requests"] == 4 for h in found["there"]["hops"] if h["kind"] in ON_THE_WIRE)
    assert traced(shop, "web", "two", status=1)["stopped"]["seen"] == (
        "web and two have no network in common: the engine keeps bridges apart from each other, with rules "
        "of its own in the firewall"
    )
    apart = traced(shop, "one", "other", status=1)["stopped"]
    assert apart["fix"] == "`docker network connect shop one` on host1"
    assert [who for who, _ in apart["networks"]] == ["one on host1", "other on host1"]
    bare = traced(shop, "bare", "one", status=1)["stopped"]
    assert bare["seen"].startswith(
        "bare uses the network of host1 itself (--network host): it has no sandbox"
    )


def inspect(bed, host, name):
    told = json.loads(bed.do(host, f"docker inspect {name}"))
    return told[0]["NetworkSettings"]["Networks"]["overweave"]


def pid(bed, host, name):
    return json.loads(bed.do(host, f"docker inspect {name}"))[0]["State"]["Pid"]


def overlay(bed, host):
    return bed.do(host, "ls /var/run/docker/netns | grep -- -").strip()
