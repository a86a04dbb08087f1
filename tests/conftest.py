"""What all tests share: the same examples in every run, no limit by the clock, and figures without a screen."""

import os

from hypothesis import settings

# Scripts that `make bench` and people run, and what a cluster's workers import: it makes every study small.
collect_ignore = ["benchmarks", "soak", "shrunken.py"]

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
os.environ["MPLBACKEND"] = "agg"
