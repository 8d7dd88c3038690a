"""The networks of a fleet as people and as programs read them."""

from __future__ import annotations

import copy
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.networks.test_facts import anything
from tests.unit.networks.told import CAPTURED, fleet, host, looked, network, plug, with_links
from tests.unit.report.test_data import REFERENCE, strict

from overweave.facts.networks import HostNetworks
from overweave.report import networks_data, networks_text
from overweave.report.networks_text import endpoints
from overweave.report.text import SafeConsole

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((REFERENCE / "networks.schema.json").read_text())
VALIDATOR = Draft202012Validator(strict(SCHEMA))
OVERLAY = "1-9df9a7e162"


def printed(result, *, tree=False, width=10_000, encoding="utf-8"):
    """In a pipe lines are as long as they are."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    SafeConsole(file=file, width=width).print(networks_text.networks(result, tree=tree))
    file.flush()
    told = file.buffer.getvalue().decode(encoding)
    return "".join(f"{line.rstrip()}\n" for line in told.splitlines())


def broken():
    """host1 with one veth pair cut, and host2 with its engine stopped."""

    def cut(link):
        return None if link.name == "veth1" else link

    stopped = HostNetworks("host2", None, None, problems=("its engine does not run",))
    return fleet(with_links(looked(), OVERLAY, cut), stopped)


@pytest.mark.parametrize(
    ("name", "result", "how"),
    [
        ("table", fleet(looked(), looked("host2")), {}),
        ("table-80", fleet(looked(), looked("host2")), {"width": 80}),
        ("tree", fleet(looked(), looked("host2")), {"tree": True}),
        ("tree-80", fleet(looked(), looked("host2")), {"tree": True, "width": 80}),
        ("tree-ascii", fleet(looked(), network="overweave"), {"tree": True, "encoding": "ascii"}),
        ("swarm-table", fleet(looked("swarm1")), {}),
        ("swarm-tree", fleet(looked("swarm1")), {"tree": True}),
        ("broken", broken(), {"tree": True}),
        ("broken-table", broken(), {}),
    ],
)
def test_the_report_is_as_it_was_looked_at(name, result, how):
    file = GOLDEN / f"{name}.txt"
    told = printed(result, **how)
    if os.environ.get("OVERWEAVE_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(told)
    assert told == file.read_text()
    assert max(map(len, told.splitlines())) <= how.get("width", 10_000)


def test_25_hosts_are_told_in_few_words():
    hosts = [
        host(
            f"host{n}",
            network(
                "blue",
                "a" * 64,
                driver="overlay",
                scope="swarm",
                plugs=[plug(n * 10 + k) for k in range(2 if n in (3, 9) else 1)],
            ),
            network("bridge", f"{n:064x}", subnets=("10.1.0.0/24" if n == 7 else "172.17.0.0/16",)),
        )
        for n in range(1, 26)
    ]
    assert printed(fleet(*hosts, devices=False), width=80).splitlines() == [
        "network  driver   scope  subnets               VNI  flags  endpoints",
        "blue     overlay  swarm  172.17.0.0/16         -    -      2 on host[3,9],",
        "                                                           1 on",
        "                                                           host[1-2,4-8,10-25]",
        "bridge   bridge   local  172.17.0.0/16         -    -      0 on host[1-25]",
        "                         host[1-6,8-25]",
        "                         10.1.0.0/24 host7",
    ]


def test_counts_are_told_the_most_first_and_what_nobody_knows_too():
    (row,) = fleet(
        host("host1", network("n", "a" * 64, plugs=[plug(1)])),
        host("host2", network("n", "b" * 64, plugs=[plug(2), plug(3)])),
        devices=False,
    ).rows
    unknown = replace(row.hosts["host1"], endpoints=None)
    more = replace(row, hosts=row.hosts | {"host3": unknown}, elsewhere=("x",))
    assert endpoints(more) == ["2 on host2", "1 on host1", "? on host3", "1 elsewhere"]


def test_more_than_a_few_broken_things_are_counted():
    ghosts = [plug(n << 240, "", f"g{n}") for n in range(1, 14)]
    lines = printed(fleet(host("h1", network("shop", "a" * 64, plugs=ghosts)), devices=False)).splitlines()
    assert sum(line.startswith("BROKEN: h1: endpoint ") for line in lines) == 10
    assert lines[-1] == "13 things are not as they should be: `fab doctor` looks for the cause"


def test_no_host_that_told_is_told():
    silent = HostNetworks("h1", None, None, problems=("its engine does not run",))
    assert printed(fleet(silent)) == "no network was told of\nh1: its engine does not run\n"
    assert printed(fleet(silent), tree=True) == "h1: its engine does not run\n"


def test_names_are_safe_on_any_terminal():
    odd = network("n\u00e9", "a" * 64, plugs=[plug(1, "ingress-sbox", "\u202e\u4e2d")])
    for encoding in ("ascii", "utf-8"):
        for tree in (False, True):
            told = printed(fleet(host("h\u00e9", odd)), tree=tree, encoding=encoding)
            assert "\x1b" not in told
            assert "\u202e" not in told


def paths(value, way=()):
    """Of all that is in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, its in inner:
        yield (*way, key)
        yield from paths(its, (*way, key))


