"""The plan before anything changes, and batches of engines with a health gate behind each."""

from __future__ import annotations

import re

import pytest
from tests.lab.bed import DROP_IN, GREEN, differences, load
from tests.lab.test_take_back import sabotage

pytestmark = pytest.mark.lab

RESTARTED = re.compile(r"(\w+) +restart the engine|health gate of ([\w, ]+):|proof: \d+ directed pairs")


def order_of(said):
    """Restarts, gates and proofs in the order in which they were told; a proof that is made again is one."""
    told = [m[1] or m[2] or "proof" for m in RESTARTED.finditer(said)]
    return [word for last, word in zip(("", *told), told, strict=False) if (last, word) != ("proof", "proof")]


def test_a_dry_run_prints_the_plan_and_ends(clean):
    before = clean.state()
    file = clean.folder / "dry.json"
    ran = clean.fab("deploy-overlay", "--dry-run", "--json", str(file)).ok()
    assert differences(before, clean.state()) == []
    assert clean.state() == before
    assert ran.out == clean.fab("plan-overlay").ok().out
    assert "      +++ as it will be\n" in ran.out
    assert "\nengines that restart: host1, host2, host3\n" in ran.out
    plan = load(file)
    assert (plan["kind"], plan["empty"], plan["findings"]) == ("plan", False, plan["findings"])
    assert [stage["title"] for stage in plan["stages"]][:3] == ["configuration and store", "engines", "gate"]
    writes = [s for stage in plan["stages"] for s in stage["steps"] if s.get("path") == DROP_IN]
    assert [step["host"] for step in writes] == ["host1", "host2", "host3"]


@pytest.mark.long
def test_an_engine_that_was_down_shows_the_rest_of_the_plan_once_it_runs(clean):
    clean.do("host1", "systemctl stop docker.socket docker")
    ran = clean.deploy()
    assert ran.status == 0, ran
    first, second, rest = ran.out.split("\nengines that restart: ")
    assert DROP_IN not in first, "it would point at a store that may never come"
    assert second.startswith("host1\n")
    assert f"write {DROP_IN}" in second
    assert rest.startswith("host1, host2, host3\n")
    assert GREEN in rest


@pytest.mark.long
def test_each_batch_passes_its_gate_before_the_next(clean):
    ran = clean.deploy("--batch", "1")
    assert ran.status == 0, ran
    assert GREEN in ran.out
    assert order_of(ran.err) == ["host1", "host1", "host2", "host2", "host3", "host3", "proof"]
    # With a network there, a gate proves the pairs of its batch too.
    for name in ("host1", "host2", "host3"):
        clean.do(name, f"echo '# as of another release' >> {DROP_IN}; systemctl daemon-reload")
    ran = clean.deploy("--batch", "34%")
    assert ran.status == 0, ran
    assert order_of(ran.err) == [
        *("host1", "host1", "proof"),
        *("host2", "host2", "proof"),
        *("host3", "host3", "proof"),
    ]


def test_the_first_batch_that_fails_stops_the_run(clean):
    sabotage(clean, "host2", "exit 1")
    before = clean.state()
    ran = clean.deploy("--batch", "1")
    assert ran.status == 5, ran
    assert order_of(ran.err) == ["host1", "host1", "host2"]
    assert "\n  taken back: host2, host3: as it was before" in ran.said
    # What has passed its gate stays: host1 carries the store, and the next run goes on from there.
    now = clean.state()
    del now["host1"]
    assert differences(before, now) == []
    assert "--cluster-store" in clean.do("host1", "tr '\\0' ' ' < /proc/$(pidof dockerd)/cmdline")
    clean.mend()
    ran = clean.deploy("--batch", "1")
    assert ran.status == 0, ran
    assert GREEN in ran.out


@pytest.mark.parametrize("batch", ["0", "-1", "0%", "101%", "some", "1.5"])
def test_a_batch_is_a_number_of_hosts_or_a_share(clean, batch):
    ran = clean.deploy(f"--batch={batch}")
    assert ran.status == 2, ran
    assert ran.said == (
        f"overweave: --batch: '{batch}' is neither a number of hosts nor a share of them\n"
        "  -> as in --batch 1 or --batch 25%"
    )
