"""What breaks is seen, named, and repaired by the next deployment."""

from __future__ import annotations

import pytest
from tests.lab.bed import DROP_IN, GREEN, NET, NOTHING_TO_DO, directed, load, red

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


def proof(bed, status):
    """A proof by validate-overlay that must end with ``status``: (what it printed, JSON)."""
    file = bed.folder / "proof.json"
    file.unlink(missing_ok=True)
    ran = bed.fab("validate-overlay", "--json", str(file))
    assert ran.status == status, ran
    assert (GREEN in ran.out) == (status == 0)
    return ran, load(file)


def repaired(bed, *planned):
    """The plan has these lines; a deployment does them and ends green; then nothing is left to do."""
    plan = bed.fab("plan-overlay").ok()
    assert [line for line in planned if line not in plan.out] == [], plan.out
    ran = bed.deploy()
    assert ran.status == 0, ran
    assert GREEN in ran.out
    assert bed.probes() == []
    assert bed.deploy().out == NOTHING_TO_DO
    bed.deployed = bed.state()


def test_vxlan_that_is_dropped_between_two_hosts_is_red_for_exactly_these(deployed):
    deployed.drop("host1", "udp", 4789, "host3")
    ran, found = proof(deployed, 1)
    assert set(red(found)) == directed("host1", "host3")
    for failed in red(found).values():
        assert failed == {"icmp", "udp", "connect", "tcp", "mtu"}
    assert "4 of 6 directed pairs green on overweave" in ran.out
    (cause,) = found["causes"]
    assert cause == (
        "host1 <-> host3: VXLAN packets don't arrive on the underlay, others do (moby#29979, moby#33416): "
        f"open UDP 4789 from {NET}.11 to {NET}.13; `fab preflight` names the rule that drops it"
    )
    seen, _, fix = cause.rpartition(": ")
    assert f"cause: {seen}\n  fix: {fix}\n" in ran.out
    assert ran.said == ""
    assert "  NOT proven\n" in ran.err
    assert deployed.probes() == []
    deployed.mend()
    proof(deployed, 0)
    assert deployed.deploy().out == NOTHING_TO_DO


@pytest.mark.long
def test_vxlan_that_is_dropped_one_way_is_red(deployed):
    """Half a firewall rule: what host2 sends does not reach host1."""
    rule = f"INPUT -s {NET}.12 -p udp --dport 4789 -j DROP"
    deployed.do("host1", f"iptables -I {rule}")
    deployed.undo.append(lambda: deployed.do("host1", f"iptables -D {rule}"))
    _, found = proof(deployed, 1)
    assert set(red(found)) == directed("host1", "host2")
    assert len(found["causes"]) == 1
    assert f"open UDP 4789 from {NET}.12 to {NET}.11" in found["causes"][0]
    refused = deployed.deploy()
    assert refused.status == 4, refused
    assert refused.said.startswith(
        f"overweave: host1: `-A INPUT -s {NET}.12/32 -p udp -m udp --dport 4789 -j DROP`, table filter "
        "(iptables), drops udp 4789 from host2: "
    )
    deployed.mend()
    # A red proof is not forgotten: a deployment that finds nothing to change proves again.
    file = deployed.folder / "proof.json"
    ran = deployed.deploy("--json", str(file)).ok()
    assert GREEN in ran.out
    assert load(file)["changed"] is False


@pytest.mark.long
def test_an_mtu_that_shrank_is_red_for_the_full_packets_of_that_host(deployed):
    host2 = deployed.lab.host("host2")
    deployed.undo.append(lambda: faults.clear(host2))
    faults.mtu(host2, 1400)
    ran, found = proof(deployed, 1)
    assert set(red(found)) == directed("host1", "host2") | directed("host3", "host2")
    for failed in red(found).values():
        assert "mtu" in failed
        assert failed <= {"mtu", "tcp"}
    assert "no reply to a packet of 1450 bytes" in ran.out
    assert "small packets pass, full-size ones don't: the underlay carries 1400 bytes at most" in ran.out
    deployed.mend()
    proof(deployed, 0)


def cut_off(bed, name, *peers):
    """No gossip between a host and its peers."""
    for peer in peers:
        for protocol in ("tcp", "udp"):
            bed.drop(name, protocol, 7946, peer)


@pytest.mark.long
def test_a_gossip_of_islands_is_healed_without_a_restart(deployed):
    """Engines that were parted may find each other again at any moment once nothing is in their way (serf
    tries failed members every 30 s), so what is asserted of the deployment holds either way."""
    cut_off(deployed, "host3", "host1", "host2")
    for name in ("host3", "host2", "host1"):
        deployed.do(name, "systemctl reset-failed docker docker.socket; systemctl restart docker")
    wait_for(lambda: "gossip: host1, host2 | host3\n" in deployed.fab("status").out, 60, "two islands")
    deployed.mend()
    before = deployed.pids()
    ran = deployed.deploy()
    assert ran.status == 0, ran
    assert GREEN in ran.out
    assert deployed.pids() == before
    assert deployed.deploy().out == NOTHING_TO_DO
    assert "gossip: whole\n" in deployed.fab("status").out


