"""Another authority for a swarm's certificates, and other join tokens: what forbids it, and the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of, lines
from tests.golden.test_plans import deployed

from overweave.errors import Refused
from overweave.facts.swarm import Cluster
from overweave.swarms.rotation import certificates, join_tokens


@pytest.fixture
def site():
    return deployed(inventory_of(3, backend="swarm", store={}))


def seen(site, *, nodes=None, **cluster):
    """Its facts, with a swarm that is another one in that."""
    facts = site.facts()
    its = {id_: replace(node, **(nodes or {}).get(id_, {})) for id_, node in facts.swarm.nodes.items()}
    return replace(facts, swarm=replace(facts.swarm, nodes=its, cluster=Cluster(**cluster)))


def refused(make, site, facts):
    with pytest.raises(Refused) as caught:
        make(site.fleet, facts)
    return str(caught.value)


def test_a_manager_gives_all_nodes_another_authority(site):
    assert list(lines(certificates(site.fleet, seen(site)))) == [
        "-- authority",
        "host1: give the swarm a new authority, and each of its 3 nodes a certificate of that "
        "(it was asked for)",
    ]


def test_one_that_is_on_its_way_is_gone_on_with(site):
    (step,) = certificates(site.fleet, seen(site, rotating=True)).steps
    assert step.why == "a new authority is on its way already"


def test_join_tokens_are_made_by_a_manager(site):
    assert list(lines(join_tokens(site.fleet, seen(site)))) == [
        "-- tokens",
        "host1: make the join tokens of the swarm anew (it was asked for)",
    ]


def test_nodes_that_could_get_no_certificate_forbid_it_and_not_another_token(site):
    facts = seen(site, nodes={"n2": {"state": "down"}, "n3": {"manager": "unreachable"}})
    assert refused(certificates, site, facts) == (
        "these nodes don't answer, and could get no certificate: host2, host3\n"
        "  -> start them, or take those away that are gone for good: `fab remove-host HOST --dead`"
    )
    assert join_tokens(site.fleet, facts)


def test_somebody_elses_authority_stays(site):
    assert refused(certificates, site, seen(site, external="https://ca.example")) == (
        "certificates of this swarm come from https://ca.example, and not from its managers\n"
        "  -> `docker swarm ca --rotate --external-ca … --ca-cert …` by who runs that"
    )


def test_an_engine_that_is_too_old_is_named(site):
    site.boxes["host2"].version = "17.03.2-ce"
    assert refused(certificates, site, seen(site)) == (
        "the engine of host2 can't take certificates of another authority\n"
        "  -> Docker 17.06 is the first that can"
    )


@pytest.mark.parametrize("make", [certificates, join_tokens])
def test_without_a_leader_nothing_is_changed(make, site):
    said = "the swarm has no leader: it can't be changed\n  -> `fab doctor` tells of managers"
    assert refused(make, site, replace(site.facts(), swarm=None)) == said
    facts = seen(site, nodes={"n1": {"leader": False}})
    assert refused(make, site, facts) == said


def test_a_fleet_of_workers_has_nobody_to_ask():
    made = Site(inventory_of(2, backend="swarm", store={}))
    assert refused(join_tokens, made, made.facts()).startswith("the swarm has no leader")
