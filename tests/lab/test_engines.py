"""A fleet in the middle of an upgrade: no two engines alike, and one overlay across them."""

from __future__ import annotations

import json

import pytest
from tests.lab.bed import CHECKOUT, GREEN, NOTHING_TO_DO, SLOT, bed_of, changes, differences, fresh

pytestmark = pytest.mark.lab
ENGINES = ("20.10-consul", "20.10-etcd", "26")
NAME = f"e{SLOT}"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    lab = fresh(NAME, hosts=3, subnet=f"10.98.{70 + SLOT}.0/24", engines=ENGINES)
    with bed_of(lab, tmp_path_factory.mktemp("engines")) as bed:
        bed.make_clean()
        yield bed


def test_each_host_has_its_engine_and_the_one_way_for_all_is_a_swarm(mixed):
    versions = {host.name: mixed.at(host.name).version()["Version"] for host in mixed.hosts}
    assert versions == {"host1": "20.10.5+dfsg1", "host2": "20.10.24+dfsg1", "host3": "26.1.5+dfsg1"}
    listed = [line.split() for line in mixed.fab("lab.list").ok().out.splitlines()]
    assert [line[1:3] for line in listed if line[0] == NAME] == [
        ["host1", "20.10-consul"],
        ["host2", "20.10-etcd"],
        ["host3", "26"],
    ]
    told = mixed.fab("backends").ok().out
    assert "auto: swarm, for host2 has Docker 20.10.24+dfsg1, built without Consul, and 1 more" in told, told
    before = mixed.state()
    refused = mixed.deploy("--backend", "consul")
    assert refused.status == 4
    assert refused.said == (
        "overweave: host2: this Docker 20.10.24+dfsg1 was built without Consul, as Debian 12's is\n"
        "  -> a store in etcd carries an overlay there: `--backend etcd`; "
        "so does the engines' own swarm: `--backend swarm`\n"
        "host3: Docker 26.1.5+dfsg1 has no cluster store: it was removed after 20.10\n"
        "  -> the engines' own swarm carries an overlay there: `--backend swarm`"
    )
    assert changes(before, mixed.state()) == []


def test_the_page_of_engines_says_what_they_have(mixed):
    """What is proven there, other tests prove: those of Consul, of etcd, and the next one."""
    hosts = json.loads(mixed.fab("backends", "--json", "-").ok().out)["hosts"]
    lines = (CHECKOUT / "docs/backends.md").read_text().splitlines()
    rows = {line.split("|")[1].strip(" `"): line.split("|")[2:-1] for line in lines if line.startswith("| ")}
    assert [name.split()[1] for name in rows.pop("")] == [h["engine"].partition("+")[0] for h in hosts]
    carried = {
        backend: [cell.strip().startswith("proven, ") for cell in row] for backend, row in rows.items()
    }
    assert carried == {
        **{kind: [kind not in host["cannot"] for host in hosts] for kind in ("consul", "etcd", "swarm")},
        "zookeeper": [False] * len(hosts),
        "macvlan": [True] * len(hosts),
    }


def test_a_deployment_takes_the_swarm_and_is_proven(mixed):
    before = mixed.pids()
    ran = mixed.deploy("--backend", "auto").ok()
    why = "host2 has Docker 20.10.24+dfsg1, built without Consul, and 1 more"
    assert f"the overlay is one of the engines' own swarm: {why}" in ran.err
    assert GREEN in ran.out
    assert mixed.pids() == before, "no engine restarts"
    state = mixed.state()
    assert mixed.deploy().ok().out == NOTHING_TO_DO
    assert changes(state, mixed.state()) == []


def test_it_is_taken_away_and_leaves_nothing(mixed):
    mixed.fab("destroy-overlay", "--yes").ok()
    assert differences(mixed.pristine, mixed.state()) == []
