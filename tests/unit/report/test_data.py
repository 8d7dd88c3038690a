"""What --json writes of a proof is what its published schema says."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.unit.report.fleets import HOSTILE, fleet, hostile, pair, two_faults

from overweave.preflight.finding import Finding, Preflight, Severity
from overweave.prove.matrix import Matrix, Pair, Verdict
from overweave.report import data
from overweave.state import HostState, State
from overweave.steps import Plan, RestartEngine, Stage

REFERENCE = Path(__file__).parents[3] / "docs/reference"
SCHEMA = json.loads((REFERENCE / "proof.schema.json").read_text())


def strict(schema):
    """The same, where a key that is not told of is an error: for others a new key is none."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made["additionalProperties"] = False
    return made


VALIDATOR = Draft202012Validator(strict(SCHEMA))


def written(result):
    """Read back as a program would; NaN and the like are no JSON."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(json.dumps(data.matrix(result)), parse_constant=refuse)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("result", [fleet(2), two_faults(25), fleet(50), Matrix("n", (), (), {})])
def test_a_proof_is_what_the_schema_says(result):
    VALIDATOR.validate(written(result))


@pytest.mark.parametrize("word", HOSTILE)
def test_so_is_one_of_odd_words(word):
    VALIDATOR.validate(written(hostile(word)))


def test_so_is_that_of_a_deployment():
    VALIDATOR.validate(written(fleet(3)) | {"changed": True, "plan": [{"title": "x", "steps": []}]})


def test_a_key_that_is_gone_is_seen_and_so_is_one_too_many():
    good = written(replace(two_faults(25), pairs=fleet(2).pairs))
    for place in (good, good["pairs"][0], good["pairs"][0]["checks"]["dns"], good["diagnosis"][0]):
        for key in place:
            bad = copy.deepcopy(good)
            found = {id(p): q for p, q in twins(good, bad)}[id(place)]
            del found[key]
            assert not VALIDATOR.is_valid(bad), key
            found["new"] = place[key]
            assert not VALIDATOR.is_valid(bad), key
    assert Draft202012Validator(SCHEMA).is_valid(good | {"new": 1}), "a new key is no change of version"


def twins(one, two):
    yield one, two
    if isinstance(one, dict | list):
        for key in one if isinstance(one, dict) else range(min(len(one), 1)):
            yield from twins(one[key], two[key])


def test_the_values_of_a_pair():
    result = two_faults(25)
    found = {(p["from"], p["to"]): p for p in written(result)["pairs"]}
    assert len(found) == 600
    assert found["host14", "host19"]["cell"] == "overlay alone fails"
    assert found["host14", "host19"]["failed"] == ["tcp", "mtu"]
    assert found["host1", "host7"]["underlay"]["udp-4789"] == {
        "ok": False,
        "detail": "0 of 3 arrived",
        "milliseconds": None,
        "loss": None,
    }
    slow = found["host3", "host22"]
    assert (slow["cell"], slow["green"]) == ("slow", True)
    assert slow["checks"]["icmp"] == {"ok": True, "detail": "41.0 ms", "milliseconds": 41.0, "loss": 0.12}


def test_the_values_of_the_whole():
    found = written(two_faults(25))
    assert (found["version"], found["kind"], found["network"]) == (1, "proof", "overweave")
    assert not found["green"]
    assert found["median"] == pytest.approx(0.26, abs=0.01)
    assert found["diagnosis"][1] == {
        "rule": "mtu",
        "where": "host14 <-> host19",
        "seen": "small packets pass, full-size ones don't",
        "fix": "set `network: mtu:` to the smallest on the path and deploy with --replace-network",
        "issues": ["moby#24906"],
        "pairs": [["host14", "host19"], ["host19", "host14"]],
    }
    assert found["causes"][1].startswith("host14 <-> host19: small packets pass, full-size ones don't (moby#")
    assert found["isolation"][0] == {
        "from": "host1",
        "to": "a container of the network other",
        "reached": "",
    }
    assert written(fleet(50))["left_out"] == {"tcp": 1950, "mtu": 1950}


def test_the_reference_names_every_key_of_every_kind():
    page = (REFERENCE / "reports.md").read_text()
    state = State((HostState("h", "e", "a", True, 1, "s"),), "s", ((),), ("n",))
    step = RestartEngine("h", "why")
    for told in (
        data.plan(Plan((Stage("t", (step,)),))),
        data.preflight(Preflight(("h",), (Finding("c", Severity.ERROR, "s"),), 1.0)),
        data.state(state),
        data.audit([], {}),
    ):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{told['kind']}` "))
        assert {key for key in keys(told) if f"`{key}`" not in row} == {"version", "kind"}


def keys(told):
    if isinstance(told, dict):
        return set(told).union(*map(keys, told.values()))
    return set().union(*map(keys, told)) if isinstance(told, list | tuple) else set()


def test_what_is_no_number_is_null():
    odd = {"icmp": Verdict(True, "x", float("nan"), float("-inf"))}
    result = replace(fleet(2), pairs=(Pair("host1", "host2", odd), pair("host2", "host1")))
    verdict = written(result)["pairs"][0]["checks"]["icmp"]
    assert (verdict["milliseconds"], verdict["loss"]) == (None, None)
