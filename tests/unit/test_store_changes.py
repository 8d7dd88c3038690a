"""Which server a host's name means, and how many a fleet is to have."""

from __future__ import annotations

import pytest
from tests.unit.servers.standings import SERVERS, site, standing

from overweave import inventory
from overweave.cli import choice
from overweave.errors import Refused, UsageError
from overweave.store_changes import dead_server, known, wanted_servers

FIVE = (*SERVERS, "host5")


def fleet_of(count, servers=None, marks=()):
    hosts = "".join(
        f"  h{n}: {{address: 10.0.0.{n}{', store: true' if n in marks else ''}}}\n" for n in range(count)
    )
    store = f"store: {{servers: {servers}}}\n" if servers else ""
    return inventory.parse(f"hosts:\n{hosts}{store}")


@pytest.mark.parametrize("names", [{"host5"}, {"10.0.0.15"}, {"web5", "10.0.0.15"}])
def test_a_server_whose_host_is_gone_is_found_by_any_of_its_names(names):
    its = site()
    found = dead_server(its.facts(), standing(its, FIVE, dead=("host5",)), names)
    assert found is not None
    assert found.id == "id-host5"


def test_one_that_only_lists_have_is_gone_already():
    """Autopilot has taken it out."""
    its = site()
    del its.wanted["hosts"]["host3"]
    assert dead_server(its.facts(), standing(its, ("host1", "host2")), {"10.0.0.13"}) is None
    assert dead_server(its.facts(), standing(its, ("host1", "host2"), dead=("host3",)), {"host3"}) is None


def test_one_that_lives_is_not_taken_for_dead():
    its = site()
    with pytest.raises(Refused) as caught:
        dead_server(its.facts(), standing(its, FIVE), {"host5"})
    assert str(caught.value) == (
        "server host5 (10.0.0.15) is alive: the others hear from it\n"
        "  -> leave --dead out, so that it is asked to leave; or stop it first"
    )


def test_one_that_nobody_knows_is_refused():
    its = site()
    with pytest.raises(Refused) as caught:
        dead_server(its.facts(), standing(its, FIVE, dead=("host5",)), {"web9", "10.0.0.19"})
    assert str(caught.value) == (
        "the store knows no server of 10.0.0.19 or web9 that is gone\n"
        "  -> servers that are none of the hosts given: host5 (10.0.0.15); name one by its address"
    )


@pytest.mark.parametrize(
    ("fleet", "count"),
    [
        (fleet_of(4), 3),
        (fleet_of(12), 5),
        (fleet_of(4, servers=1), 2),
        (fleet_of(6, servers=5), 5),
        (fleet_of(6, marks=(1, 2, 3, 4)), 4),
        (fleet_of(2), 2),
        (fleet_of(1), 1),
    ],
)
def test_how_many_servers_a_fleet_is_to_have(fleet, count):
    assert wanted_servers(fleet) == count


def test_a_host_must_be_one_of_them():
    known(fleet_of(2), "h1")
    with pytest.raises(UsageError) as caught:
        known(fleet_of(2), "h7")
    assert str(caught.value) == "h7 is none of the hosts given\n  -> they are h0, h1"


def test_a_host_that_is_gone_is_left_out_by_its_name_or_address(tmp_path):
    file = tmp_path / "i.yml"
    file.write_text("hosts:\n  h1: {address: 10.0.0.1}\n  h2: {address: 10.0.0.2}\n")
    assert choice.fleet((), str(file), without="h2").names == ("h1",)
    assert choice.fleet(("h1", "h2"), str(file), without="10.0.0.1").names == ("h2",)
    with pytest.raises(UsageError) as caught:
        choice.fleet(("h1",), str(file), without="h1")
    assert str(caught.value) == "there is no host but h1\n  -> name those that are left, too"
