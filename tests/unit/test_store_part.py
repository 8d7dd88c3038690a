"""Is a host's part of the store there, does it run, and by which steps does it come and go?"""

from __future__ import annotations

import pytest
from tests.golden.site import Box
from tests.golden.test_plans import deployed, inventory_of

from overweave import store_form, store_part
from overweave.model import CONTAINER, SERVICE, SPEC_LABEL
from overweave.steps import RemoveContainer, RemoveService, RemoveVolume
from overweave.store_part import Part

UNIT = {"program": "/usr/bin/consul", "unit": "[Unit]\n", "enabled": True, "data": True}
RUNS = UNIT | {"running": True, "made_from": "d"}
OURS = {"consul": ["consul:1", True, {SPEC_LABEL: "c"}]}
STOPPED = {"consul": ["consul:1", False, {SPEC_LABEL: "c"}]}
THEIRS = {"consul": ["consul:2", True, {}]}
AS_SERVICE = "overweave-consul.service"


ETCD = {"etcd": ["etcd:3", True, {SPEC_LABEL: "e"}]}


def host(**what):
    return Box("host1", "10.0.0.11", **what).facts({})


@pytest.mark.parametrize(
    ("what", "part"),
    [
        ({}, None),
        ({"containers": OURS}, Part(CONTAINER, True, True, "c", "consul:1", "consul")),
        ({"containers": THEIRS}, Part(CONTAINER, True, False, "", "consul:2", "consul")),
        ({"service": RUNS}, Part(SERVICE, True, True, "d", AS_SERVICE)),
        ({"service": UNIT}, Part(SERVICE, False, True, "", AS_SERVICE)),
        ({"service": RUNS, "running": False}, Part(SERVICE, True, True, "d", AS_SERVICE)),
        ({"service": RUNS, "containers": STOPPED}, Part(SERVICE, True, True, "d", AS_SERVICE)),
        ({"service": UNIT, "containers": OURS}, Part(CONTAINER, True, True, "c", "consul:1", "consul")),
        ({"service": RUNS, "containers": THEIRS}, Part(SERVICE, True, True, "d", AS_SERVICE)),
        ({"service": UNIT, "containers": THEIRS}, Part(SERVICE, False, True, "", AS_SERVICE)),
        ({"containers": OURS, "running": False}, None),
        ({"containers": ETCD}, Part(CONTAINER, True, True, "e", "etcd:3", "etcd")),
        ({"containers": {"etcd": ["etcd:3", True, {}]}}, None),
    ],
)
def test_what_is_there(what, part):
    its = host(**what)
    assert store_part.there(its) == part
    assert store_part.ours(its) == (part if part and part.ours else None)
    assert store_part.runs(its) == bool(part and part.ours and part.running)


def test_a_folder_or_a_volume_is_data():
    assert not store_part.has_data(host())
    assert store_part.has_data(host(service=UNIT))
    assert store_part.has_data(host(volumes=["overweave-consul"]))


def test_all_of_both_forms_is_taken_away_and_nothing_of_others():
    its = deployed().boxes["host1"]
    its.service = UNIT
    assert [type(step) for step in store_form.remove(its.facts({}), "why")] == [
        RemoveService,
        RemoveContainer,
        RemoveVolume,
    ]
    assert store_form.remove(host(containers=THEIRS, volumes=["overweave-consul"]), "why") == []


def test_a_host_whose_engine_is_down_gets_no_service_while_it_may_have_a_container():
    """It would begin without data, beside a container that comes back with its engine."""
    site = deployed(inventory_of(3, store={"image": "consul:1.8.7", "servers": 1}))
    site.boxes["host1"].running = False
    site.wanted = site.wanted | {"store": {"run_as": "service", "servers": 1}}
    from overweave.plan import plan

    kinds = {type(step).__name__ for step in plan(site.fleet, site.facts()).steps}
    assert "RestartEngine" in kinds
    assert not kinds & {"RunService", "MoveStore"}
