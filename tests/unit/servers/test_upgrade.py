"""Which Consul may follow which, and in which order the servers change."""

from __future__ import annotations

import pytest
from tests.golden.site import lines
from tests.unit.servers.standings import site, standing

from overweave.preflight.finding import Severity
from overweave.servers.upgrade import findings, forbidden, inventory_needs, numbers, of_tag, plan, said
from overweave.steps import RunContainer
from overweave.stores import consul

NEXT = "consul:next"


def with_next(**store):
    its = site(**store)
    its.wanted["images"]["archives"][NEXT] = "next.tar"
    return its


def told(its, image=NEXT, **how):
    found = findings(its.fleet, its.facts(), standing(its, **how), image)
    return [str(f.refusal()) for f in found if f.severity is Severity.ERROR]


def test_a_store_that_runs_as_services_is_upgraded_by_its_packages():
    its = site()
    its.wanted = its.wanted | {"store": {"run_as": "service", "servers": 3}}
    assert told(its) == [
        "the store runs as a service, of the hosts' own program: no image is of any use to it\n"
        "  -> `fab store-backup FILE`, `apt-get install --only-upgrade consul` on all hosts, and "
        "`fab deploy-overlay`, which restarts one server after the other"
    ]


@pytest.mark.parametrize(
    ("running", "new"),
    [
        ("1.8.7", "1.8.7"),
        ("1.8.7", "1.8.19"),
        ("1.8.7", "1.9.0"),
        ("1.8.7", "1.10.12"),
        ("1.15.4", "1.17.3+ent"),
        ("1.21.7", "2.0.1"),
        ("1.22.0", "2.0.0"),
    ],
)
def test_what_may_follow(running, new):
    assert forbidden([running], new) is None


INSTRUCTIONS = ": see Consul's upgrade instructions, and upgrade again from there"


@pytest.mark.parametrize(
    ("running", "new", "why", "hint"),
    [
        (
            "1.8.7",
            "1.11.0",
            "from Consul 1.8.7 to 1.11.0 is too far for one upgrade",
            "the last that may follow is 1.10",
        ),
        (
            "1.15.4",
            "2.0.0",
            "from Consul 1.15.4 to 2.0.0 is too far for one upgrade",
            "the last that may follow is 1.17",
        ),
        (
            "1.21.9",
            "2.1.0",
            "from Consul 1.21.9 to 2.1.0 is too far for one upgrade",
            "the next first number begins with 2.0",
        ),
    ],
)
def test_what_is_too_far(running, new, why, hint):
    assert str(forbidden([running], new)) == f"{why}\n  -> {hint}{INSTRUCTIONS}"


@pytest.mark.parametrize("new", ["1.8.6", "1.7.14", "0.9.3"])
def test_what_is_older(new):
    assert str(forbidden(["1.8.7"], new)) == (
        f"Consul {new} is older than 1.8.7, which runs\n"
        "  -> an older Consul can't read what a newer one has written: `fab store-restore` puts a "
        "backup of its "
        "own time back"
    )


def test_the_oldest_and_the_newest_that_run_both_count():
    assert forbidden(["1.8.7", "1.10.0"], "1.10.0") is None
    assert "older than 1.10.1" in str(forbidden(["1.8.7", "1.10.1"], "1.10.0"))
    assert "from Consul 1.8.7 to 1.11.0" in str(forbidden(["1.8.7", "1.10.0"], "1.11.0"))


def test_what_tells_no_version_is_refused():
    assert str(forbidden(["1.8.7"], "")) == (
        "the image does not tell which version of Consul it is\n  -> name an image whose `consul "
        "version` does"
    )


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("Consul v1.8.7\nProtocol 2 spoken by default", "1.8.7"),
        ("Consul v1.15.4+ent\nRevision x", "1.15.4+ent"),
        ("==> warning\nConsul v1.9.0\n", "1.9.0"),
        ("Consul vNext", ""),
        ("BusyBox v1.30.1", ""),
        ("", ""),
        ("Consul v" + "9" * 99, ""),
    ],
)
def test_the_version_is_read_off_what_the_program_says(output, version):
    assert said(output) == version


def test_versions_are_numbers():
    assert numbers("v1.8.7+dfsg1") == (1, 8, 7)
    assert numbers("1.15") == (1, 15, 0)
    assert [numbers(text) for text in ("next", "1", "1.x", "1.2.3.4")] == [None] * 4


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("hashicorp/consul:1.15.4", "1.15.4"),
        ("registry:5000/consul:v1.9", "1.9"),
        ("registry:5000/consul", ""),
        ("consul:latest", ""),
    ],
)
def test_a_tag_may_tell_it_before_anything_is_uploaded(image, version):
    assert of_tag(image) == version


