"""What all tests share: the same examples in every run, no limit by the clock, and figures without a screen."""

import os

from hypothesis import settings

# Importing it makes every study small: for the workers of a cluster, not for these tests.
collect_ignore = ["shrunken.py"]

collect_ignore = ["benchmarks"]  # scripts that `make bench` runs

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
os.environ["MPLBACKEND"] = "agg"
