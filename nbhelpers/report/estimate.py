"""How long a report will take on this machine, told before the work: a few images are tried, the rest is counted."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch

from nbhelpers.report.findings import CHOSEN
from nbhelpers.report.regions import PERMUTATIONS

PARTNERS, PASSES = 200, 3.0
"""Images that each one is compared with, and how often the fits of a layer go over all pairs of their regions."""
FIT = 2e-6
"""Seconds that the fits of arrows take for each number of the features."""
DRAWING = 15.0
"""Seconds that figures and page take."""


def estimate(
    each: float, tail: float, images: int, compared: int, features: int, channels: Mapping[str, int], regions: int
) -> dict[str, float]:
    """Seconds by stage.

    Parameters
    ----------
    each : float
        Seconds to read and record an image.
    tail : float
        Seconds of one run of the deepest layer's tail for one image.
    images, compared : int
        How many there are, and of how many the regions are compared.
    features : int
        Numbers of one sample feature.
    channels : mapping of str to int
        Of the layers whose regions are compared.
    regions : int
        Of an image.
    """
    passes = images + (compared if compared < images else 0)
    pairs = compared * min(compared, PARTNERS) * regions**2
    operations = PASSES * 2 * pairs * sum(channels.values())
    return {
        "recording": each * passes,
        "fits of arrows": FIT * images * features,
        "regions": operations / _rate(),
        "Shapley values": tail * CHOSEN * PERMUTATIONS * (regions - 1),
        "page": DRAWING,
    }


def in_minutes(seconds: Mapping[str, float]) -> str:
    """The whole and its parts.

    >>> in_minutes({"recording": 60, "regions": 90})
    'about 2.5 minutes (recording 1.0, regions 1.5)'
    """
    parts = ", ".join(f"{stage} {its / 60:.1f}" for stage, its in seconds.items())
    return f"about {sum(seconds.values()) / 60:.1f} minutes ({parts})"


def _rate() -> float:
    """Operations a second of products like those that compare regions."""
    a = torch.from_numpy(np.random.default_rng(0).random((2048, 256), np.float32))
    a @ a.T
    start = time.perf_counter()
    for _ in range(4):
        a @ a.T
    return 4 * 2 * 2048 * 2048 * 256 / (time.perf_counter() - start)
