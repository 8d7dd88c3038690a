"""The hosts that the tests of the product share, in a known state at the begin of each test."""

from __future__ import annotations

import shutil

import pytest
from tests.lab.bed import LAB, NET, Bed, fresh


@pytest.fixture(scope="session")
def bed(tmp_path_factory):
    """Three clean hosts."""
    lab = fresh(LAB, hosts=3, subnet=f"{NET}.0/24")
    try:
        made = Bed(lab, tmp_path_factory.mktemp("bed"))
        lab.write_inventory(made.inventory)
        # What happens on a host is the same with one server, and three take longer.
        made.write_inventory(servers=1)
        (made.home / ".ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(lab.known_hosts, made.home / ".ssh/known_hosts")
        made.make_clean()
        yield made
    finally:
        lab.down()


@pytest.fixture
def clean(bed):
    """The bed without an overlay, as after the first boot."""
    bed.make_clean()
    yield bed
    bed.mend()


@pytest.fixture
def deployed(bed):
    """The bed with a proven overlay."""
    bed.make_deployed()
    yield bed
    bed.mend()
