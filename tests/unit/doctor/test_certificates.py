"""What is told of certificates before they end, and behind it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.golden.site import NOW
from tests.unit.doctor.overlay import Overlay

from overweave.certificates import parse
from overweave.doctor.certificates import ending
from overweave.doctor.places import find
from overweave.preflight.finding import Severity


def told(days, change=lambda issuer: issuer):
    overlay = Overlay()
    live = overlay.live()
    issuer = change(replace(live.fleet.issuer, told=NOW + timedelta(days=days)))
    live = replace(live, fleet=replace(live.fleet, issuer=issuer))
    return [
        (f.finding.severity, f.finding.host, f.finding.seen, f.finding.fix)
        for f in ending(overlay.site.fleet, live, find(live))
    ]


@pytest.mark.parametrize(
    ("days", "severity", "seen"),
    [
        (367, Severity.WARNING, "its certificate for the store ends on 2027-12-24"),
        (397, Severity.ERROR, "its certificate for the store ended on 2027-12-24"),
    ],
)
def test_one_that_ends_soon_and_one_that_has_ended(days, severity, seen):
    fix = "`fab deploy-overlay` gives it a new one"
    assert told(days) == [(severity, f"host{n}", seen, fix) for n in (1, 2, 3)]


def test_one_that_lasts_is_not_told():
    assert told(366) == []


def test_one_that_does_not_work():
    assert told(0, lambda its: replace(its, files=its.files | {"host2": parse("")})) == [
        (
            Severity.ERROR,
            "host2",
            "the file with its certificate for the store holds none that works",
            "`fab deploy-overlay` gives it a new one",
        )
    ]


def test_an_authority_that_ends_within_a_year():
    assert told(3300, lambda its: replace(its, files={})) == [
        (
            Severity.WARNING,
            "",
            "the authority that makes the store's certificates ends on 2036-11-19",
            "`fab rotate-certificates` makes a new one",
        )
    ]
