"""An overlay of the engines' own swarm: the same tasks, the same proof, and nothing left behind."""

from __future__ import annotations

import re

import pytest
from tests.lab.bed import GREEN, NOTHING_TO_DO, changes, differences, load
from tests.lab.pages import walk

from overweave.lab import faults
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab
TOKEN = "SWMTKN"
RESTARTS = "systemctl reset-failed docker; systemctl restart docker"
KEY = "/var/lib/docker/swarm/certificates/swarm-node.key"
LISTED = "docker node ls 2> /dev/null | grep -v Unreachable || :"
"""Who is there; nobody without a leader."""


@pytest.fixture(scope="module")
def swarm(bed):
    bed.make_clean()
    yield bed
    bed.mend()
    bed.make_clean()


def test_what_would_not_be_encrypted_is_refused(swarm):
    wanted = {"backend": "swarm", "store": {}, "network": {"options": {"encrypted": ""}}}
    refused = swarm.fab("preflight", inventory=swarm.write("encrypted.yml", swarm.wanted() | wanted))
    assert refused.status == 4, refused
    told = " ".join(refused.out.split())
    assert "Docker 20.10.5+dfsg1 lets packets of an encrypted network in and out that are not" in told
    state = f"src 10.0.0.1 dst 10.0.0.2 proto esp spi 1 aead 'rfc4106(gcm(aes))' 0x{'01' * 20} 64"
    can = swarm.do("host1", f"unshare -n ip xfrm state add {state} > /dev/null 2>&1 && echo yes || echo no")
    assert ("the kernel can't encrypt packets (ESP)" in told) is (can == "no\n")


def test_it_is_deployed_and_proven_and_no_engine_restarts(swarm):
    before = swarm.pids()
    ran = swarm.deploy("--backend", "swarm").ok()
    assert GREEN in ran.out
    assert "begin a swarm at " in ran.out
    assert "join the swarm at " in ran.out
    assert swarm.pids() == before
    tokens = swarm.do(
        "host1", "docker swarm join-token -q worker; docker swarm join-token -q manager"
    ).split()
    assert all(token.startswith(TOKEN) for token in tokens)
    told = [ran.out, ran.err, *(p.read_text() for p in swarm.home.rglob("*.log"))]
    told += [
        swarm.do(h.name, "grep -rh . /var/lib/overweave /var/log/overweave* || :; journalctl -b")
        for h in swarm.hosts
    ]
    assert not [token for token in tokens for text in told if token in text], "who has it can join"
    state = swarm.state()
    assert swarm.deploy().out == NOTHING_TO_DO, "what is there is found again by itself"
    assert changes(state, swarm.state()) == []


def test_what_looks_at_an_overlay_looks_at_this_one(swarm):
    status = swarm.fab("status").ok().out
    assert "\nswarm, leader host1, 3 of 3 nodes ready\nnetwork: " in status, "no store, and no gossip of one"
    assert "manager leads" in status
    healthy = swarm.fab("doctor")
    assert (healthy.status, "nothing found" in healthy.out) == (0, True), healthy
    refused = swarm.fab("store-status")
    assert (refused.status, refused.said) == (
        4,
        "overweave: these hosts are in a swarm, which has no store\n"
        "  -> `fab status` shows its managers; what they know is on each of them",
    )


def test_containers_of_users_reach_each_other_by_name(swarm):
    """As the page tells it that people learn it by."""
    swarm.undo += [
        lambda: swarm.do("host1", "docker rm -f web"),
        lambda: swarm.do("host2", "docker rm -f client"),
    ]
    walk(swarm, "overlay-by-swarm")
    swarm.mend()


def test_the_leader_loses_its_power_and_comes_back(swarm):
    """The others go on; behind it all pairs are proven again without a command."""
    leader = swarm.lab.host("host1")
    faults.power_off(leader)
    swarm.undo.append(lambda: faults.power_on(leader))
    rest = swarm.fab("validate-overlay", "-H", "host2,host3")
    assert "2 of 2 directed pairs green" in rest.out, rest
    swarm.mend()
    swarm.prove(GREEN)
    report = swarm.folder / "proof.json"
    swarm.fab("validate-overlay", "--json", str(report)).ok()
    assert load(report)["between"] == "containers that stand on the network"


def test_its_certificates_and_tokens_are_made_anew_and_no_engine_restarts(swarm):
    before = swarm.pids()
    inspect = "docker swarm ca; docker swarm join-token -q worker; docker swarm join-token -q manager"
    old = swarm.do("host1", inspect)
    ran = swarm.fab("rotate-certificates").ok()
    assert "3 of 3 nodes have their new certificate" in ran.err
    assert GREEN in ran.out
    new = swarm.do("host1", inspect)
    assert new.partition("SWMTKN")[0] != old.partition("SWMTKN")[0]
    swarm.fab("rotate-join-tokens").ok()
    newest = swarm.do("host1", inspect)
    tokens = [text.split()[-2:] for text in (old, new, newest)]
    assert len({token.rsplit("-", 1)[1] for its in tokens[1:] for token in its}) == 4
    assert swarm.pids() == before


