"""One table of all networks of all hosts: what is one row, and what is told below it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.networks.told import CAPTURED, fleet, host, looked, network, plug

from overweave.errors import UsageError
from overweave.facts.networks import HostNetworks

OVERLAY = "a" * 64
VNI = {"com.docker.network.driver.overlay.vxlanid_list": "4097,4098"}
BOTH = fleet(looked("host1"), looked("host2"))


def rows(*hosts, **more):
    return fleet(*hosts, devices=False, **more).rows


def test_the_rows_of_two_real_hosts():
    told = [
        (row.name, row.driver, row.scope, {h: its.endpoints for h, its in row.hosts.items()})
        for row in BOTH.rows
    ]
    assert told == [
        ("overweave", "overlay", "global", {"host1": 2, "host2": 1}),
        ("shop", "bridge", "local", {"host1": 1}),
        ("bridge", "bridge", "local", {"host1": 1, "host2": 0}),
        ("docker_gwbridge", "bridge", "local", {"host1": 2, "host2": 1}),
        ("host", "host", "local", {"host1": 2, "host2": 1}),
        ("none", "null", "local", {"host1": 1, "host2": 0}),
    ]
    overweave = BOTH.rows[0]
    assert {its.vnis for its in overweave.hosts.values()} == {(256,)}
    assert len({its.id for its in overweave.hosts.values()}) == 1
    assert len({its.id for its in BOTH.rows[2].hosts.values()}) == 2
    assert overweave.elsewhere == ("overweave-anchor-overweave-host3",)
    assert (BOTH.complete, BOTH.wrong) == (True, ())
    assert BOTH.notes == (
        "overweave: 1 endpoint on none of these hosts (overweave-anchor-overweave-host3): on others, or "
        "stale; `fab doctor` over all hosts knows",
    )


def test_25_hosts_with_the_same_networks_are_as_many_rows_as_one():
    hosts = [
        host(
            f"host{n}",
            network("bridge", f"{n:064x}"),
            network("blue", OVERLAY, driver="overlay", scope="swarm"),
        )
        for n in range(1, 26)
    ]
    told = rows(*hosts)
    assert [row.name for row in told] == ["blue", "bridge"]
    assert all(list(row.hosts) == [f"host{n}" for n in range(1, 26)] for row in told)


def test_local_networks_of_one_name_that_are_not_alike_are_rows_of_their_own():
    told = rows(
        host("h1", network("shop", "1" * 64)),
        host("h2", network("shop", "2" * 64, internal=True)),
        host("h3", network("shop", "3" * 64, driver="macvlan")),
        host("h4", network("shop", "4" * 64, subnets=("10.0.0.0/24",))),
    )
    assert [(row.driver, row.flags, list(row.hosts)) for row in told] == [
        ("bridge", (), ["h1", "h4"]),
        ("bridge", ("internal",), ["h2"]),
        ("macvlan", (), ["h3"]),
    ]
    assert [its.subnets for its in told[0].hosts.values()] == [("172.17.0.0/16",), ("10.0.0.0/24",)]


def test_what_a_swarm_tells_of_its_networks():
    ingress = network(
        "ingress",
        OVERLAY,
        driver="overlay",
        scope="swarm",
        options=VNI | {"encrypted": ""},
        attachable=True,
        ingress=True,
        plugs=[plug(1)],
    )
    (row,) = rows(host("h1", ingress))
    assert row.flags == ("attachable", "encrypted", "ingress")
    assert row.hosts["h1"].vnis == (4097, 4098)
    assert (row.hosts["h1"].endpoints, row.elsewhere) == (1, ())


def test_the_networks_of_a_real_swarm():
    found = fleet(looked("swarm1"))
    told = {
        row.name: (row.scope, row.flags, row.hosts["swarm1"].vnis, row.hosts["swarm1"].endpoints)
        for row in found.rows
    }
    assert told == {
        "blue": ("swarm", ("attachable", "encrypted"), (4097,), 2),
        "green": ("swarm", (), (4098,), 2),
        "ingress": ("swarm", ("ingress",), (4096,), 2),
        "bridge": ("local", (), (), 0),
        "docker_gwbridge": ("local", (), (), 3),
        "host": ("local", (), (), 0),
        "none": ("local", (), (), 0),
    }
    assert (found.notes, found.wrong) == ((), ())


def test_two_networks_of_many_hosts_with_one_name_are_told_apart():
    found = fleet(
        host("h1", network("blue", OVERLAY, driver="overlay", scope="global")),
        host("h2", network("blue", "b" * 64, driver="overlay", scope="global")),
        devices=False,
    )
    assert [list(row.hosts) for row in found.rows] == [["h1"], ["h2"]]
    assert found.notes == (
        "2 networks of many hosts have the name blue, with ids of their own: containers on one don't reach "
        "those on another; `fab status` shows which host has which",
    )


def test_an_endpoint_that_another_host_has_is_counted_there():
    overlay = {"driver": "overlay", "scope": "global"}
    found = fleet(
        host(
            "h1", network("blue", OVERLAY, plugs=[plug(1), plug(2, "", "b"), plug(3, "", "gone")], **overlay)
        ),
        host("h2", network("blue", OVERLAY, plugs=[plug(1, ""), plug(2), plug(3, "", "gone")], **overlay)),
        devices=False,
    )
    (row,) = found.rows
    assert {h: its.endpoints for h, its in row.hosts.items()} == {"h1": 1, "h2": 1}
    assert row.elsewhere == ("gone",)


def test_many_endpoints_that_are_elsewhere_are_some_names():
    plugs = [plug(n, "", f"c{n}") for n in range(1, 6)]
    blue = network("blue", OVERLAY, driver="overlay", scope="global", plugs=plugs)
    (note,) = fleet(host("h1", blue), devices=False).notes
    assert note.startswith("blue: 5 endpoints on none of these hosts (c1, c2, c3 and 2 more): on others,")


def test_an_endpoint_of_nobody_on_a_network_of_one_host_is_broken():
    found = fleet(host("h1", network("shop", OVERLAY, plugs=[plug(7, "", "web")])), devices=False)
    assert found.wrong == (("h1", "endpoint 000000000000 (web): no container has it"),)
    assert found.rows[0].hosts["h1"].endpoints == 1


def test_a_running_container_without_an_endpoint_is_broken():
    seen = looked("host1")
    was = next(c for c in seen.containers if c.name == "db")
    without = replace(was, endpoints=tuple(replace(e, id="", address="", mac="") for e in was.endpoints))

    def told(container):
        others = [c for c in seen.containers if c.name != "db"]
        networks = tuple(replace(n, plugs=()) for n in seen.networks if n.fact.name in ("shop", "bridge"))
        return fleet(replace(seen, containers=(*others, container), networks=networks), devices=False)

    assert told(without).wrong == (
        ("host1", "db runs and has no endpoint on bridge"),
        ("host1", "db runs and has no endpoint on shop"),
    )
    # One that restarts over and over has no process at this moment.
    assert told(replace(without, pid=0)).wrong == ()


def test_a_network_that_its_engine_does_not_list_is_known_by_its_containers():
    """As while the store of a key-value overlay is away."""
    local = "\n".join(line for line in CAPTURED["host1"]["networks"].splitlines() if '"global"' not in line)
    found = fleet(looked("host1", networks=local))
    (row,) = (row for row in found.rows if row.name == "overweave")
    its = row.hosts["host1"]
    assert (row.driver, row.scope, its.listed, its.endpoints, its.vnis) == ("overlay", "", False, 2, (256,))
    assert found.notes == (
        "overweave: containers are on it, and the engine of host1 does not list it: is its store away? "
        "`fab store-status` shows it",
    )
    # Another host that lists it tells what it is.
    (row,) = (
        r for r in fleet(looked("host1", networks=local), looked("host2")).rows if r.name == "overweave"
    )
    assert (row.driver, row.scope, list(row.hosts)) == ("overlay", "global", ["host1", "host2"])


def test_of_an_engine_that_lists_no_networks_those_of_its_containers_are_told():
    found = fleet(looked("host1", networks=(124, "", "")), looked("host2"))
    told = {(row.name, row.driver, row.scope): list(row.hosts) for row in found.rows}
    assert told == {
        ("overweave", "overlay", "global"): ["host1", "host2"],
        ("shop", "", ""): ["host1"],
        ("bridge", "bridge", "local"): ["host1", "host2"],
        ("docker_gwbridge", "bridge", "local"): ["host2"],
        ("host", "host", "local"): ["host1", "host2"],
        ("none", "null", "local"): ["host1", "host2"],
    }
    assert not found.complete
    assert not any("does not list it" in note for note in found.notes), "its problem has told that"


def test_hosts_are_known_by_the_addresses_that_no_other_has():
    assert BOTH.names["10.96.1.11"] == "host1"
    assert BOTH.names["10.96.1.12"] == "host2"
    # docker0's.
    assert "172.17.0.1" not in BOTH.names


def test_a_host_that_tells_nothing_takes_no_other_along():
    silent = HostNetworks("host1", None, None, problems=("its engine does not run",))
    found = fleet(silent, looked("host2"))
    assert (found.complete, found.hosts) == (False, ("host1", "host2"))
    assert found.problems == {"host1": ("its engine does not run",)}
    assert [tree.host for tree in found.trees] == ["host2"]
    assert all(list(row.hosts) == ["host2"] for row in found.rows)


def test_one_network_by_name_or_by_the_begin_of_its_id():
    assert [row.name for row in rows(looked(), looked("host2"), network="bridge")] == ["bridge"]
    id = BOTH.rows[0].hosts["host1"].id
    assert [row.name for row in rows(looked(), looked("host2"), network=id[:6])] == ["overweave"]
    (host1, host2) = fleet(looked(), looked("host2"), network="shop").trees
    assert [n.name for n in host1.networks] == ["shop"]
    assert [m.name for s in host1.sandboxes for m in s.members] == ["db"]
    assert (host2.networks, host2.sandboxes) == ((), ())


def test_a_network_that_no_host_has():
    with pytest.raises(UsageError) as caught:
        rows(looked(), network="shp")
    assert str(caught.value) == "there is no network 'shp'\n  -> did you mean shop?"
    with pytest.raises(UsageError) as caught:
        rows(looked(), network="9df")
    assert str(caught.value) == "there is no network '9df'\n  -> `fab networks` lists those there are"
    silent = HostNetworks("host2", None, None, problems=("its engine does not run",))
    with pytest.raises(UsageError) as caught:
        rows(looked(), silent, network="blue")
    assert caught.value.message == "there is no network 'blue'; host2: its engine does not run"
