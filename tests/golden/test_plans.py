"""Scenarios as data: a site, what happened to it, and the plan that follows, line by line.

``OVERWEAVE_GOLDEN=write pytest tests/golden`` writes what is planned now; read the difference before you
commit it.
"""

from __future__ import annotations

import json
import os
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave import pipeline
from overweave.errors import FleetError, OverweaveError
from overweave.plan import plan
from overweave.preflight import store
from overweave.preflight.finding import refusals
from overweave.steps import RestartEngine
from overweave.teardown import forget, teardown

from .site import Site, inventory_of, lines

SCENARIOS = sorted(Path(__file__).parent.glob("*.json"))
ROUNDS = 3


def deployed(wanted=None):
    return deepcopy(_deployed(json.dumps(wanted or inventory_of(3))))


@cache
def _deployed(wanted):
    site = Site(json.loads(wanted))
    deploy(site)
    return site


def deploy(site, hosts=None):
    """On all of a site's hosts, or on the first of them."""
    wanted = site.wanted
    site.wanted = wanted | {"hosts": dict(list(wanted["hosts"].items())[:hosts])}
    site.carry_out(plan(site.fleet, site.facts()))
    site.wanted = wanted


def change(site, changes):
    """``{"host1": {"running": false}}`` sets a box; ``site`` sets the site, ``inventory`` what is wanted.

    A mapping is added to the one that is there: null takes a key away, "stopped" stops a container.
    """
    for where, values in changes.items():
        if where == "inventory":
            site.wanted = site.wanted | values
            continue
        thing = site if where == "site" else site.boxes[where]
        for key, value in values.items():
            assert hasattr(thing, key), f"{where} has no {key}"
            now = getattr(thing, key)
            if isinstance(now, dict):
                value = {k: [now[k][0], False, now[k][2]] if v == "stopped" else v for k, v in value.items()}
                value = {k: v for k, v in {**now, **value}.items() if v is not None}
            setattr(thing, key, value)


def outcome(scenario):
    base = inventory_of(scenario.get("hosts", 3), **scenario.get("inventory", {}))
    site = Site(base)
    change(site, scenario.get("before", {}))
    if scenario["start"] == "deployed":
        deploy(site, scenario.get("deployed_hosts"))
    change(site, scenario.get("changes", {}))
    fleet, facts = site.fleet, site.facts()
    task = scenario.get("task", "deploy")
    try:
        if task == "deploy":
            return list(lines(plan(fleet, facts, replace_network=scenario.get("replace_network", False))))
        assert task == "destroy"
        if fleet.in_swarm:
            return list(lines(destruction(site)))
        return [*lines(teardown(fleet, facts)), *lines(forget(fleet, facts))]
    except FleetError as e:
        return [f"refused: {line}" for error in e.failures for line in str(error).splitlines()]
    except OverweaveError as e:
        return [f"refused: {line}" for line in str(e).splitlines()]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path):
    scenario = json.loads(path.read_text())
    found = outcome(scenario)
    if os.environ.get("OVERWEAVE_GOLDEN") == "write":
        path.write_text(json.dumps(scenario | {"plan": found}, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())["plan"]


def settle(site):
    """Plan and carry out until nothing is left. Returns the plans."""
    plans = []
    while left := plan(site.fleet, site.facts(), replace_network=True):
        plans.append(left)
        assert len(plans) <= ROUNDS, [list(lines(p)) for p in plans]
        site.carry_out(left)
    return plans


@pytest.mark.parametrize(("count", "servers"), [(1, 1), (2, 1), (3, None), (3, 3), (5, 3), (25, 5)])
def test_one_plan_deploys_a_clean_site_and_nothing_is_left_to_do(count, servers):
    site = Site(with_servers(count, servers))
    assert len(settle(site)) == 1


def test_files_that_let_agents_and_engines_in_are_there_before_who_reads_them():
    site = deployed()
    for box in site.boxes.values():
        box.secret_files = {}
        box.containers["app"] = ["busybox:1.36", True, {}]
    site.granted, site.issued = False, {}
    settle(site)


@pytest.mark.parametrize(("count", "servers"), [(1, 1), (3, 1), (3, 3), (5, 3)])
def test_one_plan_deploys_a_store_that_runs_as_services(count, servers):
    site = Site(inventory_of(count, store={"run_as": "service", "servers": servers}))
    assert len(settle(site)) == 1


@pytest.mark.parametrize("servers", [1, 3])
def test_one_plan_moves_a_store_to_its_other_form_and_back(servers):
    forms = ({"image": "consul:1.8.7", "servers": servers}, {"run_as": "service", "servers": servers})
    site = deployed(inventory_of(5, store=forms[0]))
    for wanted in reversed(forms):
        site.wanted = site.wanted | {"store": wanted}
        (made,) = settle(site)
        assert not any(isinstance(step, RestartEngine) for step in made.steps)
        assert ("consul:1.8.7" in site.boxes["host1"].images) == ("image" in wanted)


IN_A_SWARM = {"backend": "swarm", "store": {}}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 11])
def test_one_plan_deploys_a_swarm_on_a_clean_site_and_restarts_no_engine(count):
    site = Site(inventory_of(count, **IN_A_SWARM))
    (made,) = settle(site)
    assert not any(isinstance(step, RestartEngine) for step in made.steps)