def test_services_are_reached_each_way_that_the_kernel_has(swarm):
    """A kernel without IPVS has no virtual addresses and no routing mesh, and the proof says so."""
    report = swarm.folder / "services.json"
    ran = swarm.fab("prove-services", "--json", str(report))
    found = load(report)
    spreads = not found["without_ipvs"]
    assert (ran.status, found["green"]) == ((0, True) if spreads else (1, False)), ran
    for host in ("host1", "host2", "host3"):
        assert {kind: its["ok"] for kind, its in found["checks"][host].items()} == {
            "round robin": True,
            "virtual address": spreads,
            "host port": True,
            "mesh port": spreads,
        }, found
    assert ("has no IPVS" in ran.out) is not spreads
    assert swarm.do("host1", "docker service ls -q") == ""
    assert swarm.probes() == []
    swarm.do("host1", "docker node update --availability drain host3")
    swarm.undo.append(lambda: swarm.do("host1", "docker node update --availability active host3"))
    for words, said in (
        (
            (),
            "the swarm runs no replica on host3: its node is ready, drain\n"
            "  -> see `docker node ls` on a manager; `docker node update --availability active`",
        ),
        (
            ("--network", "blue"),
            "no container of Overweave's is on the network blue on host1, host2, host3\n"
            "  -> `fab deploy-overlay` makes the network, and one on every host",
        ),
    ):
        refused = swarm.fab("prove-services", *words)
        assert (refused.status, refused.said) == (4, f"overweave: {said}"), refused
    swarm.mend()


def test_a_manager_that_is_locked_is_told_and_opened(swarm):
    locks = swarm.wanted() | {"backend": "swarm", "store": {}, "swarm": {"autolock": True}}
    assert swarm.fab("deploy-overlay", inventory=swarm.write("locks.yml", locks)).ok()
    key = swarm.folder / "swarm.key"
    swarm.fab("rotate-unlock-key").ok()
    swarm.fab("swarm-unlock-key", str(key)).ok()
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() == swarm.do("host2", "docker swarm unlock-key -q").strip()
    swarm.do("host1", RESTARTS)
    assert "manager LOCKED" in swarm.fab("status").out
    refused = swarm.fab("deploy-overlay")
    assert (refused.status, refused.said.splitlines()[0]) == (
        4,
        "overweave: host1: the engine is in a swarm that is locked",
    )
    told = swarm.fab("unlock-swarm", "--key", str(key)).ok().out
    assert told == "unlocked: host1\n"
    assert "3 of 3 nodes ready" in swarm.fab("status").out
    assert key.read_text().strip() not in "".join(p.read_text() for p in swarm.home.rglob("*.log"))
    # Containers that Docker has given up come back a moment later, by the boot unit.
    wait_for(lambda: swarm.do("host1", "docker ps -q --filter name=overweave-anchor"), 60, "the anchor")
    swarm.do("host1", "docker swarm update --autolock=false")
    wait_for(lambda: "ENCRYPTED" not in swarm.do("host1", f"cat {KEY}"), 30, "a key in clear")


def test_one_manager_goes_on_alone_where_the_others_are_lost(swarm):
    """Of two managers one is gone: no majority is left. A worker, and what runs on it, stays."""
    swarm.do("host1", "docker node demote host3")
    book = ("runbook.recover-lost-swarm", "--from", "host1", "-H", "host1", "--yes")
    refused = swarm.fab(*book)
    assert refused.status == 4
    assert re.fullmatch(
        r"overweave: the swarm has a leader, host[12]: no quorum is lost\n"
        r"  -> a manager that is gone is taken off by `fab remove-host HOST --dead`",
        refused.said,
    )
    runs = swarm.do("host3", "docker ps -q --no-trunc")
    # An engine that starts without a majority waits for one for 40 s: what it knows of the swarm goes first.
    comes_back = "rm -rf /var/lib/docker/swarm; systemctl start docker; docker network rm docker_gwbridge"
    swarm.do("host2", "systemctl stop docker.socket docker")
    swarm.undo.append(lambda: swarm.do("host2", comes_back))
    wait_for(lambda: "eachable" not in swarm.do("host1", LISTED), 60, "the loss to be seen")
    ran = swarm.fab(*book).ok()
    assert "the swarm is back, and the overlay is proven" in ran.err
    assert swarm.do("host3", "docker ps -q --no-trunc") == runs
    assert swarm.do("host1", "docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'") == (
        "host1 Leader\nhost3 \n"
    )
    swarm.mend()


def test_it_is_taken_away_and_leaves_nothing(swarm):
    swarm.fab("destroy-overlay", "--yes").ok()
    assert differences(swarm.pristine, swarm.state()) == []
    assert swarm.fab("destroy-overlay", "--yes").out.startswith("nothing to do")
    assert swarm.fab("prove-services").said == (
        "overweave: services are a swarm's, and these hosts are in none\n"
        "  -> `fab backends` shows what else these engines can do"
    )