REAL = {
    "networks": [json.loads(line) for line in CAPTURED["host1"]["networks"].splitlines()],
    "containers": [json.loads(li) for li in CAPTURED["host1"]["containers"].split("MARK")[0].splitlines()],
    "links": json.loads(CAPTURED["host1"]["links"].split("MARK\n")[1]),
}
PLACES = [(what, way) for what, its in REAL.items() for way in paths(its)]


@settings(max_examples=20)
@given(st.sampled_from(PLACES), anything)
def test_one_lie_anywhere_in_a_real_answer_is_told_as_a_value(place, lie):
    what, way = place
    told = copy.deepcopy(REAL[what])
    at = told
    for key in way[:-1]:
        at = at[key]
    at[way[-1]] = lie
    if what == "links":
        parts = CAPTURED["host1"]["links"].split("MARK\n")
        answer = "MARK\n".join([parts[0], json.dumps(told), *parts[2:]])
    else:
        rest = "MARK" + CAPTURED["host1"][what].partition("MARK")[2] if what == "containers" else ""
        answer = "\n".join(map(json.dumps, told)) + f"\n{rest}"
    found = fleet(looked(**{what: answer}))
    for tree in (False, True):
        assert printed(found, tree=tree, width=80)
    VALIDATOR.validate(written(found))


def written(result):
    return json.loads(json.dumps(networks_data.networks(result)))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "result",
    [
        fleet(looked(), looked("host2")),
        fleet(looked(), devices=False),
        fleet(looked(networks=(124, "", ""))),
        fleet(looked("swarm1")),
        broken(),
        fleet(HostNetworks("h1", None, None, problems=("x",))),
    ],
)
def test_what_json_has_is_what_the_schema_says(result):
    VALIDATOR.validate(written(result))


def test_a_key_that_is_gone_is_seen_and_so_is_one_too_many():
    good = written(broken())
    web = good["trees"][0]["networks"][0]
    places = [good, good["networks"][0], good["networks"][0]["hosts"]["host1"], good["trees"][0], web]
    places += [good["wrong"][0], web["endpoints"][0], web["vxlans"][0], web["bridges"][0]]
    places += [s for s in good["trees"][0]["sandboxes"] if s["members"]][:1]
    for place in places:
        for key in list(place):
            kept = place.pop(key)
            assert not VALIDATOR.is_valid(good), key
            place[key] = kept
        place["new"] = 1
        assert not VALIDATOR.is_valid(good)
        del place["new"]
    VALIDATOR.validate(good)
    assert Draft202012Validator(SCHEMA).is_valid(copy.deepcopy(good) | {"new": 1})


def test_the_values_that_programs_read():
    found = written(broken())
    assert (found["version"], found["kind"], found["complete"]) == (1, "networks", False)
    assert found["problems"] == {"host2": ["its engine does not run"]}
    assert found["wrong"] == [
        {"host": "host1", "what": "eth0 of web: its other end is not where br0 is"},
    ]
    overweave = found["networks"][0]
    assert (overweave["name"], overweave["driver"], overweave["scope"]) == ("overweave", "overlay", "global")
    assert overweave["hosts"]["host1"]["vnis"] == [256]
    (tree,) = found["trees"]
    (web,) = (e for e in tree["networks"][0]["endpoints"] if e["name"] == "web")
    assert (web["port"], web["interface"]["name"], web["wrong"]) == (
        None,
        "eth0",
        ["eth0 of web: its other end is not where br0 is"],
    )
    away = written(fleet(looked(networks=(124, "", ""))))
    (shop,) = (row for row in away["networks"] if row["name"] == "shop")
    assert (shop["driver"], shop["scope"]) == (None, None)
    assert written(fleet(looked(), devices=False))["trees"] is None


def test_the_reference_names_every_key_of_it():
    row = next(
        line
        for line in (REFERENCE / "reports.md").read_text().splitlines()
        if line.startswith("| `networks` ")
    )
    found = written(broken())
    keys = {*found, *found["networks"][0], *found["trees"][0]} - {"version", "kind"}
    assert {key for key in keys if f"`{key}`" not in row} == set()
