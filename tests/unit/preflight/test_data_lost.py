"""A store that does not know of what runs is found before a deployment builds beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.test_plans import deployed
from tests.unit.facts.lost import NETWORK, hosts

from overweave.errors import FleetError, Refused
from overweave.facts.attachments import Attachment
from overweave.facts.engine import Container, NetworkFact
from overweave.overlay import data_are_gone, networks_are_gone, unrecorded_on
from overweave.plan import plan
from overweave.preflight.data_lost import records
from overweave.steps import CreateNetwork, RestartEngine

SHORT = NETWORK[:12]
LOST = (
    f"the store has lost its data: it has no record of network overweave (id {SHORT}, VNI 256), which web on "
    "host1, db on host2, mac on host3 and 1 more use"
)
OLDER = (
    f"the store is older than what runs: it has no endpoint of web on host1 on network overweave (id {SHORT})"
)


def facts(site=None, *, networks=(), without=(), users=True, remembered=True, **store):
    """A deployed fleet with the captured containers on it. ``networks`` are those that the store has, and it
    has their endpoints but those of ``without``."""
    site = site or deployed()
    seen = site.facts()
    known = hosts()
    endpoints = {j.endpoint for its in known.values() for j in its.joined if j.container not in without}
    changed = {}
    for name, its in known.items():
        on = [j for j in its.joined if users or j.ours]
        engine = seen.hosts[name].engine
        more = tuple(Container(j.container, "i", True, {}) for j in on if not j.ours)
        attached = tuple(
            Attachment(j.container, True, 1, j.network, "overweave", j.endpoint, j.address, j.mac) for j in on
        )
        listed = tuple(n for n in engine.networks if n.scope != "global")
        engine = replace(engine, containers=engine.containers + more, attachments=attached, networks=listed)
        changed[name] = replace(seen.hosts[name], engine=engine)
    told = seen.store and replace(
        seen.store,
        networks=frozenset(networks),
        endpoints=frozenset(endpoints if networks else ()),
        **store,
    )
    return site.fleet, replace(seen, hosts=changed, store=told, remembered=known if remembered else {})


def told(*args, **kwargs):
    return [(f.check, f.host, f.seen) for f in records(*facts(*args, **kwargs))]


def test_networks_that_the_store_has_lost_are_told_and_forbid_a_deployment():
    assert told() == [("store.lost", "", LOST)]
    with pytest.raises(Refused) as caught:
        plan(*facts())
    assert str(caught.value) == (
        f"{LOST}: a network made anew would have another id, and these containers stay on the old one\n"
        "  -> `fab store-restore FILE` puts a backup back, or `fab store-rebuild` writes what the hosts know"
    )
    assert caught.value.exit_code == 4


def test_a_store_that_is_gone_with_its_volume_has_lost_them_too():
    site = deployed()
    site.boxes["host1"].containers.pop("consul")
    site.boxes["host1"].volumes = []
    fleet, seen = facts(site)
    assert seen.store is None
    assert data_are_gone(fleet, seen)
    assert [f.seen for f in records(fleet, seen)] == [LOST]
    site.boxes["host3"].volumes = ["overweave-consul"]
    assert not data_are_gone(*facts(site))
    assert told(site) == []


def test_a_store_that_is_older_than_what_runs_is_told():
    fleet, seen = facts(networks=[NETWORK], without=["web"], remembered=False)
    (found,) = records(fleet, seen)
    assert (found.check, found.seen) == ("store.older", OLDER)
    assert found.matters == (
        "other hosts don't know their names, and their addresses may be given away (moby#18841)"
    )
    assert found.fix == (
        "`fab store-rebuild` writes what the hosts know; or, if you have a newer one, `fab store-restore "
        "FILE` puts a backup back"
    )


def test_a_store_that_has_all_or_is_not_known_is_not_told():
    assert told(networks=[NETWORK]) == []
    assert told(leader="") == []
    site = deployed()
    site.boxes["host1"].containers["consul"][1] = False
    assert told(site) == []


def test_a_container_that_has_ended_by_the_second_look_is_not_told():
    fleet, seen = facts(networks=[NETWORK], without=["web"])
    known = dict(seen.remembered)
    known["host1"] = replace(known["host1"], joined=known["host1"].joined[1:])
    assert seen.remembered["host1"].joined[0].container == "web"
    assert records(fleet, replace(seen, remembered=known)) == []


def test_containers_of_a_swarm_and_on_networks_of_the_host_itself_are_left_out():
    site = deployed()
    for box in site.boxes.values():
        box.member = {"state": "active"}
    assert unrecorded_on(*facts(site)) == {}
    fleet, seen = facts()
    engine = seen.hosts["host1"].engine
    own = tuple(replace(a, network=engine.networks[0].id) for a in engine.attachments)
    changed = replace(seen.hosts["host1"], engine=replace(engine, attachments=own))
    assert "host1" not in unrecorded_on(fleet, replace(seen, hosts={**seen.hosts, "host1": changed}))


def test_a_network_that_an_engine_has_from_another_store_is_not_lost():
    fleet, seen = facts()
    engine = seen.hosts["host1"].engine
    elsewhere = NetworkFact(NETWORK, "overweave", "overlay", "global", (), {})
    changed = replace(engine, networks=(*engine.networks, elsewhere))
    seen = replace(seen, hosts={"host1": replace(seen.hosts["host1"], engine=changed)})
    assert unrecorded_on(fleet, seen) == {}


def test_where_only_our_own_are_on_it_it_is_deployed_anew():
    fleet, seen = facts(users=False)
    assert records(fleet, seen) == []
    assert networks_are_gone(fleet, seen)
    steps = plan(fleet, seen).steps
    why = "its store is gone with all data, and it would go on with what it remembers of it"
    assert [s.host for s in steps if isinstance(s, RestartEngine) and s.why == why] == [
        "host1",
        "host2",
        "host3",
    ]
    assert any(isinstance(s, CreateNetwork) for s in steps)
    assert not networks_are_gone(*facts(networks=[NETWORK], users=False))


def test_several_networks_are_told_all_at_once():
    fleet, seen = facts()
    engine = seen.hosts["host2"].engine
    more = tuple(replace(a, network="c" * 64, network_name="other") for a in engine.attachments)
    changed = replace(seen.hosts["host2"], engine=replace(engine, attachments=engine.attachments + more))
    with pytest.raises(FleetError) as caught:
        plan(fleet, replace(seen, hosts={**seen.hosts, "host2": changed}))
    assert "no record of network other (id cccccccccccc), which db on host2 uses: " in str(caught.value)
