"""How far a recorded number may be off: 95 % intervals over seeds and over images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of several seeds, and the ends of its 95 % interval (Student's t).

    >>> tuple(round(x, 2) for x in mean_interval([1.0, 2.0, 3.0]))
    (2.0, -0.48, 4.48)
    """
    mean = float(np.mean(values))
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return mean, float(mean - half), float(mean + half)


def spread_interval(mean: float, std: float, images: int) -> tuple[float, float]:
    """The ends of the 95 % interval of a mean over many images, from their standard deviation.

    >>> tuple(round(x, 2) for x in spread_interval(0.8, 0.5, 100))
    (0.7, 0.9)
    """
    half = stats.norm.ppf((1 + LEVEL) / 2) * std / images**0.5
    return float(mean - half), float(mean + half)


def pearson_interval(r: float, images: int) -> tuple[float, float]:
    """The 95 % interval of a correlation over images (Fisher's z).

    >>> tuple(round(x, 3) for x in pearson_interval(-0.95, 500))
    (-0.958, -0.941)
    """
    half = stats.norm.ppf((1 + LEVEL) / 2) / (images - 3) ** 0.5
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
