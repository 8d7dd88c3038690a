"""Who is asked for services."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.unit.doctor.swarmed import SwarmOverlay

from overweave import servicing
from overweave.errors import Refused
from overweave.facts.fleet import FleetFacts
from overweave.facts.swarm import SwarmFacts


@pytest.mark.parametrize("swarm", [None, SwarmFacts({})])
def test_without_a_leader_nobody_is(swarm):
    session = SimpleNamespace(fleet=SimpleNamespace(names=("a",)))
    with pytest.raises(Refused) as caught:
        servicing._manager(session, FleetFacts({}, swarm=swarm))
    assert caught.value.message == "no host here is a manager of the swarm that has a leader"
    assert caught.value.hint == "`fab status` shows the managers; name one with -H, too"


def test_a_manager_that_the_others_reach_is():
    overlay = SwarmOverlay()
    overlay.nodes[1] = {"manager": "unreachable"}
    overlay.nodes[2] = {"leader": True}
    session = SimpleNamespace(fleet=overlay.site.fleet)
    assert servicing._manager(session, overlay.live().fleet) == "host2"
