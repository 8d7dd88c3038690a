"""What the pipeline refuses by itself; the rest of it runs in tests/lab."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import IN_A_SWARM, settle
from tests.unit.sessions import Fleet

from overweave.errors import FleetError, Refused, UsageError
from overweave.model import SWARM, Archive
from overweave.pipeline import (
    make_rolling_restart,
    make_rolling_upgrade,
    make_teardown,
    missing_archives,
    validate,
)
from overweave.plan import refuse
from overweave.proving import OVERLAY_ONLY
from overweave.steps import AwaitLeader, JoinGossip, RestartEngine, UpgradeEngine


def test_archives_that_are_needed_and_not_there_are_refused(tmp_path):
    fleet = Site().fleet
    (tmp_path / "busybox.tar").touch()
    archives = {
        "consul:1.8.7": Archive(tmp_path / "consul.tar"),
        "busybox:1.36": Archive(tmp_path / "busybox.tar"),
        "not-used:1": Archive(tmp_path / "other.tar"),
    }
    found = missing_archives(replace(fleet, images=replace(fleet.images, archives=archives)))
    assert [str(e) for e in found] == [
        f"image archive {tmp_path}/consul.tar for consul:1.8.7: no such file\n"
        "  -> make it with `docker save -o consul.tar consul:1.8.7`"
    ]


def test_no_refusal_is_no_error_one_is_itself_and_several_are_one():
    refuse([])
    one, two = Refused("x", host="a"), Refused("y", host="b")
    with pytest.raises(Refused) as caught:
        refuse([one])
    assert caught.value is one
    with pytest.raises(FleetError, match=r"^a: x\nb: y$"):
        refuse([one, two])


class Rolling:
    """Three hosts, the first with the store, or the only manager of a swarm."""

    def __init__(self, swarm=False):
        of_swarm = {"backend": SWARM, "swarm": {"managers": 1}, "store": {}}
        self.site = Site(inventory_of(3, **(of_swarm if swarm else {"store": {"servers": 1}})))

    def session(self):
        return SimpleNamespace(fleet=self.site.fleet)

    def upgrade(self, version):
        return make_rolling_upgrade(self.session(), self.site.facts(), "apt-get install it", version)


def test_engines_are_restarted_in_turn_the_stores_last():
    its = Rolling()
    plans = make_rolling_restart(its.session(), its.site.facts())
    assert [[type(step) for step in plan.steps] for plan in plans] == [
        [RestartEngine, JoinGossip],
        [RestartEngine, JoinGossip],
        [RestartEngine, AwaitLeader, JoinGossip],
    ]
    assert [plan.steps[0].host for plan in plans] == ["host2", "host3", "host1"]


def test_engines_of_a_swarm_are_restarted_its_managers_last_and_have_no_gossip_of_ours():
    its = Rolling(swarm=True)
    plans = make_rolling_restart(its.session(), its.site.facts())
    assert [plan.steps for plan in plans] == [
        (RestartEngine(name, "it was asked for"),) for name in ("host2", "host3", "host1")
    ]


def test_an_upgrade_goes_on_behind_the_hosts_that_have_it():
    its = Rolling()
    its.site.boxes["host2"].version = "20.10.24+dfsg1"
    plans = its.upgrade("20.10.24")
    assert [plan.steps[0] for plan in plans] == [
        UpgradeEngine(name, "its engine is another one", "apt-get install it", "20.10.24")
        for name in ("host3", "host1")
    ]
    assert its.upgrade("20.10") == []


def test_an_upgrade_to_an_engine_without_a_store_and_to_no_version_is_refused():
    with pytest.raises(Refused) as refused:
        Rolling().upgrade("26.1")
    assert str(refused.value) == (
        "Docker 26.1 has no cluster store, and would not start with the flags for it\n"
        "  -> `fab runbook.leave-cluster-store` moves the fleet to a swarm first"
    )
    assert len(Rolling(swarm=True).upgrade("26.1")) == 3
    with pytest.raises(UsageError) as wrong:
        Rolling().upgrade("latest")
    assert str(wrong.value) == "--to latest: it is no version of an engine\n  -> as in --to 20.10.24"


@pytest.mark.parametrize("wanted", [{}, IN_A_SWARM])
def test_a_teardown_is_refused_while_containers_of_users_are_on_the_network(wanted):
    site = Site(inventory_of(3, **wanted))
    settle(site)
    session = SimpleNamespace(fleet=site.fleet)
    for name in ("web", "db", "a", "b", "c", "d"):
        site.boxes["host1"].containers[name] = ["nginx", True, {}, ("bridge", "overweave")]
    site.boxes["host2"].containers |= {
        "client": ["nginx", True, {}, ("overweave",)],
        "elsewhere": ["nginx", True, {}, ("bridge",)],
        "stopped": ["nginx", False, {}, ("overweave",)],
    }
    with pytest.raises(FleetError) as refused:
        make_teardown(session, site.facts())
    assert refused.value.exit_code == Refused.exit_code
    assert str(refused.value) == (
        "host1: containers are on the overlay here: a, b, c, d, db and 1 more\n"
        "  -> remove them first, as by `docker rm -f a` there, or take them off it: "
        "`docker network disconnect overweave a`\n"
        "host2: containers are on the overlay here: client\n"
        "  -> remove them first, as by `docker rm -f client` there, or take them off it: "
        "`docker network disconnect overweave client`"
    )
    # Where the network is gone already, nobody is in the way.
    del site.shared["overweave"]
    assert make_teardown(session, site.facts())


def test_where_no_network_is_nothing_is_brought_along_to_prove_it():
    fleet = Fleet()
    with pytest.raises(Refused) as refused:
        validate(fleet.session(), OVERLAY_ONLY)
    assert str(refused.value) == (
        "there is no overlay network overweave on host1, host2, host3\n"
        "  -> `fab deploy-overlay` makes it; --network NAME proves another"
    )
    assert not any("image" in what for _, what in fleet.said)
