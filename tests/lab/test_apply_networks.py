"""Networks of an inventory on real hosts: two hosts share one by macvlan, and only what is ours goes."""

from __future__ import annotations

import json

import pytest
from tests.lab.bed import NET, changes, differences, load

from overweave.lab import faults

pytestmark = pytest.mark.lab
RUN = "docker run -d --name {0} --stop-signal KILL --restart always busybox:1.30.1 sleep 9999"
NOTHING = "nothing to do: all listed networks are as wanted\n"
IMAGE = "busybox:1.30.1"


def listed(**more):
    """A bridge, and a macvlan network on the hosts' own wire, each with a container to connect."""
    app = {"host": "host1", "name": "app"}
    lan = {
        "driver": "macvlan",
        "parent": "eth0",
        "shim": True,
        "subnets": [{"subnet": f"{NET}.0/24", "range": f"{NET}.128/25", "slots": 4, "gateway": f"{NET}.1"}],
        "containers": [app | {"address": f"{NET}.130"}, {"host": "host2", "name": "app"}],
    }
    shop = {"driver": "bridge", "subnets": ["10.77.0.0/24"], "containers": [app | {"aliases": ["web"]}]}
    return {"lan": lan, "shop": shop | more}


@pytest.fixture
def apart(clean):
    """A clean bed with a container of a user's on each of two hosts; and how to apply networks there."""
    for host in ("host1", "host2"):
        clean.do(host, RUN.format("app"))
    yield clean
    for host in ("host1", "host2"):
        clean.do(host, "docker rm -f app theirs >/dev/null 2>&1 || true")


def apply(bed, networks, *words):
    path = bed.write("networks.yml", bed.wanted() | {"networks": networks})
    return bed.fab("apply-networks", "-H", "host1,host2", *words, inventory=path)


def started(bed):
    """The addresses of all containers on the network, by host and name, with two more on each host."""
    found = {}
    for host in ("host1", "host2"):
        for name in ("one", "two"):
            bed.do(host, f"docker run -d --name {name} --stop-signal KILL --network lan {IMAGE} sleep 9999")
        its = bed.do(host, "docker network inspect lan -f '{{json .Containers}}'")
        for container in json.loads(its).values():
            found[host, container["Name"]] = container["IPv4Address"].partition("/")[0]
    return found


def test_two_hosts_share_a_network_by_macvlan(apart):
    """Made, proven to the other host and to its own address, found again after a power loss, taken away."""
    pids, before = apart.pids(), apart.state()
    report = apart.folder / "networks.json"
    ran = apply(apart, listed(), "--json", str(report)).ok()
    told = load(report)
    assert (told["green"], list(told["proofs"])) == (True, ["lan"])
    tries = {(t["from"], t["to"].split()[0]) for t in told["proofs"]["lan"]["outside"] if t["wanted"]}
    assert tries == {(a, b) for a in ("host1", "host2") for b in ("host1", "host2")}, "by its shim, its own"
    assert "2 of 2 directed pairs green on lan" in ran.out
    assert apart.pids() == pids
    networks = json.loads(apart.do("host1", "docker inspect app -f '{{json .NetworkSettings.Networks}}'"))
    assert networks["lan"]["IPAddress"] == f"{NET}.130"
    assert "web" in networks["shop"]["Aliases"]
    other = apart.do("host2", "docker inspect app -f '{{.NetworkSettings.Networks.lan.IPAddress}}'").strip()
    assert 160 <= int(other.rpartition(".")[2]) < 192, "its own part of the range"
    assert "0% packet loss" in apart.do("host1", f"docker exec app ping -c 1 -W 2 {other}")
    assert "0% packet loss" in apart.do("host1", f"ping -c 1 -W 2 {NET}.130"), "the host's own container"
    places = started(apart)
    assert len(set(places.values())) == len(places) == 6, "no address is given out twice"
    ping = f"for a in {' '.join(places.values())}; do ping -c 1 -W 2 $a > /dev/null || echo $a; done"
    red = {place: apart.do(place[0], f"docker exec {place[1]} sh -c '{ping}'") for place in places}
    assert red == dict.fromkeys(places, ""), "all pairs, and each itself"
    for host in ("host1", "host2"):
        apart.do(host, "docker rm -f one two > /dev/null")
    state = apart.state()
    assert apply(apart, listed()).out == NOTHING
    assert changes(state, apart.state()) == []

    host1 = apart.lab.host("host1")
    faults.power_off(host1)
    faults.power_on(host1)
    assert apply(apart, listed()).out == NOTHING, "all of it is there after a boot"
    assert "0% packet loss" in apart.do("host1", f"ping -c 1 -W 2 {NET}.130")

    apart.do("host1", "docker network create theirs > /dev/null")
    apart.do("host1", "docker run -d --name theirs --network shop busybox:1.30.1 sleep 9999 > /dev/null")
    refused = apart.fab("destroy-overlay", "--yes")
    assert "on it are theirs on host1, which apply-networks did not connect" in refused.said
    apart.do("host1", "docker rm -f theirs > /dev/null")
    apart.fab("destroy-overlay", "--yes").ok()
    apart.do("host1", "docker network rm theirs > /dev/null")
    assert differences(before, apart.state()) == []


