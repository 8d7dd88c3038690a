"""What all tests share: `tests` as a package of helpers, and how hard Hypothesis tries."""

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

# A shell starts what it puts in the background with Ctrl-C ignored, and everything that pytest starts would
# inherit that: tests that send one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "take_back",
    "preflight_pairs",
    "preflight_hosts",
    "refusals",
    "interrupt",
    "commands",
    "deploy",
    "batches",
)
"""Lab tests that take longest, the longest first: with several workers they must not come last."""
LABS = ("tests/contract/", "tests/lab/test_lab_")
"""Tests of labs come and go with labs of their own, in one worker: they compare all that labs leave."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With pytest-xdist a file is a group, whose tests share hosts; groups are started in this order."""

    def weight(item):
        lab = item.get_closest_marker("lab") is not None
        return not lab, next((n for n, name in enumerate(SLOW) if f"_{name}.py" in item.nodeid), len(SLOW))

    items.sort(key=weight)
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("labs" if file.startswith(LABS) else file))


settings.register_profile(
    "overweave", deadline=None, max_examples=60, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("overweave")
