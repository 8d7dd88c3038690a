"""The store learns who may use it."""

from __future__ import annotations

import pytest
from tests.contract.fakes import MANAGEMENT
from tests.unit.test_apply import Hosts, error_of

from overweave.apply.store_access import SECONDS
from overweave.command import Secret
from overweave.credentials import AGENT_RULES, ENGINE_RULES, Credentials
from overweave.errors import DeadlineExceeded
from overweave.steps import GrantAccess

ALL = Credentials(Secret("key"), Secret("of-agents"), Secret("of-engines"), MANAGEMENT)


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def test_agents_and_engines_are_let_in_and_gossip_with_the_fleets_key(hosts):
    for _ in range(2):
        hosts.do(GrantAccess("a", "why", ALL))
    assert hosts.store.admits(ALL.agent)
    assert hosts.store.admits(ALL.engine)
    assert hosts.store.key == ALL.gossip


def test_a_store_that_does_not_know_its_management_token_is_told(hosts):
    other = Credentials(ALL.gossip, ALL.agent, ALL.engine, Secret("another"))
    assert error_of(lambda: hosts.do(GrantAccess("a", "why", other)), DeadlineExceeded) == (
        f"a: the store does not know its management token: not within {SECONDS:g} s\n"
        "  -> see `docker logs consul` on its host"
    )
    assert not hosts.store.admits(ALL.agent)


def test_an_engine_may_do_no_more_than_it_does(hosts):
    assert "docker/" in ENGINE_RULES
    assert "key" not in AGENT_RULES
