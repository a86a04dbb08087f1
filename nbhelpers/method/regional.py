"""The road from what a network computed to the regional features of its layers: w (Eq. 11-12), then h (Eq. 7-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import clone

from nbhelpers.maths.arrays import unit_scale
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection

GRID = 8
"""Regions a side to which every layer is brought."""


@dataclass(frozen=True)
class RegionalFeatures:
    """What one layer says of every region of N images.

    Attributes
    ----------
    raw : float32 (N, K, H, W)
        The layer's features f on the common grid.
    weights : float32 (N, R)
        Importance w; each row sums to 1.
    h : float32 (N, R, d)
        The projected features.
    importance, projection : RegionImportance, RegionProjection
        The fits behind them.
    """

    raw: np.ndarray
    weights: np.ndarray
    h: np.ndarray
    importance: RegionImportance
    projection: RegionProjection

    @property
    def kappa(self) -> KappaCurve:
        """The curve that h was fitted with, and is to be read with."""
        return KappaCurve(self.projection.kappa_max, self.h.shape[2])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of regions."""
        return self.raw.shape[2], self.raw.shape[3]

    @property
    def strength(self) -> np.ndarray:
        """Length of h, (N, R)."""
        return np.linalg.norm(self.h, axis=2)

    @property
    def raw_strength(self) -> np.ndarray:
        """Length of f, the control, (N, R)."""
        unit = unit_scale(torch.from_numpy(self.raw), 1).numpy()
        return (unit[:, 0] * np.linalg.norm(self.raw / unit, axis=1)).reshape(len(self.raw), -1)


def regional_features(
    activations: Activations,
    samples: SampleProjection,
    *,
    grid: int = GRID,
    importance: RegionImportance | None = None,
    projection: RegionProjection | None = None,
    init: Mapping[str, RegionalFeatures] | None = None,
) -> dict[str, RegionalFeatures]:
    """Importance and projected features of every recorded layer, in the frame of the sample features.

    Parameters
    ----------
    activations : Activations
        With the regional features of at least one layer.
    samples : SampleProjection
        Fitted to the same network: its embedding of the images is what regions are aligned with.
    grid : int
        Regions a side; every layer is averaged to it.
    importance, projection : RegionImportance, RegionProjection, optional
        Settings of the fits; unfitted copies are used.
    init : mapping of str to RegionalFeatures, optional
        Of the same layers at a neighbouring checkpoint, to start from.

    Raises
    ------
    ValueError
        If no layer was recorded, a layer's own grid is coarser, or a fit refuses its input.

    Examples
    --------
    >>> from nbhelpers.experiments.study import Study
    >>> study = Study("scenes")
    >>> some = study.images().subset(per_category=5)
    >>> a = study.activations(layers=("conv_53",), images=some)
    >>> samples = SampleProjection().fit(a.features, a.logits)
    >>> regional_features(a, samples)["conv_53"].h.shape
    (50, 64, 3)
    """
    if not activations.regions:
        raise ValueError("no regional features recorded; name layers, such as study.activations(layers=('conv_53',))")
    g = samples.transform(activations.features)
    views = {}
    for layer, features in activations.regions.items():
        raw = pool_regions(features, grid)
        w = clone(importance or RegionImportance()).fit(raw, activations.logits)
        v = w.channel_weights_ if w.channels != "uniform" else None
        start = init[layer].projection if init else None
        fitted = clone(projection or RegionProjection()).fit(raw, activations.logits, w.weights_, g, v, init=start)
        views[layer] = RegionalFeatures(raw, w.weights_, fitted.transform(raw), w, fitted)
    return views


def regional_along(
    history: Sequence[Activations], samples: Sequence[SampleProjection], *, grid: int = GRID
) -> list[dict[str, RegionalFeatures]]:
    """Regional features of every checkpoint, all in the frame of the last.

    Each checkpoint is aligned with its own sample features and starts from its successor.

    Parameters
    ----------
    history : sequence of Activations
        Of the same images and layers, first to last.
    samples : sequence of SampleProjection
        One a checkpoint, brought to one frame by :func:`~nbhelpers.fit_along`.
    grid : int
        Regions a side.

    Returns
    -------
    list of dict, as of :func:`regional_features`, whose errors are these, too; ValueError if the lengths differ.
    """
    if len(history) != len(samples):
        raise ValueError(f"every checkpoint needs its sample projection: got {len(history)} and {len(samples)}")
    later: dict[str, RegionalFeatures] | None = None
    along = []
    for activations, projection in zip(reversed(history), reversed(samples), strict=True):
        later = regional_features(activations, projection, grid=grid, init=later)
        along.append(later)
    return along[::-1]
