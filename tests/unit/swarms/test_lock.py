"""Managers that wait for the swarm's unlock key: who can open them, and what is said where nobody can."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of, lines
from tests.golden.test_plans import deployed

from overweave.backends.swarm import deployment
from overweave.command import Secret
from overweave.errors import Refused
from overweave.facts.swarm import Cluster
from overweave.steps import ChangeAutolock
from overweave.swarms import lock

ALL = ("host1", "host2", "host3")


@pytest.fixture
def site():
    return deployed(inventory_of(3, backend="swarm", store={}, swarm={"managers": 3}))


def facts_of(site, *waiting, autolock=True):
    for name in waiting:
        site.boxes[name].member = {"state": "locked"}
    facts = site.facts()
    if facts.swarm is None:
        return facts
    return replace(facts, swarm=replace(facts.swarm, cluster=Cluster(autolock=autolock)))


def refused(make, *given):
    with pytest.raises(Refused) as caught:
        make(*given)
    return str(caught.value)


def test_one_that_is_not_locked_tells_the_key(site):
    facts = facts_of(site, "host1")
    assert lock.locked(site.fleet, facts) == ["host1"]
    assert list(lines(lock.unlocking(site.fleet, facts))) == [
        "-- locked managers",
        "host1: unlock its manager with the key that host2 knows (it was locked since its engine started)",
    ]


def test_where_all_are_locked_a_key_that_was_kept_opens_them(site):
    facts = facts_of(site, *ALL)
    assert refused(lock.unlocking, site.fleet, facts) == (
        "the managers on host1, host2, host3 are locked, and no other one here can tell their key\n"
        "  -> `fab unlock-swarm --key FILE` with the key that was kept; or name one that is not locked"
    )
    made = lock.unlocking(site.fleet, facts, Secret("SWMKEY-1-x"))
    assert [(s.host, s.via, s.key.reveal()) for s in made.steps] == [(n, "", "SWMKEY-1-x") for n in ALL]
    assert "SWMKEY" not in f"{made} {made.digest}"


def test_where_none_is_locked_nothing_is_to_be_done(site):
    assert not lock.unlocking(site.fleet, facts_of(site))
    assert not lock.unlocking(site.fleet, facts_of(site), Secret("SWMKEY-1-x"))


def test_who_knows_the_key(site):
    assert lock.knower(site.fleet, facts_of(site, "host1")) == "host2"
    assert list(lines(lock.renewing(site.fleet, facts_of(site)))) == [
        "-- key",
        "host2: make the unlock key of the swarm anew (it was asked for)",
    ]
    assert refused(lock.knower, site.fleet, facts_of(site, autolock=False)) == (
        "managers of this swarm don't lock themselves: there is no unlock key\n"
        "  -> `swarm: autolock: true` in the inventory, and `fab deploy-overlay`"
    )
    assert refused(lock.knower, site.fleet, facts_of(site, *ALL)) == (
        "the managers on host1, host2, host3 are locked, and no other one is here\n"
        "  -> name a manager that is not locked, too: only such a one tells the key"
    )


@pytest.mark.parametrize(
    ("wanted", "now", "step"),
    [
        (None, False, None),
        (None, True, None),
        (True, True, None),
        (False, False, None),
        (True, False, "have managers of the swarm wait for its unlock key when they start"),
        (False, True, "let managers of the swarm start without a key"),
    ],
)
def test_a_deployment_makes_of_it_what_the_inventory_says(site, wanted, now, step):
    if wanted is not None:
        site.wanted = site.wanted | {"swarm": {"managers": 3, "autolock": wanted}}
    made = deployment(site.fleet, facts_of(site, autolock=now))
    assert [(str(s), s.host) for s in made.steps] == ([(step, "host1")] if step else [])


def test_a_swarm_that_is_begun_locks_its_managers_at_once():
    made = Site(inventory_of(3, backend="swarm", store={}, swarm={"autolock": True}))
    plan = deployment(made.fleet, made.facts())
    (step,) = (s for s in plan.steps if isinstance(s, ChangeAutolock))
    assert (step.host, step.on, step.why) == ("host1", True, "keep that: `fab swarm-unlock-key FILE`")
