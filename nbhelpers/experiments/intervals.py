"""How far a recorded number may be off: 95 % intervals over seeds and over images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
REFITS = 20
"""On so many random halves of the images everything is fitted again where one training must carry an interval."""


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


def halves(images: int) -> list[np.ndarray]:
    """Where the images of each random half stand, :data:`REFITS` of them, drawn without replacement; always the same.

    >>> len(halves(10)), len(halves(10)[0]), len(set(halves(10)[0]))
    (20, 5, 5)
    """
    rng = np.random.default_rng(0)
    return [np.sort(rng.permutation(images)[: images // 2]) for _ in range(REFITS)]


def half_interval(value: float, halves: Sequence[float]) -> tuple[float, float, float]:
    """What was found on all images, and the ends of its 95 % interval from refits on random halves of them.

    With halves drawn without replacement the spread of the refits is that of the whole (the delete-d jackknife of Shao
    and Wu, *Annals of Statistics* 17, 1989, whose factor (n - d) / d is 1 for halves): it holds what the images and the
    fit add, and no image stands twice, which embeddings by neighbours do not bear.

    >>> tuple(round(x, 2) for x in half_interval(0.5, [0.4, 0.5, 0.6]))
    (0.5, 0.07, 0.93)
    """
    half = stats.t.ppf((1 + LEVEL) / 2, len(halves) - 1) * np.std(halves, ddof=1)
    return value, float(value - half), float(value + half)
