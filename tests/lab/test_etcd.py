"""A store in etcd, on engines that have no other: the same overlay, the same proof, nothing left behind."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.contract import etcds
from tests.lab.bed import NOTHING_TO_DO, SLOT, bed_of, changes, differences, fresh, load
from tests.lab.pages import walk

from overweave.adapters.etcd_http import SECONDS, EtcdHttp
from overweave.adapters.tls_stream import TlsStream
from overweave.command import Secret
from overweave.lab import faults
from overweave.stores.etcd import TLS, TRUSTED

pytestmark = pytest.mark.lab

GREEN = "12 of 12 directed pairs green on overweave"
SERVERS = ("host1", "host2", "host3")


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    """Four hosts of Debian 12, three of which will carry a server."""
    lab = fresh(f"k{SLOT}", hosts=4, subnet=f"10.98.{220 + SLOT}.0/24", engines=["20.10-etcd"])
    with bed_of(lab, tmp_path_factory.mktemp("etcd")) as bed:
        bed.make_clean()
        yield bed


def status(bed):
    report = bed.folder / "status.json"
    ran = bed.fab("store-status", "--json", str(report))
    return ran, load(report)


def store_of(bed):
    """Its API, as somebody with the certificate of host1."""
    shown = Secret(bed.do("host1", f"cat {TLS}"))
    at = (bed.lab.host("host1").address, 2379)
    return EtcdHttp(lambda: TlsStream(socket.create_connection(at), shown, seconds=SECONDS), "etcd")


def test_it_is_chosen_deployed_and_proven_and_lets_nobody_in_without_a_certificate(etcd):
    ran = etcd.deploy("--backend", "auto").ok()
    assert "the overlay's store is one in etcd: all engines have a cluster store" in ran.err
    assert GREEN in ran.out
    state = etcd.state()
    assert etcd.deploy().ok().out == NOTHING_TO_DO
    assert changes(state, etcd.state()) == []
    for where in ("127.0.0.1", etcd.lab.host("host1").address):
        ask = ("curl", "-fsS", "--cacert", TRUSTED, f"https://{where}:2379/v2/keys/docker")
        assert not etcd.lab.host("host1").run(ask).ok
        assert etcd.lab.host("host1").run((*ask, "--cert", TLS)).ok, "who has one of the fleet's gets in"
    etcds.holds(store_of(etcd))
    assert "store: etcd on host1, host2, host3, leader " in etcd.fab("status").ok().out
    assert "nothing found" in etcd.fab("doctor").ok().out
    ran, told = status(etcd)
    assert (ran.status, told["healthy"], told["store"]) == (0, True, "etcd"), told
    assert [(its["name"], its["state"], its["version"]) for its in told["servers"]] == [
        (name, "alive", "3.4.23") for name in SERVERS
    ]
    assert [its["leader"] for its in told["servers"]].count(True) == 1
    assert [(its["host"], its["registered"]) for its in told["engines"]] == [
        (host.name, True) for host in etcd.hosts
    ]
    refused = etcd.fab("rotate-gossip-key")
    assert (refused.status, refused.said) == (
        4,
        "overweave: these hosts have their store in etcd, and this works on a store in Consul alone\n"
        "  -> `fab store-status` and `fab doctor` look at it; docs/etcd.md says what else works there",
    )


def test_containers_of_users_reach_each_other_by_name(etcd):
    """As the page tells it that people learn it by."""
    etcd.undo += [
        lambda: etcd.do("host1", "docker rm -f web"),
        lambda: etcd.do("host2", "docker rm -f client"),
    ]
    walk(etcd, "overlay-by-etcd")
    etcd.mend()


def test_data_that_are_lost_are_put_back_from_a_backup_and_what_joined_since_is_written_anew(etcd):
    image = etcd.wanted()["images"]["probe"]

    def run(host, name):
        etcd.do(host, f"docker run -d --name {name} --network overweave {image} sleep 1000000")

    run("host1", "early")
    file = str(etcd.folder / "store.tar")
    saved = etcd.fab("store-backup", file).ok()
    assert f"{file}: the store of " in saved.out
    assert ": etcd 3.4.23, index " in saved.out
    run("host4", "late")
    pids = etcd.pids()
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        gone = "docker rm -f etcd && docker volume rm overweave-etcd"
        list(pool.map(lambda host: etcd.do(host, gone), SERVERS))
    assert GREEN in etcd.fab("store-restore", file, "--yes").ok().out
    etcd.do("host4", "docker exec late ping -c 1 -W 2 early")
    etcd.do("host1", f"docker run --rm --network overweave {image} ping -c 1 -W 2 late")
    assert etcd.pids() == pids, "no engine has restarted"
    for host, name in (("host1", "early"), ("host4", "late")):
        etcd.do(host, f"docker rm -f {name}")


def test_a_server_is_lost_and_comes_back(etcd):
    host2 = etcd.lab.host("host2")
    faults.power_off(host2)
    assert "2 of 2 directed pairs green" in etcd.fab("validate-overlay", "-H", "host1,host3").out
    faults.power_on(host2)
    # While its own server has no leader yet, an engine waits for it, question by question.
    etcd.prove(GREEN, 120)
    etcd.do("host3", "docker stop etcd")
    told = etcd.fab("doctor")
    assert (told.status, "host3: its server of etcd does not run" in told.out) == (1, True), told
    ran, told = status(etcd)
    assert (ran.status, [its["state"] for its in told["servers"]]) == (1, ["alive", "alive", "failed"])
    assert [line for line in told["problems"] if not line.startswith("server host3 is failed: ")] == []
    assert GREEN in etcd.deploy().ok().out

    pids = etcd.pids()
    etcd.do("host2", "docker rm -f etcd && docker volume rm overweave-etcd")
    refused = etcd.deploy()
    assert (refused.status, "`fab store-add-server host2`, also where its data are lost" in refused.said) == (
        4,
        True,
    ), refused
    joined = etcd.fab("store-add-server", "host2", "--yes").ok()
    assert "take the server host2 at " in joined.err
    assert joined.err.endswith("done: servers of the store: host1, host2, host3\n")
    assert etcd.pids() == pids, "the list is the same, and no engine is told anything"
    ran, told = status(etcd)
    assert (ran.status, [its["state"] for its in told["servers"]]) == (0, ["alive"] * 3), told
    assert etcd.deploy().out == NOTHING_TO_DO
    # Engines keep rows of what has moved meanwhile (moby#52661): notes.
    assert etcd.fab("doctor").ok().out.startswith("healthy: ")


def test_a_host_without_a_server_leaves_as_it_was(etcd):
    assert "6 of 6 directed pairs green on overweave" in etcd.fab("remove-host", "host4", "--yes").ok().out
    assert differences({"host4": etcd.pristine["host4"]}, {"host4": etcd.state()["host4"]}) == []


def test_it_is_taken_away_and_leaves_nothing(etcd):
    etcd.fab("destroy-overlay", "--yes").ok()
    assert differences(etcd.pristine, etcd.state()) == []
