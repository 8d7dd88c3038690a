"""Lab hosts for a measurement, fresh and quiet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from overweave import inventory
from overweave.lab import Lab
from overweave.model import Fleet

NAME = "bench"
SETTLE = 3
"""Seconds after boot, so that what a host still starts does not weigh on whoever comes first."""


@contextlib.contextmanager
def hosts(count: int, subnet: str) -> Iterator[tuple[Fleet, Path]]:
    """``count`` hosts that were just booted, and the file of their inventory."""
    lab = Lab.up(NAME, count, subnet=subnet)
    try:
        file = lab.spec.folder / "inventory.yml"
        lab.write_inventory(file)
        time.sleep(SETTLE)
        yield inventory.load(file), file
    finally:
        lab.down()


def is_taken() -> bool:
    return NAME in {lab.name for lab in Lab.all()}
