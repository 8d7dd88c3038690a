"""What the pipeline refuses by itself; the rest of it runs in tests/lab."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site

from overweave.errors import FleetError, Refused
from overweave.model import Archive
from overweave.pipeline import missing_archives
from overweave.plan import refuse


def test_archives_that_are_needed_and_not_there_are_refused(tmp_path):
    fleet = Site().fleet
    (tmp_path / "busybox.tar").touch()
    archives = {
        "consul:1.8.7": Archive(tmp_path / "consul.tar"),
        "busybox:1.36": Archive(tmp_path / "busybox.tar"),
        "not-used:1": Archive(tmp_path / "other.tar"),
    }
    found = missing_archives(replace(fleet, images=replace(fleet.images, archives=archives)))
    assert [str(e) for e in found] == [
        f"image archive {tmp_path}/consul.tar for consul:1.8.7: no such file\n"
        "  -> make it with `docker save -o consul.tar consul:1.8.7`"
    ]


def test_no_refusal_is_no_error_one_is_itself_and_several_are_one():
    refuse([])
    one, two = Refused("x", host="a"), Refused("y", host="b")
    with pytest.raises(Refused) as caught:
        refuse([one])
    assert caught.value is one
    with pytest.raises(FleetError, match=r"^a: x\nb: y$"):
        refuse([one, two])