def test_servers_change_one_after_the_other_the_leader_last_and_agents_behind_them():
    its = with_next()
    made = plan(its.fleet, its.facts(), standing(its, leader="host1"), NEXT)
    assert list(lines(made)) == [
        "-- images",
        *(f"host{n}: upload image consul:next (the host does not have it)" for n in (1, 2, 3, 4)),
        "-- version",
        "host1: ask consul:next for its version (not every version may follow another)",
        *(
            line
            for name in ("host2", "host3", "host1")
            for line in (
                f"-- server {name}",
                f"{name}: replace container consul from consul:next [restarts consul] "
                "(it was made from other settings)",
                f"{name}: wait until its server votes, and has all that the leader has "
                "(the next one stops only when this one has all)",
                f"-- gate of {name}",
                f"all: health gate of {name}: engine active, registered (its engine needs its agent)",
            )
        ),
        "-- agents",
        "host4: replace container consul from consul:next [restarts consul] (it was made from other "
        "settings)",
        "host4: wait until its agent is with the servers (its engine needs an agent)",
        "-- gate of agents",
        "all: health gate of host4: engine active, registered (its engine needs its agent)",
        "-- old image",
        *(f"host{n}: remove image consul:1.8.7 (nothing is made from it any more)" for n in (1, 2, 3, 4)),
    ]
    guarded = [stage.title for stage in made.stages if stage.guarded]
    assert guarded == ["images", "server host2", "server host3", "server host1", "agents"]
    asks = made.stages[1].steps[0]
    assert asks.running == ("1.8.7",)


def test_a_run_that_was_broken_off_is_gone_on_with():
    its = with_next()
    made = plan(its.fleet, its.facts(), standing(its), NEXT)
    done = next(s for s in made.steps if isinstance(s, RunContainer) and s.host == "host2")
    box = its.boxes["host2"]
    box.containers[consul.CONTAINER] = [NEXT, True, done.spec["Labels"]]
    box.images.append(NEXT)
    again = plan(its.fleet, its.facts(), standing(its), NEXT)
    titles = [stage.title for stage in again.stages if stage.title.startswith("server")]
    assert titles == ["server host3", "server host1"]
    assert {step.host for step in again.stages[0].steps} == {"host1", "host3", "host4"}
    assert "host2" in {step.host for step in again.stages[-1].steps}


def test_an_image_that_was_there_before_stays():
    its = with_next()
    its.boxes["host2"].before = type(its.boxes["host2"].before)(
        frozenset(), frozenset({"consul:1.8.7"}), False
    )
    made = plan(its.fleet, its.facts(), standing(its), NEXT)
    assert [step.host for step in made.stages[-1].steps] == ["host1", "host3", "host4"]


def test_nothing_is_to_be_done_with_the_image_that_runs():
    its = site()
    assert not plan(its.fleet, its.facts(), standing(its), "consul:1.8.7")
    assert inventory_needs(its.fleet, "consul:1.8.7") == ""
    assert inventory_needs(its.fleet, NEXT) == (
        "write into the inventory, or the next deployment goes back to consul:1.8.7: "
        "`image: consul:next` under `store:`"
    )


def test_what_is_not_whole_is_not_upgraded():
    assert told(with_next(), dead=("host2",)) == [
        "server host2 is not alive: 3 servers, 2 alive, 2 needed: each server stops once, and the "
        "others have "
        "to agree meanwhile\n  -> bring it back, or `fab store-replace-server`"
    ]
    assert told(with_next(), nonvoters=("host2",)) == [
        "server host2 does not vote yet\n  -> a new one does so after 10 s: `fab store-status`"
    ]
    assert told(with_next(), dead=("host4",)) == [
        "the agent on host4 is failed: its engine has no store\n"
        "  -> `fab store-status`, `docker logs consul` on the host"
    ]
    assert told(with_next(), servers=("host1", "host2", "host5")) == [
        "server host5 (10.0.0.15) is none of the hosts given: it would stay as it is\n  -> name its host, too"
    ]
    assert told(with_next(), leader="")[0].startswith("the store has no leader: 3 servers, 3 alive, 2 needed")


def test_two_servers_are_too_few_to_notice_nothing():
    its = with_next()
    found = findings(its.fleet, its.facts(), standing(its, ("host1", "host2")), NEXT)
    assert found[0].told == (
        "warning: the store has 2 servers: when one of them stops it has no leader for some "
        "seconds, and no container can join -> `fab store-add-server HOST` first"
    )


def test_engines_must_run_and_settings_be_as_wanted():
    its = with_next()
    its.boxes["host3"].running = False
    assert told(its) == [
        "host3: its engine does not run: its agent would stay as it is\n  -> start it: `systemctl "
        "start docker`"
    ]
    its = with_next()
    its.wanted["store"]["options"] = {"log_level": "warn"}
    assert told(its)[0] == (
        "host1: its settings of the store are not as the inventory has them: one change at a time "
        "can be judged\n"
        "  -> `fab deploy-overlay` first"
    )


def test_a_tag_that_tells_too_much_is_refused_before_anything_is_uploaded():
    assert told(site(), "consul:1.11.1") == [
        "from Consul 1.8.7 to 1.11.1 is too far for one upgrade\n"
        f"  -> the last that may follow is 1.10{INSTRUCTIONS}"
    ]
