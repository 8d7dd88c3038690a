"""What forbids that the store is put back to a backup, in its words, and the steps where nothing does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.contract.fakes import snapshot
from tests.golden.site import inventory_of
from tests.golden.test_plans import deployed
from tests.unit.doctor.overlay import NETWORK, SPACE, VXLAN, Overlay, attachment, space, tree

from overweave.backup import About, Backup, Network, about, of_keys
from overweave.facts import libnetwork
from overweave.preflight.finding import Severity
from overweave.restore import FORCIBLE, findings, plan
from overweave.steps import AwaitLeader, GrantAccess, JoinGossip, RestoreKeys, RestoreStore, RunContainer
from overweave.stores.etcd_keys import Kept, Keys

OTHER = "b" * 64
MADE = datetime(2026, 11, 22, 2, 25, 48, 776000, tzinfo=UTC)
SAVED = snapshot()


def backup(**changes):
    its = about(
        libnetwork.parse(tree()),
        SAVED,
        made=MADE,
        made_by="0.1.0",
        consul="1.8.7",
        hosts=("host1", "host2", "host3"),
    )
    return replace(its, **changes)


def found(its, told: About, running=""):
    live = its.live()
    return findings(its.site.fleet, live, told, running)


def errors(its, told, running=""):
    return [(f.check, f.host, f.seen) for f in found(its, told, running) if f.severity is Severity.ERROR]


SUBNETS = b'{"subnets":[{"SubnetIP":"10.9.0.0/16","GwIP":"10.9.0.1/16","Vni":257}]}'
NEW = Network(OTHER, "front", ("10.9.0.0/16",), (256,), 2)


def test_a_backup_of_the_network_as_it_is_collides_with_nothing():
    assert found(Overlay(), backup(), "1.8.7") == []


def test_the_store_alone_is_replaced_and_no_engine_restarts():
    its = Overlay()
    made = plan(its.site.fleet, its.live(), Backup(backup(), SAVED))
    assert [type(step) for step in made.steps] == [RestoreStore, JoinGossip]
    (restore, gossip) = made.steps
    assert restore.host == "host1"
    assert restore.snapshot == SAVED
    assert restore.engines == {f"host{n}": f"10.0.0.1{n}:2376" for n in (1, 2, 3)}
    assert gossip.addresses == {f"host{n}": f"10.0.0.1{n}" for n in (1, 2, 3)}
    assert str(restore) == (
        "replace all that the store holds by the backup of 2026-11-22 02:25:48.776Z with overweave"
    )
    assert not any(step.restarts for step in made.steps)
    assert repr(SAVED) not in repr(made)


def test_a_store_that_is_gone_is_run_first_and_nothing_else_of_a_deployment_is_done():
    its = Overlay()
    live = its.live()
    live = replace(live, fleet=replace(live.fleet, store=None), records=None)
    site = its.site
    host1 = live.fleet.hosts["host1"]
    engine = replace(
        host1.engine,
        containers=tuple(c for c in host1.engine.containers if c.name != "consul"),
        volumes=frozenset(),
    )
    hosts = {**live.fleet.hosts, "host1": replace(host1, engine=engine)}
    live = replace(live, fleet=replace(live.fleet, hosts=hosts))
    assert errors_of(findings(site.fleet, live, backup())) == []
    made = plan(site.fleet, live, Backup(backup(), SAVED))
    assert [type(step) for step in made.steps] == [
        RunContainer,
        AwaitLeader,
        GrantAccess,
        RestoreStore,
        JoinGossip,
    ]
    assert [stage.title for stage in made.stages] == ["store", "restore", "gossip"]


def errors_of(listed):
    return [f.check for f in listed if f.severity is Severity.ERROR]


def test_a_network_that_runs_and_that_the_backup_does_not_know_forbids_it():
    its = Overlay()
    its.attachments[2] += (
        replace(attachment(2), container="web", network=OTHER, network_name="front", endpoint="9" * 64),
    )
    its.spaces[2]["1-bbbbbbbbbb"] = replace(space(2), links=(replace(VXLAN, vni=257),))
    assert errors(its, backup()) == [
        (
            "restore.unknown",
            "",
            "network front (id bbbbbbbbbbbb) is in use by web on host2, and the backup does not know it",
        )
    ]
    (error,) = found(its, backup())
    assert error.fix == (
        "take a newer backup, or take these containers off it: `docker network disconnect -f front web` on "
        "host2"
    )
    assert error.check not in FORCIBLE


def test_containers_on_networks_of_one_host_alone_are_nobodys_concern():
    its = Overlay()
    its.attachments[2] += (replace(attachment(2), container="web", network=OTHER, network_name="bridge"),)
    assert found(its, backup()) == []


def test_a_vni_that_another_network_uses_forbids_it():
    its = Overlay()
    told = backup(networks=(NEW,))
    seen = errors(its, told)
    assert [check for check, _, _ in seen] == ["restore.unknown"] + ["restore.vni"] * 3
    assert seen[1] == (
        "restore.vni",
        "host1",
        f"VNI 256 is in use there, in namespace {SPACE}, by a network that the backup does not know, and the "
        "backup gives it to front (id bbbbbbbbbbbb)",
    )


def test_a_network_that_has_another_vni_in_the_backup_forbids_it():
    its = Overlay()
    (network,) = backup().networks
    seen = errors(its, backup(networks=(replace(network, vnis=(300,)),)))
    assert seen[0] == (
        "restore.vni",
        "host1",
        "network overweave (id aaaaaaaaaaaa) has VNI 256 there, and 300 in the backup",
    )
    assert len(seen) == 3


def test_a_network_that_would_be_forgotten_needs_force():
    its = Overlay()
    its.tree |= {
        f"{libnetwork.NETWORKS}{OTHER}/": b'{"name":"front","networkType":"overlay"}',
        f"{libnetwork.OVERLAYS}{OTHER}/": SUBNETS,
    }
    assert errors(its, backup()) == [
        (
            "restore.forgets",
            "",
            "the backup does not know network front (id bbbbbbbbbbbb, 10.9.0.0/16), which nothing runs on",
        )
    ]
    assert "restore.forgets" in FORCIBLE


def test_a_backup_of_other_hosts_needs_force():
    engines = ("192.0.2.1:2376", "192.0.2.2:2376")
    assert errors(Overlay(), backup(engines=engines, hosts=("a", "b"))) == [
        (
            "restore.strangers",
            "",
            "none of the engines in the backup is one of these hosts': 192.0.2.1:2376, 192.0.2.2:2376",
        )
    ]
    assert "restore.strangers" in FORCIBLE


def test_an_engine_of_the_backup_that_is_gone_is_a_note():
    engines = (*backup().engines, "192.0.2.1:2376")
    (note,) = found(Overlay(), backup(engines=engines))
    assert (note.severity, note.seen, note.fix) == (
        Severity.NOTE,
        "engines of the backup that are none of these hosts': 192.0.2.1:2376",
        "`fab repair --gone 192.0.2.1` disconnects them",
    )


@pytest.mark.parametrize(
    ("consul", "running", "fits"),
    [
        ("1.8.7", "1.8.7", True),
        ("1.8.9", "1.8.7", True),
        ("1.8.7", "1.15.4", True),
        ("1.15.4", "1.8.7", False),
        ("2.0.0", "1.20.1", False),
        ("1.15.4", "", True),
        ("unknown", "1.8.7", True),
    ],
)
def test_an_older_consul_does_not_take_the_backup_of_a_newer_one(consul, running, fits):
    seen = errors(Overlay(), backup(consul=consul), running)
    assert seen == (
        []
        if fits
        else [("restore.version", "", f"the backup is of Consul {consul}, and {running} runs here")]
    )


def test_a_container_that_joined_since_is_told():
    its = Overlay()
    told = backup(networks=tuple(replace(n, endpoints=2) for n in backup().networks))
    (warning,) = found(its, told)
    assert (warning.severity, warning.check, warning.seen) == (
        Severity.WARNING,
        "restore.later",
        "network overweave has 3 endpoints now, and 2 in the backup",
    )


def test_an_engine_that_does_not_run_forbids_it():
    its = Overlay()
    live = its.live()
    host2 = live.fleet.hosts["host2"]
    hosts = {**live.fleet.hosts, "host2": replace(host2, engine=replace(host2.engine, running=False))}
    live = replace(live, fleet=replace(live.fleet, hosts=hosts))
    (error, *_) = findings(its.site.fleet, live, backup())
    assert (error.check, error.host, error.seen) == ("restore.engine", "host2", "its engine does not run")


def test_an_engine_without_a_cluster_store_forbids_it():
    its = Overlay()
    live = its.live()
    host2 = live.fleet.hosts["host2"]
    bare = replace(host2, unit=replace(host2.unit, arguments=()))
    live = replace(live, fleet=replace(live.fleet, hosts={**live.fleet.hosts, "host2": bare}))
    error = findings(its.site.fleet, live, backup())[0]
    assert (error.check, error.host, error.seen) == (
        "restore.engine",
        "host2",
        "its engine has no cluster store",
    )


def test_the_network_of_the_fixture_is_the_one_of_the_backup():
    assert [network.id for network in backup().networks] == [NETWORK]


ETCD = {"kind": "etcd", "image": "etcd:3.4.23", "servers": 3}
ARCHIVES = {"archives": {"etcd:3.4.23": "etcd.tar", "busybox:1.36": "busybox.tar"}}


def in_etcd():
    its = Overlay(deployed(inventory_of(3, store=ETCD, images=ARCHIVES)))
    kept = {key.strip("/"): Kept(value.decode(), 7, 9, None) for key, value in tree().items() if value}
    told = of_keys(Keys(93, kept), made=MADE, made_by="0.1.0", etcd="3.4.23", hosts=("host1",))
    return its, told


def test_of_a_store_in_etcd_all_keys_are_put_back_but_the_registrations_of_engines():
    its, saved = in_etcd()
    assert found(its, saved.about) == []
    restore, gossip = plan(its.site.fleet, its.live(), saved).steps
    assert isinstance(restore, RestoreKeys)
    assert restore.keys == {
        key.strip("/"): value
        for key, value in tree().items()
        if value and not key.startswith(libnetwork.NODES)
    }
    assert restore.engines == {f"host{n}": f"10.0.0.1{n}:2376" for n in (1, 2, 3)}
    assert isinstance(gossip, JoinGossip)


def test_a_backup_of_the_other_kind_of_store_is_refused():
    its, saved = in_etcd()
    assert errors(Overlay(), saved.about) == [
        ("restore.kind", "", "the backup is of a store in etcd, and these hosts have one in Consul")
    ]
    (error,) = found(its, backup())
    assert (error.check, error.seen, error.fix) == (
        "restore.kind",
        "the backup is of a store in Consul, and these hosts have one in etcd",
        "name a backup of this store; where there is none, `fab store-rebuild` writes what the hosts know",
    )
    assert error.check not in FORCIBLE


def test_a_server_of_etcd_without_its_data_does_not_begin_beside_others_that_have_theirs():
    its, saved = in_etcd()
    for name in ("host2", "host3"):
        its.site.boxes[name].containers.pop("etcd")
    its.site.boxes["host3"].volumes = []
    assert errors(its, saved.about) == [
        (
            "store.member",
            "host3",
            "it is to carry a server of etcd, and has no data of it, as host1, host2 has",
        )
    ]
    its.site.boxes["host3"].volumes = ["overweave-etcd"]
    assert errors(its, saved.about) == []
    steps = plan(its.site.fleet, its.live(), saved).steps
    assert [type(step) for step in steps][-2:] == [RestoreKeys, JoinGossip]
    assert [step.host for step in steps if isinstance(step, RunContainer)] == ["host2", "host3"]
