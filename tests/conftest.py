"""What all tests share: the same examples in every run, no limit by the clock, and figures without a screen."""

import os

import pytest
from hypothesis import settings

collect_ignore = ["benchmarks"]  # scripts that `make bench` runs

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
os.environ["MPLBACKEND"] = "agg"


@pytest.fixture(autouse=True)
def _no_figure_left_by_others() -> None:
    """Tests that count open matplotlib figures count their own only."""
    import matplotlib.pyplot as plt  # after the backend is chosen

    plt.close("all")
