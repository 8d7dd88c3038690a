"""All reports of one real proof tell the same, and a file that can't be written is told of at once."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from tests.lab.bed import CHECKOUT, GREEN, NOTHING_TO_DO, load

pytestmark = pytest.mark.lab


def test_every_report_of_a_proof_tells_of_every_pair(deployed):
    files = {kind: deployed.folder / f"proof.{kind}" for kind in ("json", "junit", "prometheus", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert GREEN in deployed.fab("validate-overlay", *options).ok().out

    told = load(files["json"])
    Draft202012Validator(load(CHECKOUT / "docs/reference/proof.schema.json")).validate(told)
    assert {(p["from"], p["to"], p["green"]) for p in told["pairs"]} == {
        (a, b, True) for a in told["hosts"] for b in told["hosts"] if a != b
    }
    suites = ElementTree.fromstring(files["junit"].read_text())
    passed = {
        (suite.get("name"), case.get("name"))
        for suite in suites
        for case in suite.iter("testcase")
        if len(case) == 0
    }
    assert passed >= {
        (f"overlay {check}", f"{p['from']} -> {p['to']}")
        for p in told["pairs"]
        for check in p["checks"]
        if check in told["checks"]
    }
    metrics = {m.name: m.samples for m in text_string_to_metric_families(files["prometheus"].read_text())}
    assert [s.value for s in metrics["overweave_proof_green"]] == [1]
    assert [s.value for s in metrics["overweave_pair_green"]] == [1] * 6
    page = files["html"].read_text()
    drawn = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert (drawn["green"], drawn["hosts"], len(drawn["pairs"])) == (True, told["hosts"], 6)

    again = deployed.deploy("--html", str(files["html"])).ok()
    assert again.out == NOTHING_TO_DO
    assert f"so --html {files['html']} was not written: validate-overlay does\n" in again.err
    assert files["html"].read_text() == page


@pytest.mark.parametrize("task", ["validate-overlay", "deploy-overlay"])
def test_a_file_that_can_not_be_written_is_told_of_before_any_host_is_asked(bed, task):
    ran = bed.fab(task, "--html", "/nowhere/proof.html")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "overweave: --html /nowhere/proof.html: No such file or directory\n"
        "  -> name a file that can be written\n"
    )
