"""That a swarm's overlay was proven is noted on its hosts, in real shells."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.contract.fakes import FakeHost
from tests.golden.site import inventory_of
from tests.golden.test_plans import deployed

from overweave import proving
from overweave.errors import Refused
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.prove.choice import choose


@pytest.fixture
def swarm(tmp_path):
    """A session's part of which proving makes use, and the facts of its fleet."""
    site = deployed(inventory_of(3, backend="swarm", store={}))
    hosts = {n: FakeHost(Host(n, Access(b.address)), tmp_path / n) for n, b in site.boxes.items()}
    return SimpleNamespace(fleet=site.fleet, hosts=hosts, cancel=Cancel()), site


def note(session, facts):
    proving._note(session, proving.fingerprint(session, facts).encode())


@pytest.mark.parametrize(("leader", "what"), [(None, "does not answer"), ("", "has no leader")])
def test_while_the_store_is_away_nobody_says_that_the_network_is_to_be_made(leader, what):
    """Engines list no network of a store without a leader; it is there again with one."""
    site = deployed(inventory_of(3))
    site.shared = {}
    facts = site.facts()
    store = None if leader is None else replace(facts.store, leader=leader)
    with pytest.raises(Refused) as caught:
        proving._place(SimpleNamespace(fleet=site.fleet), replace(facts, store=store), choose())
    assert str(caught.value) == (
        f"the store {what}, and engines show no overlay network without it: host1, host2, host3\n"
        "  -> `fab status` shows the store; `fab deploy-overlay` starts it; running containers go on"
    )


def test_a_proof_is_remembered_and_forgotten_by_all_hosts(swarm):
    session, site = swarm
    facts = site.facts()
    assert not proving.noted(session, facts)
    note(session, facts)
    assert proving.noted(session, facts)
    for host in session.hosts.values():
        assert host.path(f"{proving.NOTES}/overweave").is_file()
    for _ in range(2):  # what is forgotten already is no error
        proving.forget(session)
        assert not proving.noted(session, facts)
    assert not any(host.path(proving.NOTES).exists() for host in session.hosts.values())


def test_a_proof_of_another_network_stays(swarm):
    session, site = swarm
    other = session.hosts["host1"].path(f"{proving.NOTES}/other")
    note(session, site.facts())
    other.write_text("x")
    proving.forget(session)
    assert other.read_text() == "x"


@pytest.mark.parametrize("content", [None, "", "of another state", "\xff" * 300])
def test_it_was_proven_only_where_every_host_says_so_of_this_very_state(swarm, content):
    session, site = swarm
    note(session, site.facts())
    path = session.hosts["host2"].path(f"{proving.NOTES}/overweave")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert not proving.noted(session, site.facts())


def test_a_host_that_does_not_say_so_has_no_proof(swarm):
    session, site = swarm
    note(session, site.facts())
    session.hosts["host2"].gone = True
    assert not proving.noted(session, site.facts())


def test_a_proof_is_of_the_hosts_as_they_were(swarm):
    session, site = swarm
    note(session, site.facts())
    site.boxes["host3"].started += 1
    assert not proving.noted(session, site.facts())
