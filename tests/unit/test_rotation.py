"""Plans that change the key of the store's gossip, and the authority of its certificates; and when there is
none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.golden.site import CREDENTIALS, NOW, Site, inventory_of
from tests.golden.test_plans import deployed, with_servers

from overweave.certificates import issued_by, new_authority, parse
from overweave.errors import Refused
from overweave.model import Batch
from overweave.pipeline import ROUNDS
from overweave.plan import plan
from overweave.rotation import gossip_key, refuse_part
from overweave.steps import GrantAccess, RestartEngine, RunContainer, WriteSecret
from overweave.stores.consul import SECRETS, TLS


def planned(site, **store):
    facts = site.facts()
    return gossip_key(
        site.fleet, replace(facts, store=replace(facts.store, **store) if store else facts.store)
    )


def test_agents_learn_a_new_key_and_then_their_files_have_it():
    site = deployed()
    grant, *files = planned(site).steps
    assert isinstance(grant, GrantAccess)
    assert grant.credentials.gossip != CREDENTIALS.gossip
    assert replace(grant.credentials, gossip=CREDENTIALS.gossip) == CREDENTIALS
    assert all(isinstance(step, WriteSecret) and step.there and step.path == SECRETS for step in files)
    assert [step.host for step in files] == [*site.fleet.agents]
    assert all(grant.credentials.gossip.reveal() in step.content.reveal() for step in files)


@pytest.mark.parametrize(
    ("site", "store", "text"),
    [
        (Site, {}, "the store has no leader: its agents can't be told\n  -> see `fab store-status`"),
        (
            deployed,
            {"leader": ""},
            "the store has no leader: its agents can't be told\n  -> see `fab store-status`",
        ),
        (deployed, {"admits": False}, "the store has no key yet\n  -> `fab deploy-overlay` gives it one"),
    ],
)
def test_a_store_that_can_not_be_told_is_refused(site, store, text):
    with pytest.raises(Refused) as caught:
        planned(site(), **store)
    assert str(caught.value) == text


def held(site, host):
    return parse(site.boxes[host].secret_files[TLS].reveal())


def knows(site, one, other, *, read=None):
    """Whether a host trusts what another one shows. ``read``: what it has in memory, if not its file."""
    shown = held(site, other).certificate
    return any(issued_by(shown, authority) for authority in (read or held(site, one)).trusted)


def rotated(site, batch=None):
    """Hosts that restart, by round. After every stage all agents know each other, and engines the store."""
    site.taking_over = new_authority(NOW + timedelta(minutes=1))
    names = site.fleet.names
    read = {name: held(site, name) for name in names}
    rounds = []
    while made := plan(site.fleet, site.facts(), **({"batch": batch} if batch else {})):
        assert len(rounds) < ROUNDS
        assert not [step for step in made.steps if isinstance(step, RunContainer)]
        rounds.append([])
        for stage in made.stages:
            for step in stage.steps:
                site._do(step)
                if isinstance(step, RestartEngine):
                    rounds[-1].append(step.host)
                    read[step.host] = held(site, step.host)
            assert all(knows(site, a, b) for a in names for b in names), stage.title
            if site.fleet.https:
                at = {name: site.fleet.servers[0] if len(site.fleet.servers) == 1 else name for name in names}
                assert all(knows(site, name, at[name], read=read[name]) for name in names), stage.title
    assert {its.trusted for its in (held(site, name) for name in names)} == {(site.taking_over.certificate,)}
    return rounds


def test_with_several_servers_nothing_restarts():
    assert rotated(deployed(with_servers(5, 3))) == [[], [], []]


def test_with_one_server_its_host_restarts_last():
    assert rotated(deployed()) == [[], ["host2", "host3"], ["host1"], []]
    assert rotated(deployed(), Batch(1)) == [[], ["host2", "host3"], ["host1"], []]


def test_with_https_on_loopback_each_engine_restarts_with_its_agents_new_certificate():
    wanted = with_servers(4, 3)
    wanted["store"] = wanted["store"] | {"tls": True}
    found = rotated(deployed(wanted), Batch(1))
    assert [sorted(hosts) for hosts in found] == [[], ["host1", "host2", "host3", "host4"], []]


def test_one_that_was_broken_off_is_gone_on_with_by_a_deployment():
    site = deployed()
    site.taking_over = new_authority(NOW + timedelta(minutes=1))
    new = site.taking_over.certificate
    for step in plan(site.fleet, site.facts()).steps[:2]:
        site._do(step)
    site.taking_over = None
    while made := plan(site.fleet, site.facts()):
        site.carry_out(made)
    assert {held(site, name).trusted for name in site.fleet.names} == {(new,)}


def without_files(site):
    for box in site.boxes.values():
        del box.secret_files[TLS]
    return site


def part(site):
    site.wanted = site.wanted | {"hosts": {n: its for n, its in site.wanted["hosts"].items() if n != "host3"}}
    return site


@pytest.mark.parametrize(
    ("site", "text"),
    [
        (lambda: Site(), "the store has no leader: its agents can't be changed\n  -> see `fab store-status`"),
        (
            lambda: without_files(deployed()),
            "no certificate of the store's is on host1, host2, host3\n"
            "  -> `fab deploy-overlay` gives each host one",
        ),
        (
            lambda: part(deployed()),
            "other engines use this store: 10.0.0.13:2376\n"
            "  -> name all hosts of the overlay: the others would know nobody any more",
        ),
        (
            lambda: Site(inventory_of(3, store={"external": "10.9.0.9:8500"})),
            "the store at 10.9.0.9:8500 is somebody else's\n  -> who runs it has its certificates",
        ),
    ],
    ids=["no store", "an earlier version's", "a part of the fleet", "external"],
)
def test_certificates_that_are_not_there_or_not_ours_are_not_changed(site, text):
    its = site()
    with pytest.raises(Refused) as caught:
        refuse_part(its.fleet, its.facts())
    assert str(caught.value) == text
