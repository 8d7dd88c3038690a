"""What a proof does beside its checks: where it stands, what it leaves out, what must not be reached."""

from __future__ import annotations

import pytest
from tests.lab.bed import CURL, GREEN, NET, changes, load, red

pytestmark = pytest.mark.lab


def proven(bed, *words, status=0):
    """A proof by validate-overlay that must end with ``status``: (what came of it, JSON)."""
    file = bed.folder / "proof.json"
    file.unlink(missing_ok=True)
    ran = bed.fab("validate-overlay", "--json", str(file), *words)
    assert ran.status == status, f"{ran.out}\n{ran.err}"
    return ran, load(file)


def test_a_proof_changes_nothing_and_starts_nothing(deployed):
    before = deployed.state()
    ran, found = proven(deployed, "--repeat", "2")
    assert GREEN in ran.out
    assert "proof 2 of 2" in ran.err
    assert "a probe container" not in ran.err
    for pair in found["pairs"]:
        assert pair["checks"]["icmp"]["milliseconds"] > 0
        assert pair["checks"]["icmp"]["loss"] == 0
        assert set(pair["underlay"]) == {"icmp", "mtu", "udp-4789", "tcp-7946", "udp-7946"}
        assert all(its["ok"] for its in pair["underlay"].values())
    assert changes(before, deployed.state()) == []


def test_checks_are_chosen_by_name(deployed):
    ran, found = proven(deployed, "--check", "dns|icmp", "--exclude", "underlay")
    assert "6 of 6 directed pairs green on overweave" in ran.out
    assert {frozenset(pair["checks"]) for pair in found["pairs"]} == {frozenset({"dns", "icmp"})}
    assert [pair["underlay"] for pair in found["pairs"]] == [{}] * 6


def test_without_perl_the_probes_own_tools_check(deployed):
    deployed.do("host2", "mv /usr/bin/perl /usr/bin/perl.away")
    deployed.undo.append(lambda: deployed.do("host2", "mv /usr/bin/perl.away /usr/bin/perl"))
    ran, found = proven(deployed)
    assert "no perl on host2: the containers' own tools check" in ran.err
    assert found["between"] == "containers that stand on the network"
    assert {frozenset(p["checks"]) for p in found["pairs"]} == {
        frozenset({"dns", "icmp", "tcp", "mtu", "vxlan"})
    }
    assert deployed.probes() == []
    deployed.drop("host1", "udp", 4789, "host2")
    _, found = proven(deployed, status=1)
    assert set(red(found)) == {("host1", "host2"), ("host2", "host1")}
    # An engine may make a row only for the first packet that comes through: then its lack is all that shows.
    assert {its["rule"] for its in found["diagnosis"]} <= {"vxlan-lost", "row-missing"}
    blamed = {tuple(pair) for its in found["diagnosis"] for pair in its["pairs"]}
    assert blamed == {("host1", "host2"), ("host2", "host1")}


def test_a_deployment_waits_for_what_engines_are_late_with(deployed):
    """As behind a restart, where an engine heard of the others' containers only when all checks were over."""
    inside = "nsenter --net=$(ls /var/run/docker/netns/1-*)"
    veth = f"$({inside} ip -o link show type veth | sed 's/^[0-9]*: \\([^@]*\\)@.*/\\1/')"
    deployed.do("host1", f"{CURL} -X DELETE http://127.0.0.1:8500/v1/kv/overweave/proven/overweave")
    deployed.do("host2", f"{inside} ip link set {veth} nomaster")
    deployed.undo.append(lambda: deployed.do("host2", f"{inside} ip link set {veth} master br0"))
    with deployed.start("deploy-overlay", "--yes", inventory=deployed.inventory) as process:
        for line in process.stderr:
            if "where containers are is not known everywhere yet: prove again" in line:
                deployed.mend()
        assert GREEN in process.stdout.read()
    assert process.returncode == 0
    assert deployed.undo == []


def test_what_must_not_be_reached_is_tried(deployed):
    """A container of another overlay; and, from an internal network, the hosts themselves."""
    # The last container that leaves a network leaves a thread of the engine behind (0002-anchor.md).
    deployed.undo.append(deployed.make_clean)
    deployed.do(
        "host1",
        "docker network create -d overlay --subnet 10.217.0.0/24 other\n"
        "docker network create -d overlay --subnet 10.218.0.0/24 --internal inside\n"
        "docker run -d --name shy --network other --stop-signal KILL busybox:1.30.1 sleep 10000",
    )
    deployed.undo.append(lambda: deployed.do("host1", "docker rm -f shy; docker network rm other inside"))
    address = deployed.do(
        "host1", "docker inspect -f '{{.NetworkSettings.Networks.other.IPAddress}}' shy"
    ).strip()
    _, found = proven(deployed)
    tried = {(its["from"], its["to"], its["reached"]) for its in found["isolation"]}
    assert tried == {(f"host{n}", "shy on other", "") for n in (1, 2, 3)}
    # A way around: an address of that network on the host itself, which the container's gateway reaches.
    deployed.do("host2", f"ip address add {address}/32 dev lo")
    deployed.undo.append(lambda: deployed.do("host2", f"ip address del {address}/32 dev lo"))
    ran, found = proven(deployed, status=1)
    assert [its["from"] for its in found["isolation"] if its["reached"]] == ["host2"]
    assert "shy on other" in ran.out
    _, found = proven(deployed, "--network", "inside")
    assert {its["to"] for its in found["isolation"]} >= {f"the host host{n}" for n in (1, 2, 3)}
    assert not any(its["reached"] for its in found["isolation"] if its["to"].startswith("the host"))
    assert f"{NET}.11" in {its["vtep"] for its in found["evidence"].values()}
