"""The hosts that the tests of the product share, in a known state at the begin of each test."""

from __future__ import annotations

import pytest
from tests.lab.bed import LAB, NET, bed_of, fresh


@pytest.fixture(scope="session")
def bed(tmp_path_factory):
    """Three clean hosts."""
    lab = fresh(LAB, hosts=3, subnet=f"{NET}.0/24")
    with bed_of(lab, tmp_path_factory.mktemp("bed")) as made:
        # What happens on a host is the same with one server, and three take longer.
        made.write_inventory(servers=1)
        made.loaded = True
        made.make_clean()
        yield made


@pytest.fixture
def clean(bed):
    """The bed without an overlay, as after the first boot, but with the images of one."""
    bed.make_clean()
    yield bed
    bed.mend()


@pytest.fixture
def bare(bed):
    """The bed without an overlay and without an image."""
    bed.make_bare()
    yield bed
    bed.mend()


@pytest.fixture
def deployed(bed):
    """The bed with a proven overlay."""
    bed.make_deployed()
    yield bed
    bed.mend()
