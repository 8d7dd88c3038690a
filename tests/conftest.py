"""What all tests share: `tests` as a package of helpers, and how hard Hypothesis tries."""

import os
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

# A shell starts what it puts in the background with Ctrl-C ignored, and everything that pytest starts would
# inherit that: tests that send one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "store_servers",
    "take_back",
    "migrate",
    "preflight_pairs",
    "doctor",
    "hosts",
    "boot",
    "diagnosis",
    "preflight_hosts",
    "refusals",
    "interrupt",
    "commands",
    "deploy",
    "batches",
    "data_lost",
    "engines",
    "etcd",
    "swarm",
    "apply_networks",
    "trace",
    "store",
    "bench",
    "proof",
)
"""Lab tests that take longest, the longest first: with several workers they must not come last."""


def pytest_collection_modifyitems(items):
    """Files are started in this order, each by one worker, whose hosts its tests share."""

    def weight(item):
        lab = item.get_closest_marker("lab") is not None
        return not lab, next((n for n, name in enumerate(SLOW) if f"_{name}.py" in item.nodeid), len(SLOW))

    items.sort(key=weight)


# The same examples in every run, or somebody else's change is refused for what was there before. New ones:
# OVERWEAVE_EXAMPLES=2000 scripts/test tests/golden
EXAMPLES = os.environ.get("OVERWEAVE_EXAMPLES")
settings.register_profile(
    "overweave",
    deadline=None,
    max_examples=int(EXAMPLES or 30),
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("overweave")
