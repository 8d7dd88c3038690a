"""What may stop a change of some hosts only, and what it may do to the others."""

from __future__ import annotations

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import deployed

from overweave import narrow
from overweave.errors import OverweaveError
from overweave.plan import plan
from overweave.preflight.finding import Severity, error, note
from overweave.steps import InstallUnit

NEW = ("host4",)


def grown(**inventory):
    """Three hosts with the overlay, and a fourth that the inventory names by now."""
    site = deployed(inventory_of(3))
    wanted = inventory_of(4) | inventory
    more = Site(wanted)
    for name, box in site.boxes.items():
        more.boxes[name] = box
    more.shared, more.granted = site.shared, site.granted
    return more


def refused(site):
    with pytest.raises(OverweaveError) as caught:
        plan(site.fleet, site.facts(), about=NEW)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_findings_about_others_are_warnings_and_all_else_stays():
    found = [
        error("a", "seen", host="host1"),
        error("b", "seen", host="host1", peer="host2"),
        error("c", "seen", host="host4"),
        error("d", "seen", host="host1", peer="host4"),
        error("e", "seen", host="host4", peer="host1"),
        error("f", "seen"),
        note("g", "seen", host="host1"),
    ]
    assert [(f.check, f.severity) for f in narrow.findings(found, NEW)] == [
        ("a", Severity.WARNING),
        ("b", Severity.WARNING),
        ("c", Severity.ERROR),
        ("d", Severity.ERROR),
        ("e", Severity.ERROR),
        ("f", Severity.ERROR),
        ("g", Severity.NOTE),
    ]


def test_a_host_is_added_and_the_others_get_nothing_but_its_address():
    site = grown()
    made = plan(site.fleet, site.facts(), about=NEW)
    others = [step for step in made.steps if step.host not in (*NEW, "")]
    assert [(type(s), s.host) for s in others] == [(InstallUnit, f"host{n}") for n in (1, 2, 3)]
    site.carry_out(made)
    assert [box.started for box in site.boxes.values()] == [2, 2, 2, 2]
    assert not plan(site.fleet, site.facts(), about=NEW)
    assert not plan(site.fleet, site.facts())


def test_what_is_wrong_with_another_host_does_not_stop_it_and_with_the_new_one_does():
    site = grown()
    site.boxes["host2"].daemon_json_error = "it is not JSON"
    assert plan(site.fleet, site.facts(), about=NEW)
    with pytest.raises(OverweaveError):
        plan(site.fleet, site.facts())
    site.boxes["host4"].member = {"state": "active"}
    assert refused(site).startswith("host4: the engine is in swarm mode")


def test_it_is_refused_where_another_engine_would_restart():
    site = grown()
    site.boxes["host2"].stray_threads = 3
    assert refused(site) == (
        "host2: another host would be changed: restart the engine (threads of it are stuck in a dead network "
        "namespace: 3 (moby#39036))\n"
        "  -> `fab deploy-overlay` brings the whole fleet in order, and says what restarts; then again"
    )


def test_it_is_refused_where_the_store_would_grow():
    site = grown(store={"image": "consul:1.8.7", "servers": 5}, hosts=inventory_of(5)["hosts"])
    said = refused(site)
    assert "host1: another host would be changed: change /etc/overweave/consul.json" in said


def test_a_probe_that_was_left_goes_whosever_host_it_is_on():
    site = grown()
    site.boxes["host1"].containers["overweave-probe-1"] = ["busybox:1.36", True, {"io.overweave.probe": "1"}]
    assert plan(site.fleet, site.facts(), about=NEW)