def test_a_wire_that_drops_frames_of_other_macs_is_told(apart):
    """As hypervisors do it: the bridge passes host2 what is for its own MAC, and nothing else."""
    network = {"lan": listed()["lan"] | {"containers": []}}
    mac = apart.do("host2", "cat /sys/class/net/eth0/address").strip()
    port = f"ow-{apart.lab.name}-2"
    on = ("bridge", "link", "set", "dev", port, "learning", "on", "flood", "on")
    apart.undo.append(lambda: apart.machine(*on))
    apart.machine("bridge", "link", "set", "dev", port, "learning", "off", "flood", "off")
    apart.machine("ip", "link", "set", "dev", port, "type", "bridge_slave", "fdb_flush")
    apart.machine("bridge", "fdb", "replace", mac, "dev", port, "master", "static")
    ran = apply(apart, network)
    assert ran.status == 1
    assert "frames of other MACs than the hosts' own may be dropped" in ran.out.replace("\n", " ")
    apart.mend()
    path = apart.folder / "networks.yml"
    proof = apart.fab("validate-overlay", "--network", "lan", "-H", "host1,host2", inventory=path).ok()
    assert "all of 4 tries" in proof.out
    assert apply(apart, {}, "--yes").status == 0


def test_drift_is_shown_and_made_good_and_a_run_that_fails_leaves_nothing(apart):
    apply(apart, {"shop": listed()["shop"]}).ok()
    changed = {"shop": listed(mtu=1400)["shop"]}
    shown = apply(apart, changed, "--dry-run").ok()
    assert "MTU: is 1500, wanted 1400" in shown.out
    refused = apply(apart, changed)
    assert (refused.status, "network shop differs: MTU 1500, wanted 1400" in refused.said) == (4, True)
    apply(apart, changed, "--replace", "--yes").ok()
    assert "mtu 1400" in apart.do("host1", "docker exec app ip link")

    state = apart.state()
    taken = {"host": "host2", "name": "app", "address": "10.78.0.9"}
    late = {"driver": "bridge", "subnets": ["10.78.0.0/24"], "containers": [taken]}
    apart.do("host2", "docker network create --subnet 10.79.0.0/24 -o com.docker.network.bridge.name=ow-x x")
    broken = late | {"options": {"com.docker.network.bridge.name": "ow-x"}, "hosts": ["host1", "host2"]}
    failed = apply(apart, changed | {"late": broken})
    assert failed.status not in (0, 4), failed
    assert "taken back" in failed.said
    apart.do("host2", "docker network rm x > /dev/null")
    assert differences(state, apart.state()) == [], "host1's part of it is gone, too"
    vlan = {"driver": "ipvlan", "parent": "eth0", "vlan": 50, "subnets": ["10.80.0.0/24"]}
    kernel = apply(apart, {"vlan": vlan}, "--yes")
    assert kernel.status == 4
    assert "its kernel can make no vlan interface: Error: Unknown device type." in kernel.said
    assert apply(apart, {}, "--yes").status == 0
    assert "shop" not in apart.do("host1", "docker network ls")