def begun(site, host):
    """A swarm that somebody else has begun on one host, as it was before any deployment."""
    box = site.boxes[host]
    site.nodes = {"n1": {"name": box.hostname, "role": "manager"}}
    box.member = {"state": "active", "node": "n1", "address": box.address, "manager": True}
    box.networks |= {"docker_gwbridge": []}
    site.shared = {"ingress": ["overlay", "swarm", ["10.0.0.0/24"], {}, False]}


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("of", ["", "host1", "last"])
def test_a_teardown_leaves_hosts_as_they_were_in_a_swarm_or_without_one(count, of):
    site = Site(inventory_of(count, **IN_A_SWARM))
    if of:
        begun(site, f"host{count}" if of == "last" else of)
    before, nodes = site.facts(), dict(site.nodes)
    settle(site)
    assert site.facts() != before
    site.carry_out(destruction(site))
    assert (site.facts(), site.nodes) == (before, nodes)
    assert not destruction(site)


def destruction(site):
    return pipeline.make_teardown(SimpleNamespace(fleet=site.fleet), site.facts())


@pytest.mark.parametrize(("first", "then"), [(1, 3), (1, 5), (3, 1), (3, 5), (5, 3)])
def test_managers_are_added_and_taken_away_and_the_swarm_has_a_majority_all_the_time(first, then):
    site = deployed(inventory_of(6, **IN_A_SWARM, swarm={"managers": first}))
    site.wanted = site.wanted | {"swarm": {"managers": then}}
    settle(site)
    assert [its["role"] for its in site.nodes.values()].count("manager") == then


@given(
    st.dictionaries(
        st.sampled_from(["down", "no images", "no anchor", "anchor stopped", "probe left", "user container"]),
        st.sets(st.sampled_from(["host1", "host2", "host3"]), min_size=1, max_size=2),
    ),
    st.sampled_from(["", "network gone", "network differs", "clean"]),
    st.sampled_from([1, 3]),
)
def test_a_few_plans_mend_a_swarm_and_then_nothing_is_left_to_do(damages, more, managers):
    wanted = inventory_of(3, **IN_A_SWARM, swarm={"managers": managers})
    site = Site(wanted) if more == "clean" else deployed(wanted)
    for what, hosts in damages.items():
        # While no manager runs, nobody knows what to do.
        few = hosts - {"host1"} if managers == 1 else sorted(hosts)[:1]
        for name in sorted(few if what == "down" and more != "clean" else hosts):
            damage(site, what, site.boxes[name])
    if more == "network gone":
        site.shared = {n: its for n, its in site.shared.items() if n != "overweave"}
    elif more == "network differs":
        site.shared["overweave"] = ["overlay", "swarm", ["10.99.0.0/16"], {}]
    settle(site)
    users = [name for box in site.boxes.values() for name in box.containers if name == "web"]
    assert len(users) == len(damages.get("user container", ())), "what users run is never removed"


def with_servers(hosts, servers):
    wanted = inventory_of(hosts)
    return wanted | {"store": wanted["store"] | {"servers": servers}}


DAMAGE = st.dictionaries(
    st.sampled_from(
        [
            "down", "flags lost", "drop-in lost", "drop-in changed", "unregistered", "silent", "stray",
            "no images", "no anchor", "anchor stopped", "probe left", "user container",
        ]
    ),
    st.sets(st.sampled_from(["host1", "host2", "host3"]), min_size=1),
)  # fmt: skip


def damage(site, what, box):
    anchors = [n for n in box.containers if n.startswith("overweave-anchor")]
    match what:
        case "down":
            box.running = False
        case "flags lost":
            box.arguments = box.arguments[:3]
        case "drop-in lost":
            box.drop_in = ""
        case "drop-in changed":
            box.drop_in += "# edited\n"
        case "unregistered":
            box.registered = False
        case "silent":
            box.gossips = False
        case "stray":
            box.stray_threads = 2
        case "no images":
            box.images = []
        case "no anchor":
            for name in anchors:
                del box.containers[name]
        case "anchor stopped":
            for name in anchors:
                box.containers[name][1] = False
        case "probe left":
            box.containers["overweave-probe-1"] = ["busybox:1.36", True, {"io.overweave.probe": "1"}]
        case "user container":
            box.containers["web"] = ["nginx", True, {}]


@pytest.mark.parametrize("is_gone", [False, True])
def test_an_engine_that_is_down_is_not_waited_for_with_a_server_that_may_be_gone(is_gone):
    wanted = with_servers(3, 3)
    site = deployed(wanted)
    box = site.boxes["host1"]
    box.running = False
    if is_gone:
        del box.containers["consul"]
    else:
        box.containers["consul"][1] = False
    assert len(settle(site)) > 1


