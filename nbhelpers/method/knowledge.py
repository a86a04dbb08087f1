"""Knowledge points: regions that speak for one category, and whether they speak truly (Sec. 3.4 of the paper)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nbhelpers.maths.arrays import Array, as_tensor, check_choice, check_weights, on_tensors, polar
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.radial import concentrate, log_posterior

NORMALISATIONS = ("last", "own")
THRESHOLD = 0.4
"""Probability above which a region speaks for a category: the paper's."""


@dataclass(frozen=True)
class KnowledgePoints:
    """What every region of every image says.

    Attributes
    ----------
    category : int64 (N, R)
        The likeliest category.
    probability : float32 (N, R)
        Its probability, in (0, 1].
    masks, reliable_masks : bool (N, R)
        Regions that are knowledge points; those of them that name the true category.
    total, reliable : int64 (N,)
        Their numbers in each image.
    """

    category: np.ndarray
    probability: np.ndarray
    masks: np.ndarray
    reliable_masks: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.masks.sum(axis=1)

    @property
    def reliable(self) -> np.ndarray:
        return self.reliable_masks.sum(axis=1)

    @property
    def ratio(self) -> float:
        """Share of the knowledge points of all images that are reliable; NaN where there is none."""
        count = int(self.masks.sum())
        return int(self.reliable_masks.sum()) / count if count else float("nan")


@on_tensors(h="N R d", directions="C d", weights="C", labels="N, of C")
def knowledge_points(
    h: Array,
    directions: Array,
    weights: Array,
    labels: Any,
    kappa: KappaCurve | float,
    *,
    threshold: float = THRESHOLD,
) -> KnowledgePoints:
    r"""Find the regions that speak for one category.

    .. math:: p(c|h) \propto \pi_c \exp[\kappa(\|h\|) \cos(h, \mu_c)]

    A region is a knowledge point if its likeliest category has a probability above the threshold; it is reliable if
    that is the true category of its image.

    Parameters
    ----------
    h : (N, R, d)
        Regional features, as of :class:`~nbhelpers.RegionProjection`.
    directions, weights : (C, d), (C,)
        :math:`\mu` and :math:`\pi` of the sample features.
    labels : (N,)
        True categories, 0 ... C - 1.
    kappa : KappaCurve or float
        :math:`\kappa` of the projection, as ``RegionalFeatures.kappa``, or the concentration it ends at.
    threshold : float
        :math:`\tau`, between 0 and 1.

    Returns
    -------
    KnowledgePoints

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, labels or threshold are out of range, or weights are negative or do
        not sum to 1.

    Examples
    --------
    >>> north, east = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    >>> h = np.stack([[3 * north, 3 * east, 0 * north], [0.1 * north, 3 * north, 2 * east]])
    >>> points = knowledge_points(h, np.stack([north, east, -north]), np.ones(3) / 3, [0, 1], kappa=1000.0)
    >>> points.total.tolist(), points.reliable.tolist(), points.ratio
    ([2, 2], [1, 1], 0.5)
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is a probability between 0 and 1, got {threshold!r}")
    p = posterior(h, directions, weights, kappa)
    best, category = p.max(dim=2)
    masks = best > threshold
    reliable = masks & (category == labels[:, None])
    return KnowledgePoints(*(part.cpu().numpy() for part in (category, best.float(), masks, reliable)))


@on_tensors(h="... d", directions="C d", weights="C")
def category_probabilities(h: Array, directions: Array, weights: Array, kappa: KappaCurve | float) -> Array:
    r"""What every region says: :math:`p(c|h) \propto \pi_c \exp[\kappa(\|h\|) \cos(h, \mu_c)]`.

    From h (..., d) to probabilities (..., C) that sum to 1 along the last axis; parameters and errors are those of
    :func:`knowledge_points`.

    Examples
    --------
    >>> north, east = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> category_probabilities(np.stack([0 * north, 3 * east]), np.stack([north, east]), [0.5, 0.5], 1000.0).round(2)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    return posterior(h, directions, weights, kappa)


def posterior(
    h: torch.Tensor, directions: torch.Tensor, weights: torch.Tensor, kappa: KappaCurve | float
) -> torch.Tensor:
    """:func:`category_probabilities` of float64 tensors that a door has read."""
    check_weights(weights[None], "weights", len(weights))
    d = h.shape[-1]
    curve = kappa if isinstance(kappa, KappaCurve) else KappaCurve(kappa, d)
    if curve.dim != d:
        raise ValueError(f"kappa is a curve for {curve.dim} coordinates, but h has {d}")
    pull = concentrate(h.reshape(-1, d), curve)
    p = log_posterior(pull, weights.log(), polar(directions)[0]).exp()
    return p.view(*h.shape[:-1], -1)


def probability_of(p: np.ndarray, category: np.ndarray) -> np.ndarray:
    """What the regions of each image say of that image's own ``category``: (N, R, C) and (N,) to (N, R).

    Examples
    --------
    >>> probability_of(np.array([[[0.9, 0.1]], [[0.3, 0.7]]]), np.array([1, 1])).tolist()
    [[0.1], [0.7]]
    """
    return np.take_along_axis(p, category[:, None, None], axis=2)[..., 0]


def normalize_strength(layers: Mapping[str, Array], to: str = "last") -> dict[str, Array]:
    """Bring the regional features of several layers to one mean strength, so that their counts can be compared.

    Parameters
    ----------
    layers : mapping of name to (N, R, d)
        From shallow to deep.
    to : {"last", "own"}
        Mean strength that each layer gets: the deepest layer's (the paper), or 1 (the authors' code).

    Raises
    ------
    ValueError
        If ``to`` is neither, there is no layer, or all features of a layer are zero.

    Examples
    --------
    >>> h = np.ones((2, 4, 3))
    >>> scaled = normalize_strength({"conv_12": 5 * h, "conv_53": 2 * h})
    >>> float(scaled["conv_12"][0, 0, 0]), float(scaled["conv_53"][0, 0, 0])
    (2.0, 2.0)
    """
    check_choice(to, "to", NORMALISATIONS)
    if not layers:
        raise ValueError("layers is empty: give at least one layer's regional features")
    means = {
        name: float(as_tensor(h, name, ndim=3, dtype=torch.float64, bounded=True).norm(dim=2).mean())
        for name, h in layers.items()
    }
    if silent := [name for name, mean in means.items() if mean == 0]:
        raise ValueError(f"all regional features of {', '.join(silent)} are zero: no strength to normalise")
    wanted = list(means.values())[-1] if to == "last" else 1.0
    units = {name: 2.0 ** math.frexp(mean)[1] for name, mean in means.items()}  # float32 may not hold wanted / mean
    return {name: h / units[name] * (wanted / (means[name] / units[name])) for name, h in layers.items()}
