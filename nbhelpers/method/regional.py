"""The road from what a network computed to the regional features of its layers: w (Eq. 11-12), then h (Eq. 7-10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from nbhelpers.maths.arrays import blocks, read_large, unit_scale
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.matching import pool_regions
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection

Grid = int | tuple[int, int] | None
"""Regions a side, or rows and columns; None leaves every layer on its own."""


@dataclass(frozen=True)
class RegionalFeatures:
    """What one layer says of every region of N images.

    Attributes
    ----------
    raw : (N, K, H, W)
        The layer's features f on the grid: as they were recorded, maybe on the disk, where that is the layer's own.
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
        lengths = []
        for block in blocks(read_large(self.raw, "raw")):
            unit = unit_scale(block, 1).numpy()
            lengths.append(unit[:, 0] * np.linalg.norm(block.numpy() / unit, axis=1))
        return np.concatenate(lengths).reshape(len(self.raw), -1)


def regional_features(
    activations: Activations,
    samples: SampleProjection,
    *,
    grid: Grid = None,
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
    grid : int or (int, int), optional
        Regions a side, or rows and columns, to which every layer is averaged; by default layers keep their own grids.
        What the fits take goes with the square of the regions' number: average layers that are finer than some 20 x 20.
        What is recorded on the grid already takes no further memory, be it on the disk.
    importance, projection : RegionImportance, RegionProjection, optional
        Settings of the fits; unfitted copies are used. By default h has as many coordinates as the sample features.
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
    pooled = {}
    for layer, features in activations.regions.items():  # all before the first fit, which takes its time
        with telling(layer):
            pooled[layer] = pool_regions(features, grid)
    views = {}
    for layer, raw in pooled.items():
        with telling(layer):
            w = clone(importance or RegionImportance()).fit(raw, activations.logits)
            v = w.channel_weights_ if w.channels != "uniform" else None
            start = init[layer].projection if init else None
            fitted = clone(projection or RegionProjection(g.shape[1]))
            fitted.fit(raw, activations.logits, w.weights_, g, v, init=start)
            views[layer] = RegionalFeatures(raw, w.weights_, fitted.transform(raw), w, fitted)
    return views


@contextmanager
def telling(layer: str) -> Iterator[None]:
    """Name the layer in a ``ValueError``."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"layer {layer!r}: {error}") from None


def regional_along(
    history: Sequence[Activations], samples: Sequence[SampleProjection], *, grid: Grid = None
) -> list[dict[str, RegionalFeatures]]:
    """Regional features of every checkpoint, all in the frame of the last.

    The history shows the same images and layers, first to last, with one sample projection a checkpoint, brought to one
    frame by :func:`~nbhelpers.fit_along`. Each checkpoint is aligned with its own sample features and starts from its
    successor. Grid, results and errors are those of :func:`regional_features`; lengths that differ are refused, too.
    """
    if len(history) != len(samples):
        raise ValueError(f"every checkpoint needs its sample projection: got {len(history)} and {len(samples)}")
    later: dict[str, RegionalFeatures] | None = None
    along = []
    for activations, projection in zip(reversed(history), reversed(samples), strict=True):
        later = regional_features(activations, projection, grid=grid, init=later)
        along.append(later)
    return along[::-1]