def test_gossip_that_is_blocked_is_red_and_says_what_to_open(deployed):
    # Probes that came and went meanwhile leave rows that nobody takes back: start over.
    deployed.undo.append(deployed.make_clean)
    cut_off(deployed, "host2", "host1", "host3")
    deployed.do("host2", "systemctl reset-failed docker docker.socket; systemctl restart docker")
    refused = deployed.deploy()
    assert refused.status == 4, refused
    assert "table filter (iptables), drops tcp 7946 from host1: " in refused.said
    _, found = proof(deployed, 1)
    assert set(red(found)) == directed("host1", "host2") | directed("host2", "host3")
    (cause,) = found["diagnosis"]
    # The others may still have the rows of host2's container from before.
    assert (cause["rule"], cause["where"].removeprefix("from ")) == ("gossip-port", "host2")
    assert "open TCP and UDP 7946 between " in found["causes"][0]


def test_what_was_stopped_and_what_was_edited_is_set_right(deployed):
    """By hand: the store stopped, one drop-in removed, the other edited and its engine stopped."""
    deployed.do("host1", "docker stop -t 2 consul")
    deployed.do("host2", f"rm {DROP_IN}; systemctl daemon-reload")
    deployed.do("host3", f"sed -i s/ttl=20/ttl=200/ {DROP_IN}; systemctl daemon-reload")
    deployed.do("host3", "systemctl stop docker.socket docker.service")
    status = deployed.fab("status").ok().out
    assert "consul:1.8.7 STOPPED" in status
    assert "store: none runs\n" in status
    assert "host3  20.10.5+dfsg1 DOWN" in status
    repaired(
        deployed,
        "host1\n  start container consul\n      because it is stopped\n",
        f"host2\n  write {DROP_IN}\n      because the engine needs the cluster flags\n",
        "  restart the engine\n      because its unit changed\n",
        f"host3\n  change {DROP_IN}\n      because the cluster flags differ\n",
        "ttl=200 ",
        "  restart the engine\n      because the engine is down\n",
        "engines that restart: host2, host3\n",
    )


@pytest.mark.long
def test_a_host_that_lost_power_and_an_engine_that_was_killed_are_proven_again(deployed):
    host1, host2 = (deployed.lab.host(name) for name in ("host1", "host2"))
    before = deployed.pids()
    faults.power_off(host1)
    gone = deployed.fab("-t", "1", "status")
    assert (gone.status, gone.said) == (
        3,
        f"overweave: host1: no answer from {NET}.11 port 22 within 1 s\n"
        "  -> is the host up, and does a firewall let ssh through?",
    )
    faults.power_on(host1)
    faults.kill_engine(host2)
    faults.start_engine(host2)
    assert deployed.pids()[1] != before[1]
    assert deployed.pids()[2] == before[2]
    repaired(deployed)


def test_a_network_that_was_removed_is_made_again(deployed):
    """The anchors keep a user from it, and without them engines lose threads (moby#39036)."""
    refused = deployed.lab.host("host2").run(("docker", "network", "rm", "overweave"))
    assert "has active endpoints" in refused.stderr
    for number in (1, 2, 3):
        deployed.do(f"host{number}", f"docker rm -f overweave-anchor-overweave-host{number}")
    deployed.do("host2", "docker network rm overweave")
    assert "network: no overlay network\n" in deployed.fab("status").ok().out
    refused = deployed.fab("validate-overlay")
    assert (refused.status, refused.said) == (
        4,
        "overweave: there is no overlay network overweave on host1, host2, host3\n"
        "  -> `fab deploy-overlay` makes it; --network NAME proves another",
    )
    repaired(deployed, "  create overlay network overweave (10.211.0.0/16)\n")


@pytest.mark.long
def test_an_endpoint_that_outlived_its_anchor_is_no_hindrance(deployed):
    """As a killed engine leaves one: it keeps the name, and the network."""
    deployed.leave_endpoint("overweave-anchor-overweave-host3")
    deployed.do("host3", "docker rm -f overweave-anchor-overweave-host3")
    run = "docker run -d --network overweave --name overweave-anchor-overweave-host3 busybox:1.30.1 true"
    taken = deployed.lab.host("host3").run(("sh", "-c", run))
    assert "already exists in network overweave" in taken.stderr
    deployed.do("host3", "docker rm -f overweave-anchor-overweave-host3")
    repaired(deployed, "  run container overweave-anchor-overweave-host3 from busybox:1.30.1\n")


@pytest.mark.long
def test_an_anchor_that_was_removed_or_stopped_is_made_again(deployed):
    deployed.do("host1", "docker rm -f overweave-anchor-overweave-host1")
    deployed.do("host3", "docker stop -t 1 overweave-anchor-overweave-host3")
    repaired(
        deployed,
        "  run container overweave-anchor-overweave-host1 from busybox:1.30.1\n"
        "      because it keeps the host in the overlay",
        "  replace container overweave-anchor-overweave-host3 from busybox:1.30.1\n"
        "      because it is stopped or outdated",
    )


def test_a_store_that_lost_its_data_is_filled_again(deployed):
    """The engines' networks are gone with it; VNIs start over (engine-facts)."""
    deployed.do("host1", "docker rm -f consul && docker volume rm overweave-consul")
    repaired(
        deployed,
        "  run container consul from consul:1.8.7\n",
        "  restart the engine\n"
        "      because its store is gone with all data, and it would go on with what it remembers of it\n",
    )
