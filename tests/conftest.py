"""What all tests share: `tests` as a package of helpers, and how hard Hypothesis tries."""

import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

# A shell starts what it puts in the background with Ctrl-C ignored, and everything that pytest starts would
# inherit that: tests that send one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "overweave", deadline=None, max_examples=60, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("overweave")
