"""A store in etcd, on engines that have no other: the same overlay, the same proof, nothing left behind."""

from __future__ import annotations

import pytest
from tests.lab.bed import GREEN, NOTHING_TO_DO, SLOT, bed_of, changes, differences, fresh

from overweave.lab import faults
from overweave.lab.waiting import wait_for
from overweave.stores.etcd import TLS, TRUSTED

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    """Three hosts of Debian 12, each of which will carry a server."""
    lab = fresh(f"k{SLOT}", hosts=3, subnet=f"10.98.{220 + SLOT}.0/24", engines=["20.10-etcd"])
    with bed_of(lab, tmp_path_factory.mktemp("etcd")) as bed:
        bed.make_clean()
        yield bed


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
    assert "store: etcd on host1, host2, host3, leader " in etcd.fab("status").ok().out
    assert "nothing found" in etcd.fab("doctor").ok().out
    refused = etcd.fab("store-backup", str(etcd.folder / "backup"))
    assert (refused.status, refused.said) == (
        4,
        "overweave: these hosts have their store in etcd, and this works on a store in Consul alone\n"
        "  -> `fab status` and `fab doctor` look at it; docs/etcd.md says what can be done by hand",
    )


def test_a_server_is_lost_and_comes_back(etcd):
    host2 = etcd.lab.host("host2")
    faults.power_off(host2)
    assert "2 of 2 directed pairs green" in etcd.fab("validate-overlay", "-H", "host1,host3").out
    faults.power_on(host2)
    wait_for(lambda: GREEN in etcd.fab("validate-overlay").out, 60, "a proof of all pairs")
    etcd.do("host3", "docker stop etcd")
    told = etcd.fab("doctor")
    assert (told.status, "host3: its server of etcd does not run" in told.out) == (1, True), told
    assert GREEN in etcd.deploy().ok().out
    assert "nothing found" in etcd.fab("doctor").ok().out


def test_it_is_taken_away_and_leaves_nothing(etcd):
    etcd.fab("destroy-overlay", "--yes").ok()
    assert differences(etcd.pristine, etcd.state()) == []
