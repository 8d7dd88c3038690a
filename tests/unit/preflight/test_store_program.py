"""The hosts' own Consul, where the store is to run as a service."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of

from overweave.preflight.finding import Severity
from overweave.preflight.store_program import programs


def found(versions=None, *, without=(), **store):
    site = Site(inventory_of(3, store={"run_as": "service", "servers": 3} | store))
    for name in without:
        site.boxes[name].service = {"program": ""}
    facts = replace(site.facts(), programs=dict(zip(site.boxes, versions or (), strict=False)))
    return programs(site.fleet, facts)


def test_a_host_without_it_is_refused():
    (its,) = found(without=["host2"])
    assert str(its.refusal()) == (
        "host2: there is no program consul, and the store is to run as a service\n"
        "  -> `apt-get install consul`, or remove `run_as: service` from the inventory"
    )


def test_only_hosts_that_run_it_need_it():
    assert found(without=["host2", "host3"], servers=1) == []
    assert found(without=["host2"], run_as="container") == []


@pytest.mark.parametrize(
    ("versions", "severity", "seen"),
    [
        (("1.8.7", "1.8.7", "1.8.19"), None, ""),
        (("1.8.7", "", ""), None, ""),
        (
            ("1.10.1", "1.8.7", "1.8.7"),
            Severity.WARNING,
            "hosts have Consul 1.8.7 (host2, host3), 1.10.1 (host1)",
        ),
        (
            ("1.8.7", "1.8.7", "1.11.0"),
            Severity.ERROR,
            "hosts have Consul 1.8.7 (host1, host2), 1.11.0 (host3)",
        ),
        (
            ("1.21.0", "2.0.0", "2.0.0"),
            Severity.ERROR,
            "hosts have Consul 1.21.0 (host1), 2.0.0 (host2, host3)",
        ),
    ],
)
def test_versions_that_are_apart(versions, severity, seen):
    its = [(f.severity, f.seen) for f in found(versions)]
    assert its == ([(severity, seen)] if severity else [])
