"""What can't be moved to a swarm is refused by name, before anything changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overweave.facts.moving import Overlay, Pool
from overweave.facts.swarm import Member
from overweave.moving.refused import findings, pool

from . import moves
from .test_moves import movers
from .test_plans import deployed


def told(site):
    return [f"{its.where}: {its.told}" if its.where else its.told for its in findings(site)]


def with_networks(site, *networks):
    seen = {n: replace(its, networks=(*its.networks, *networks)) for n, its in site.seen.items()}
    return replace(site, seen=seen)


def with_engine(site, name, **changes):
    its = site.facts.hosts[name]
    hosts = site.facts.hosts | {name: replace(its, engine=replace(its.engine, **changes))}
    return replace(site, facts=replace(site.facts, hosts=hosts))


def with_container(site, name, **changes):
    seen = site.seen["host1"]
    containers = seen.containers | {name: replace(seen.containers[name], **changes)}
    return replace(site, seen=site.seen | {"host1": replace(seen, containers=containers)})


RESERVED = "warning: network shop keeps 10.77.0.9 free (--aux-address): a swarm may give them to containers"


def test_a_fleet_that_can_be_moved_is_told_only_what_a_swarm_can_not_have():
    assert told(movers().site()) == [RESERVED]


NETWORKS = [
    (
        {"name": "ingress"},
        "error: network ingress has a name that every swarm has for itself -> containers have to be on "
        "one with "
        "another name",
    ),
    (
        {"driver": "weave"},
        "error: network n has the driver weave, which is none of Docker's own -> its plugin's papers "
        "may know how",
    ),
    (
        {"ipam": "infoblox"},
        "error: network n gets its addresses from infoblox, which is none of Docker's own -> remove it, "
        "or its "
        "driver",
    ),
    (
        {"ipv6": True},
        "error: network n has IPv6, which no overlay of a swarm carries -> make it anew without --ipv6",
    ),
    (
        {"options": {"encrypted": ""}},
        "error: network n is encrypted: no container could join it so far -> remove it, and make it "
        "behind the "
        "move",
    ),
    (
        {"name": "overweave", "id": "another"},
        "error: the store has several networks with the name overweave -> remove all but one of them: "
        "`docker "
        "network rm ID`",
    ),
]


@pytest.mark.parametrize(("changes", "error"), NETWORKS)
def test_a_network_that_no_swarm_can_have(changes, error):
    overlay = replace(Overlay("id of n", "n", "overlay", (Pool("10.5.0.0/24"),)), **changes)
    found = told(with_networks(movers().site(), overlay))
    assert sorted(found) == sorted([error, RESERVED])


def test_the_fleets_own_network_is_to_be_there():
    site = movers().site()
    seen = {n: replace(its, networks=its.networks[1:]) for n, its in site.seen.items()}
    assert (
        "error: the store has no network overweave -> `fab deploy-overlay` makes it, and proves it; or name "
        "another with --network"
    ) in told(replace(site, seen=seen))


def test_a_store_in_etcd_is_none_that_a_move_begins_at():
    site = movers().site()
    its = site.facts.hosts["host2"]
    arguments = tuple(a.replace("=consul://", "=etcd://") for a in its.unit.arguments)
    unit = replace(its.unit, arguments=arguments)
    hosts = site.facts.hosts | {"host2": replace(its, unit=unit)}
    found = told(replace(site, facts=replace(site.facts, hosts=hosts)))
    assert (
        "host2: error: its engine has its store in etcd, and a move begins at one in Consul -> "
        "`fab destroy-overlay`, then `fab deploy-overlay --backend swarm`"
    ) in found


ENGINES = [
    (
        {"version": "1.12.6"},
        "host2: error: it has Docker 1.12.6, without attachable networks -> see `fab backends`",
    ),
    ({"live_restore": True}, "host2: error: it has live-restore, which forbids it -> see `fab backends`"),
    ({"running": False}, "host2: error: its engine is down -> `systemctl start docker`"),
    (
        {"member": Member("active", "n")},
        "host2: error: it is in a swarm already, and not by this move -> `docker swarm leave` if that is not "
        "needed, or leave the host out",
    ),
]


@pytest.mark.parametrize(("changes", "error"), ENGINES)
def test_an_engine_that_can_be_in_no_swarm(changes, error):
    assert error in told(with_engine(movers().site(), "host2", **changes))


def test_a_host_whose_flags_are_not_ours_or_that_has_none():
    its = movers()
    its.hosts["host2"].drop_in = ""
    assert (
        "host2: error: its engine has a cluster store that Overweave did not give it -> take the "
        "cluster flags "
        "out of its unit or daemon.json, then `fab deploy-overlay`"
    ) in told(its.site())
    its.hosts["host2"].flags = False
    assert (
        "host2: error: its engine has no cluster store -> `fab deploy-overlay` first, or leave it out "
        "and `fab "
        "add-host` it behind the move"
    ) in told(its.site())


def test_an_engine_that_is_not_named_would_lose_the_store():
    site = movers().site()
    store = replace(site.facts.store, nodes=site.facts.store.nodes | {"10.0.0.99:2376"})
    assert (
        "error: other engines use this store: 10.0.0.99:2376 -> name all hosts of the overlay: without "
        "the store "
        "theirs is gone too"
    ) in told(replace(site, facts=replace(site.facts, store=store)))


def test_containers_that_would_be_lost_or_look_for_the_old_network():
    site = with_container(movers().site(), "web", removes_itself=True, mode="id of overweave")
    assert told(site) == [
        RESERVED,
        "host1: error: container web removes itself when it stops (--rm) -> wait till it has ended, or "
        "run it "
        "without --rm",
        "host1: error: container web was made with the id of network overweave, not with its name: a "
        "new network "
        "of that name has another id -> make it anew with --network overweave",
    ]


def test_the_first_two_addresses_can_not_both_be_containers_own():
    its = movers()
    for number, name in ((128, "web"), (129, "job")):
        seats = {"shop": ["id of shop", {"IPAMConfig": {"IPv4Address": f"10.77.0.{number}"}}]}
        its.hosts["host1"].containers[name] = [True, "shop", seats]
    assert told(its.site())[1:] == [
        "error: containers have the first addresses of network shop as their own: 10.77.0.128, "
        "10.77.0.129: a "
        "swarm needs one of them for itself -> `docker network disconnect shop CONTAINER`, and connect "
        "it with "
        "another --ip"
    ]


def test_the_swarms_own_network_gets_a_range_that_is_nobodys():
    site = movers().site()
    assert pool(site) == ""
    taken = Overlay("id of n", "n", "overlay", (Pool("10.0.0.0/24", "10.0.0.1"), Pool("10.254.0.0/16")))
    assert pool(with_networks(site, taken)) == "10.253.0.0/16"
    of_its_own = deployed(moves.wanted(swarm={"pool": "172.30.0.0/16"}))
    assert pool(replace(site, fleet=of_its_own.fleet)) == "172.30.0.0/16"