@given(
    DAMAGE,
    st.sampled_from(["", "store stopped", "store gone", "network gone", "network differs", "clean"]),
    st.sampled_from(
        [[["host1", "host2", "host3"]], [["host1"], ["host2", "host3"]], [["host1"], ["host2"], ["host3"]]]
    ),
    st.sampled_from([1, 3]),
)
def test_whatever_was_broken_a_few_plans_mend_it_and_then_nothing_is_left_to_do(
    damages, more, islands, servers
):
    wanted = with_servers(3, servers)
    site = Site(wanted) if more == "clean" else deployed(wanted)
    site.islands = islands
    for what, hosts in damages.items():
        for name in sorted(hosts):
            damage(site, what, site.boxes[name])
    store = site.boxes["host1"].containers
    if more == "store stopped":
        store["consul"][1] = False
    elif more == "store gone":
        del store["consul"]
    elif more == "network gone":
        site.shared = {}
    elif more == "network differs":
        site.shared["overweave"] = ("overlay", "global", ["10.99.0.0/16"], {})
    settle(site)
    users = [name for box in site.boxes.values() for name in box.containers if name == "web"]
    assert len(users) == len(damages.get("user container", ())), "what users run is never removed"


@pytest.mark.parametrize(
    ("box", "network"),
    [("host1", {}), ("host1", {"overweave": ["10.211.0.0/16"]}), ("host2", {"overweave": ["10.211.0.0/16"]})],
)
def test_after_a_replacement_nothing_is_refused_any_more(box, network):
    """`deploy` plans again without --replace-network: a refusal then would come after changes."""
    site = deployed()
    site.shared = {} if network else {"overweave": ("overlay", "global", ["10.99.0.0/16"], {})}
    site.boxes[box].networks |= network
    for other in site.boxes.values():
        other.containers = {n: c for n, c in other.containers.items() if n == "consul"}
    site.carry_out(plan(site.fleet, site.facts(), replace_network=True))
    assert not plan(site.fleet, site.facts())


def test_what_was_there_is_not_noted_while_nobody_can_say_what_was_there():
    """Else a teardown takes away images and networks that the host had before."""
    site = Site()
    site.boxes["host2"].images = ["busybox:1.36"]
    site.boxes["host2"].running = False
    site.carry_out(plan(site.fleet, site.facts()))
    settle(site)
    assert site.boxes["host2"].before.images == {"busybox:1.36"}
    assert "bridge" in site.boxes["host2"].before.networks


def test_a_folder_that_the_first_of_two_plans_made_is_not_noted_as_the_hosts_own():
    """Else a teardown leaves it behind, empty."""
    site = Site()
    site.boxes["host1"].running = False
    settle(site)
    assert site.boxes["host1"].before.drop_in_folder is False


def test_several_refusals_are_one_error_that_says_all_of_them():
    site = Site()
    site.boxes["host2"].member = {"state": "active"}
    site.wanted["backend"] = "consul"
    site.boxes["host2"].hostname = site.boxes["host1"].hostname
    with pytest.raises(FleetError) as caught:
        plan(site.fleet, site.facts())
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "host2: the engine is in swarm mode, which forbids a cluster store\n"
        "  -> `--backend swarm` uses it; `docker swarm leave` if it is not needed\n"
        "host1 and host2 both call themselves 'host1': gossip goes by host names\n"
        "  -> give each its own with `hostnamectl set-hostname NAME` (docker/classicswarm#1573)"
    )


def test_hosts_whose_addresses_are_all_refused_are_refused_and_no_crash():
    site = deployed()
    site.wanted = site.wanted | {
        "hosts": {n: h | {"advertise": "eth9"} for n, h in site.wanted["hosts"].items()}
    }
    with pytest.raises(FleetError, match=r"^host1: there is no interface eth9\n  -> it has: eth0\nhost2: "):
        plan(site.fleet, site.facts())


def test_a_teardown_of_a_part_of_an_overlay_names_who_would_lose_it():
    site = deployed()
    nodes = frozenset({"10.0.0.11:2376", "10.0.0.12:2376"})
    assert store.others(site.facts(), frozenset()) == [], "each is known by what its engine announces"
    site.wanted = site.wanted | {"hosts": {n: site.wanted["hosts"][n] for n in ("host1", "host2")}}
    assert [str(e) for e in refusals(store.others(site.facts(), nodes))] == [
        "other engines use this store: 10.0.0.13:2376\n"
        "  -> name all hosts of the overlay: without the store theirs is gone too"
    ]
    assert store.others(site.facts(), nodes | {"10.0.0.13:2376"}) == []
    assert store.others(Site().facts(), frozenset()) == []


def test_a_teardown_leaves_a_site_as_it_was():
    site = Site()
    site.boxes["host2"].images = ["busybox:1.36", "nginx:1"]
    site.boxes["host3"].drop_in_folder = True
    before = site.facts()
    site.carry_out(plan(site.fleet, before))
    assert site.facts() != before
    facts = site.facts()
    site.carry_out(teardown(site.fleet, facts))
    site.carry_out(forget(site.fleet, facts))
    for box in site.boxes.values():
        assert box.started == 3
        box.started = 1
        box.registered = box.gossips = True
    assert site.facts() == before
    assert not teardown(site.fleet, site.facts())
    assert not forget(site.fleet, site.facts())
