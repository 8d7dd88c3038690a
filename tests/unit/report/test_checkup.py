"""What doctor and repair say: on a terminal of 80 columns, and to programs."""

from __future__ import annotations

import io
import json

from rich.console import Group
from tests.unit.doctor.overlay import Overlay, forwarding, neighbour, space, vtep

from overweave.apply.world import Done
from overweave.doctor.fault import Checkup
from overweave.doctor.remedy import repair
from overweave.errors import UsageError
from overweave.preflight.finding import warning
from overweave.report import data, text
from overweave.report.text import SafeConsole


def checkup(overlay):
    return Checkup(overlay.site.fleet.names, tuple(overlay.faults()), 1.25)


def shown(renderable):
    file = io.StringIO()
    SafeConsole(file=file, width=80).print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def sick():
    overlay = Overlay()
    overlay.change(1, forwarding=(forwarding(2, vtep=vtep(3)), forwarding(3)))
    return overlay


def test_of_a_healthy_fleet_it_is_told_what_was_not_tried():
    assert shown(text.checkup(checkup(Overlay()))) == (
        "healthy: 3 hosts in 1.2 s: nothing found\n"
        "no packet was sent: that they arrive, `fab validate-overlay` proves\n"
    )


def test_a_finding_says_where_what_why_and_how_to_mend_it():
    assert shown(text.checkup(checkup(sick()))) == (
        "NOT healthy: 3 hosts in 1.2 s: 1 error\n"
        "ERROR   host1: the forwarding row for app-host2 on host2 (10.211.0.3 on\n"
        "            overweave) leads to 10.0.0.13, not to 10.0.0.12\n"
        "        why: packets for it go to another host, and those that come from it are\n"
        "             dropped (moby#52661)\n"
        "        fix: `fab repair` writes it anew\n"
    )


def test_what_differs_by_its_host_alone_is_told_once():
    def on(host, seen="it has no Perl", **more):
        return warning("pairs.measured", seen, fix="install it", host=host, **more)

    found = [on("web1"), on("db1", "it is old"), *(on(f"web{n}") for n in (2, 3)), on("web4", peer="web1")]
    assert shown(Group(*text.findings(found))) == (
        "WARNING web[1-3]: it has no Perl\n"
        "        fix: install it\n"
        "WARNING db1: it is old\n"
        "        fix: install it\n"
        "WARNING web4 -> web1: it has no Perl\n"
        "        fix: install it\n"
    )


def test_hundreds_of_findings_are_cut_short():
    overlay = Overlay()
    overlay.change(1, neighbours=(*space(1).neighbours, *(neighbour(n) for n in range(10, 50))))
    lines = shown(text.checkup(checkup(overlay))).splitlines()
    assert lines[0] == "healthy: 3 hosts in 1.2 s: 40 notes"
    assert lines[-1] == "… and 10 more; all are in --json"


def test_programs_read_findings_with_the_steps_that_would_mend_them():
    found = data.checkup(checkup(sick()))
    assert json.loads(json.dumps(found)) == found
    assert {key: found[key] for key in ("version", "kind", "healthy", "seconds", "hosts")} == {
        "version": 1,
        "kind": "doctor",
        "healthy": False,
        "seconds": 1.25,
        "hosts": ["host1", "host2", "host3"],
    }
    (finding,) = found["findings"]
    assert finding["check"] == "rows.vtep"
    assert finding["repair"] == [
        "on network overweave: write rows of 10.211.0.3 (02:42:0a:d3:00:03) at 10.0.0.12; "
        "delete rows of 02:42:0a:d3:00:03 at 10.0.0.13"
    ]


def test_a_repair_tells_what_was_before_what_was_done_and_what_is_left():
    overlay = sick()
    before = checkup(overlay)
    plan = repair(overlay.site.fleet, overlay.live(), before.faults)
    done = Done(steps=list(plan.steps), islands=[("host1", "host2"), ("host3",)])
    found = data.repair(before, plan, done, checkup(Overlay()), 4.5)
    assert json.loads(json.dumps(found)) == found
    assert (found["kind"], found["healthy"], found["changed"], found["seconds"]) == (
        "repair",
        True,
        True,
        4.5,
    )
    assert found["islands"] == [["host1", "host2"], ["host3"]]
    assert [finding["check"] for finding in found["before"]] == ["rows.vtep"]
    assert [stage["title"] for stage in found["stages"]] == ["rows"]
    assert (found["after"], found["error"]) == ([], None)
    failed = data.repair(before, plan, done, before, 4.5, error=UsageError("x", hint="y"))
    assert failed["error"] == "x\n  -> y"
