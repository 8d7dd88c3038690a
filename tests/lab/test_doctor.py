"""What is wrong with an overlay in use is found, by exactly the right finding, and mended without harm.

The users' own containers here are one `app` a host; that they reach each other is what mended means.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from tests.lab.bed import CURL, NET, directed, load

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
NOTHING_TO_DO = "nothing to do\nhealthy: "
INSIDE = 'in=$(ls -d /run/docker/netns/*-*); inside() { nsenter --net=$in "$@"; };'


@pytest.fixture(scope="module")
def fresh_engines(bed):
    """Engines whose books hold nothing: what the tests before these have left there would mislead."""
    bed.make_deployed()
    # The store's host last: without it an engine takes its time to stop, and leaves its anchor's endpoint.
    for name in reversed(HOSTS):
        bed.do(name, "systemctl reset-failed docker docker.socket; systemctl restart docker")
    bed.fab("repair", "--yes")
    yield
    # What the engines remember of these tests would mislead those that come behind.
    bed.make_clean()


@pytest.fixture
def healthy(fresh_engines, deployed):
    """A proven overlay without a fault."""
    found(deployed, "repair", "--yes")
    assert found(deployed, "doctor") == (0, {})
    yield deployed
    deployed.mend()
    remove_all(deployed)
    deployed.deployed = deployed.state()


def found(bed, *words):
    """Run doctor or repair: (its status, checks by host of what it says in the end)."""
    status, checks, _ = told(bed, *words)
    return status, checks


def told(bed, *words):
    file = bed.folder / "doctor.json"
    file.unlink(missing_ok=True)
    ran = bed.fab(*words, "--json", str(file))
    if not file.exists():
        raise AssertionError(ran)
    data = load(file)
    last = data["findings"] if data["kind"] == "doctor" else data["after"]
    return ran.status, by_host(last), data


def by_host(findings):
    """Notes are left out, what a journal has said stays said; and warnings: engines leave rows of containers
    that are gone by themselves (moby#52661)."""
    checks = {}
    for finding in findings:
        if finding["severity"] == "error":
            checks.setdefault(finding["host"], []).append(finding["check"])
    return {host: sorted(names) for host, names in checks.items()}


def start(bed, name, *options):
    image = bed.wanted()["images"]["probe"]
    run = f"docker run -d --name app-{name} {' '.join(options)} --network overweave {image} sleep 9999"
    bed.do(name, run)


def start_all(bed, subnet):
    """Each test takes addresses that no other has had: engines remember too much of them (moby#52661)."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        options = [f"--ip {subnet}.{name[-1]}" for name in HOSTS]
        list(pool.map(start, [bed] * len(HOSTS), HOSTS, options))


def remove_all(bed):
    for name in HOSTS:
        bed.do(name, "docker ps -aq --filter name=^app- | xargs -r docker rm -f")


def app(bed, name):
    """The app's (address, MAC)."""
    with closing(bed.at(name)) as engine:
        its = engine.inspect_container(f"app-{name}")["NetworkSettings"]["Networks"]["overweave"]
    return its["IPAddress"], its["MacAddress"]


def alive(bed, hosts=HOSTS):
    """Directed pairs of apps of which the first reaches the second."""
    addresses = {name: app(bed, name)[0] for name in hosts}

    def pings(pair):
        source, target = pair
        ping = f"docker exec app-{source} ping -q -c 3 -W 1 {addresses[target]}"
        return bed.lab.host(source).run(("sh", "-c", f"{ping} | grep -q ' [123] packets received'")).ok

    pairs = sorted(directed(*hosts))
    with ThreadPoolExecutor(len(pairs)) as pool:
        return {pair for pair, well in zip(pairs, pool.map(pings, pairs), strict=True) if well}


@contextmanager
def nothing_restarts(bed, hosts=HOSTS):
    """Engines keep their processes, and containers that run go on running."""

    def running(name):
        pid = bed.do(name, "systemctl show -p MainPID --value docker.service")
        with closing(bed.at(name)) as engine:
            states = {c["Id"]: engine.inspect_container(c["Id"])["State"] for c in engine.containers()}
        return pid, {id_: state["StartedAt"] for id_, state in states.items()}

    before = {name: running(name) for name in hosts}
    yield
    for name, (pid, started) in before.items():
        now = running(name)
        assert now[0] == pid
        assert started.items() <= now[1].items()


def repaired(bed, *words):
    """A repair that leaves nothing, and a second one that does nothing."""
    status, after, data = told(bed, "repair", *words)
    assert (status, after) == (0, {}), data
    assert data["changed"] is True
    nothing_is_left(bed, *(word for word in words if word != "--yes"))
    return data


def nothing_is_left(bed, *words):
    again = bed.fab("repair", *words)
    assert again.status == 0, again
    assert again.out.startswith(NOTHING_TO_DO), again


def test_an_address_that_two_containers_have_is_given_to_one_of_them(healthy):
    """As after the store was put back from an older copy: it holds addresses free that are in use."""
    mask = "http://127.0.0.1:8500/v1/kv/docker/network/v1.0/ipam/default/data/GlobalDefault/10.211.0.0/16/"
    start(healthy, "host1")
    healthy.do("host1", f"{CURL} '{mask}?raw' > /tmp/mask")
    start(healthy, "host2")
    healthy.do("host1", f"{CURL} -X PUT --data-binary @/tmp/mask '{mask}' && rm /tmp/mask")
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (1, {"": ["addresses.free"]}), data
    start(healthy, "host3")
    shared = app(healthy, "host2")[0]
    assert app(healthy, "host3")[0] == shared
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (1, {"": ["endpoints.duplicate"]}), data
    assert data["findings"][0]["seen"] == (
        f"{shared} on overweave is the address of app-host2 on host2 and app-host3 on host3"
    )
    unasked = healthy.fab("repair")
    assert (unasked.status, unasked.said) == (
        2,
        "overweave: These stop for a moment: the connections of app-host3 on host3. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking",
    )
    with nothing_restarts(healthy):
        repaired(healthy, "--yes")
        assert app(healthy, "host2")[0] == shared
        assert app(healthy, "host3")[0] != shared
        assert alive(healthy) == directed(*HOSTS)


def gossip_of_host3(bed, flag, *protocols):
    """-I closes it, -D opens it again. Where packets come in: one that can't send learns nothing of that."""
    address = bed.lab.host("host3").address
    for protocol in protocols:
        rule = f"-p {protocol} --dport 7946 -j DROP"
        bed.do("host3", f"iptables {flag} INPUT -i eth0 {rule}")
        for name in ("host1", "host2"):
            bed.do(name, f"iptables {flag} INPUT -s {address} {rule}")


def split(bed):
    """Cut host3 off the gossip, until each side has buried the other.

    Returns the (monotonic) time in s from which each has given the other up: for 30 s it tells the dead that
    they are dead, and they would answer (memberlist, GossipToTheDeadTime).
    """
    gossip_of_host3(bed, "-I", "tcp", "udp")
    bed.undo.append(lambda: gossip_of_host3(bed, "-D", "tcp"))
    bed.undo.append(lambda: gossip_of_host3(bed, "-D", "udp"))

    def buried():
        bed.fab("status", "--json", str(bed.folder / "status.json")).ok()
        return [host["sees"] for host in load(bed.folder / "status.json")["hosts"]] == [1, 1, 0]

    wait_for(buried, 120, "two islands")
    return time.monotonic() + 31


def test_islands_are_healed_without_a_restart_and_the_dead_pairs_live(healthy):
    """TCP stays closed until they are healed: every 30 s, an engine itself calls one that it holds for dead
    (serf, ReconnectInterval), and where that comes first there is nothing to heal."""
    given_up = split(healthy)
    start_all(healthy, "10.211.10")
    assert alive(healthy) == directed("host1", "host2")
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (1, {"": ["gossip.islands"]}), data
    assert data["findings"][0]["seen"] == "the gossip is split: host1, host2 | host3"
    wait_for(lambda: time.monotonic() > given_up, 60, "the end of all hope")
    healthy.undo.pop()()
    with nothing_restarts(healthy):
        status, checks, data = told(healthy, "repair")
        assert (status, checks) == (0, {}), data
        assert alive(healthy) == directed(*HOSTS)
    healthy.mend()
    assert data["islands"] == [["host1", "host2"], ["host3"]]
    assert list(dict.fromkeys(stage["title"] for stage in data["stages"])) == ["gossip", "rows"]
    assert data["seconds"] < 15
    nothing_is_left(healthy)


def test_rows_that_mislead_are_found_each_by_its_own_finding_and_set_right(healthy):
    start_all(healthy, "10.211.20")
    (a1, m1), (a2, m2), (_, m3) = (app(healthy, name) for name in HOSTS)
    healthy.do("host1", f"{INSIDE} inside bridge fdb replace {m2} dev vxlan0 dst {NET}.13 self permanent")
    healthy.do("host2", f"{INSIDE} inside bridge fdb del {m3} dev vxlan0 dst {NET}.13 self")
    healthy.do("host3", f"{INSIDE} inside ip neigh replace {a1} lladdr {m2} dev vxlan0 nud permanent")
    healthy.do(
        "host3",
        f"{INSIDE} inside ip neigh replace 10.211.9.9 lladdr 02:42:0a:d3:09:09 dev vxlan0 nud permanent\n"
        f"inside bridge fdb replace 02:42:0a:d3:09:09 dev vxlan0 dst {NET}.11 self permanent",
    )
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (
        1,
        {"host1": ["rows.vtep"], "host2": ["rows.forwarding"], "host3": ["rows.mac"]},
    ), data
    assert f"rows for 10.211.9.9 to {NET}.11 on overweave, which no container has" in str(data)
    assert [finding["seen"] for finding in data["findings"] if finding["severity"] == "error"] == [
        f"the forwarding row for app-host2 on host2 ({a2} on overweave) leads to {NET}.13, not to {NET}.12",
        f"no forwarding row for app-host3 on host3 ({app(healthy, 'host3')[0]} on overweave)",
        f"the neighbour row for app-host1 on host1 ({a1} on overweave) has the MAC {m2}, not {m1}",
    ]
    assert "in this order: rows\n" in healthy.fab("repair", "--dry-run").ok().out
    # Only these: what a container has learned from a wrong neighbour row it keeps for up to a minute.
    assert alive(healthy, ("host1", "host2")) == set()
    with nothing_restarts(healthy):
        repaired(healthy)
        assert alive(healthy) == directed(*HOSTS)


@pytest.mark.long
def test_endpoints_of_a_host_that_is_off_for_good_are_disconnected_and_their_names_are_free(healthy):
    start_all(healthy, "10.211.30")
    host3 = healthy.lab.host("host3")
    address = app(healthy, "host3")[0]
    healthy.undo.append(lambda: faults.power_on(host3))
    faults.power_off(host3)
    rest = ("-H", "host1,host2")
    status, checks, data = told(healthy, "doctor", *rest)
    assert (status, checks) == (0, {}), data
    assert "2 endpoints of " in str(data["findings"])

    def stale():
        status, checks, _ = told(healthy, "doctor", *rest)
        return (status, checks) == (1, {"": ["endpoints.stale", "endpoints.stale"]})

    wait_for(stale, 60, "the end of what host3 has registered")
    image = healthy.wanted()["images"]["probe"]
    taken = healthy.lab.host("host2").run(
        ("docker", "run", "--rm", "--name", "app-host3", "--network", "overweave", image, "true")
    )
    assert "endpoint with name app-host3 already exists in network overweave" in taken.output
    with nothing_restarts(healthy, ("host1", "host2")):
        unsaid = healthy.fab("repair", "--yes", *rest)
        assert unsaid.status == 1, unsaid
        assert stale()
        gone = f"{NET}.13"
        repaired(healthy, *rest, "--gone", gone)
        run = f"docker run -d --name app-host3 --network overweave --ip %s {image} sleep 9999"
        healthy.do("host2", f"{run % address} && docker rm -f app-host3")
        # Engines remember where the old one was (moby#52661): one with another address is there at once.
        healthy.do("host2", run % "10.211.30.9")
        pinged = healthy.lab.host("host1").run(("docker", "exec", "app-host1", "ping", "-c3", "10.211.30.9"))
        assert pinged.ok, pinged
    healthy.do("host2", "docker rm -f app-host3")
    healthy.mend()
    healthy.do(
        "host3",
        "systemctl stop docker.socket docker; rm /var/lib/docker/network/files/local-kv.db\n"
        "systemctl start docker",
    )
    wait_for(lambda: found(healthy, "repair", "--yes") == (0, {}), 60, "host3 back in the network")


@pytest.mark.long
def test_a_vxlan_device_of_a_killed_engine_is_removed_and_containers_can_join_again(healthy):
    """An engine leaves it in the host's own namespace when it dies between making and moving it. One that
    meets it fails with it, and then goes on failing: it has to restart."""
    start(healthy, "host1", "--ip 10.211.40.1")
    vni = healthy.vni()
    left = f"ip link add vx-{vni:06x}-left type vxlan id {vni} dstport 4789"
    anchor = "overweave-anchor-overweave-host2"
    no_anchor = f"docker update --restart no {anchor}; systemctl stop docker.socket docker"
    # systemd takes so many starts in so short a time for an engine that can't run.
    begin = f"{left}; systemctl reset-failed docker docker.socket; systemctl start docker"
    healthy.do("host2", f"{no_anchor}; {begin}")
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (1, {"host2": ["vxlan.left"]}), data
    with nothing_restarts(healthy):
        repaired(healthy)
        start(healthy, "host2", "--ip 10.211.40.2")
        assert alive(healthy, ("host1", "host2")) == directed("host1", "host2")
    healthy.do("host2", f"docker update --restart always {anchor}; systemctl stop docker.socket docker")
    healthy.do("host2", begin)
    status, checks, data = told(healthy, "doctor")
    assert (status, checks) == (1, {"host2": ["vxlan.left", "vxlan.namespace"]}), data
    assert "a vxlan device of an earlier engine is left over" in str(data["findings"])
    unasked = healthy.fab("repair")
    assert (unasked.status, unasked.said) == (
        2,
        "overweave: These stop for a moment: the engine of host2. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking",
    )
    # What needs no question is done.
    assert found(healthy, "doctor") == (1, {"host2": ["vxlan.namespace"]})
    # One that no policy starts, and that stops with the engine, runs again afterwards.
    healthy.do("host2", f"docker run -d --name app-plain {healthy.wanted()['images']['probe']} sleep 10000")
    with nothing_restarts(healthy, ("host1", "host3")):
        repaired(healthy, "--yes")
    assert "app-plain" in healthy.do("host2", "docker ps --format '{{.Names}}'")
    healthy.do("host2", "docker start app-host2")
    assert alive(healthy, ("host1", "host2")) == directed("host1", "host2")


def test_a_healthy_fleet_with_containers_that_come_and_go_is_never_blamed(healthy):
    """Doctor looks while containers start and stop on every host."""
    over = threading.Event()
    image = healthy.wanted()["images"]["probe"]

    def churn(name):
        for number in itertools.count(1):
            if over.is_set():
                return
            address = f"10.211.5{name[-1]}.{number}"
            run = f"docker run -d --rm --name app-{name}-{number} --network overweave --ip {address} {image}"
            healthy.do(name, f"{run} sleep 9999 && docker kill app-{name}-{number}")

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        going = [pool.submit(churn, name) for name in HOSTS]
        try:
            looks = [found(healthy, "doctor") for _ in range(3)]
        finally:
            over.set()
        for each in going:
            each.result()
    assert looks == [(0, {})] * 3
