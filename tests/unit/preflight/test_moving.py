"""While hosts are on their way to a swarm nothing else may change the fleet."""

from __future__ import annotations

from dataclasses import replace

from tests.golden.test_plans import deployed

from overweave.preflight.everything import findings
from overweave.preflight.moving import under_way


def test_a_move_that_is_under_way_forbids_a_deployment_and_is_told_with_all_ways_on():
    site = deployed()
    facts = site.facts()
    assert under_way(site.fleet, facts) == []
    hosts = {n: replace(its, moving=n != "host1") for n, its in facts.hosts.items()}
    moving = replace(facts, hosts=hosts)
    (found,) = under_way(site.fleet, moving)
    assert found in findings(site.fleet, moving)
    assert str(found.refusal()) == (
        "a move to a swarm is under way: host2, host3\n"
        "  -> `fab migrate --to swarm` goes on with it, `--finish` ends it, `--to consul` leads back"
    )
