"""A move to a swarm and back: the plan line by line, and what comes of one that is broken off anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overweave.moving.back import to_store
from overweave.moving.ended import ended
from overweave.moving.forth import to_swarm

from .moves import Movers, is_hold, wanted
from .site import lines
from .test_plans import deployed

FIXED = {"IPAMConfig": {"IPv4Address": "10.77.0.50"}, "Aliases": ["db"]}
CONTAINERS = {
    "host1": {"web": ("shop", {"shop": FIXED, "overweave": {}}), "job": ("bridge", {})},
    "host2": {"cache": ("overweave", {"overweave": {"Aliases": ["redis"]}}), "side": ("container:cache", {})},
    "host3": {"front": ("shop", {"shop": {}})},
}


def movers():
    its = Movers(deployed(wanted()), CONTAINERS)
    its.hosts["host3"].containers["front"][0] = False
    return its


def steps_of(turns):
    return [step for turn in turns for step in turn.plan.steps]


def told(turns):
    for turn in turns:
        yield f"== {turn.host or 'all hosts'}, stops {list(turn.stops)}, proves {list(turn.proves)}"
        yield from lines(turn.plan)


def check(name, found):
    path = Path(__file__).with_name(f"{name}.txt")
    text = "\n".join(found) + "\n"
    if os.environ.get("OVERWEAVE_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_the_plan_of_a_move_of_its_way_back_and_of_its_end():
    its = movers()
    turns = to_swarm(its.site())
    check("move-forth", told(turns))
    its.carry_out(steps_of(turns))
    assert to_swarm(its.site()) == ()
    check("move-back", told(to_store(its.site())))
    check("move-end", lines(ended(its.site())))


def in_swarm():
    its = movers()
    its.carry_out(steps_of(to_swarm(its.site())))
    return its


WHOLE = len(steps_of(to_swarm(movers().site())))
BACK = len(steps_of(to_store(in_swarm().site())))


def test_what_ran_runs_with_its_aliases_and_addresses_and_no_address_is_held_any_more():
    before, after = movers().hosts, in_swarm().hosts
    for host, its in after.items():
        for name, (ran, mode, seats) in its.containers.items():
            was = before[host].containers[name]
            assert (ran, mode, {n: settings for n, (_, settings) in seats.items()}) == (
                was[0],
                was[1],
                {n: settings for n, (_, settings) in was[2].items()},
            )
            assert all(id_ == f"swarm's {n}" for n, (id_, _) in seats.items())
        assert [name for name, (_, _, _, labels) in its.ours.items() if is_hold(labels)] == []


@pytest.mark.parametrize("number", range(WHOLE))
def test_broken_off_behind_any_step_it_goes_on_and_leads_back(number):
    its = movers()
    its.carry_out(steps_of(to_swarm(its.site()))[:number])
    its.carry_out(steps_of(to_swarm(its.site())))
    assert to_swarm(its.site()) == ()
    assert its.state() == in_swarm().state()
    its = movers()
    its.carry_out(steps_of(to_swarm(its.site()))[:number])
    its.carry_out(steps_of(to_store(its.site())))
    assert to_store(its.site()) == ()
    assert its.state() == movers().state()


@pytest.mark.parametrize("number", range(BACK))
def test_broken_off_on_its_way_back_it_goes_on_and_leads_forth_again(number):
    its = in_swarm()
    its.carry_out(steps_of(to_store(its.site()))[:number])
    its.carry_out(steps_of(to_store(its.site())))
    assert to_store(its.site()) == ()
    assert its.state() == movers().state()
    its = in_swarm()
    its.carry_out(steps_of(to_store(its.site()))[:number])
    its.carry_out(steps_of(to_swarm(its.site())))
    assert to_swarm(its.site()) == ()
