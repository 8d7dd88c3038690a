"""What only a version says; what else forbids an overlay is in tests/golden."""

from __future__ import annotations

import pytest
from tests.golden.site import Site, inventory_of

from overweave.plan import plan
from overweave.preflight.engine import version


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("20.10.5+dfsg1-1+deb11u2", (20, 10, 5)),
        ("17.05.0-ce", (17, 5, 0)),
        ("1.13.1", (1, 13, 1)),
        ("22.06.0-beta.0", (22, 6, 0)),
        ("26.1.5", (26, 1, 5)),
        ("dev", ()),
        ("", ()),
    ],
)
def test_versions_as_engines_and_packages_write_them(text, numbers):
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("1.13.1", True), ("20.10.24", True), ("22.05", True), ("22.06.0-beta.0", False), ("23.0.0", False)],
)
def test_the_last_line_with_a_cluster_store_is_20_10(text, allowed):
    site = Site(inventory_of(3, backend="consul"))
    for box in site.boxes.values():
        box.version = text
    try:
        planned = bool(plan(site.fleet, site.facts()))
    except Exception as e:
        planned = "has no cluster store: it was removed after 20.10" not in str(e)
    assert planned is allowed
