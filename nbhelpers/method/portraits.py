"""One frame for two networks: how the regional features of a student are laid over its teacher's (Fig. 9 right)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone

from nbhelpers.maths.arrays import Array, on_tensors
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.knowledge import KnowledgePoints, knowledge_points, normalize_strength
from nbhelpers.method.regional import Grid, RegionalFeatures, regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection


@dataclass(frozen=True)
class Portrait:
    """What one network says of N images: its sample features, and the regional features of its layers.

    Attributes
    ----------
    activations : Activations
    samples : SampleProjection
    regions : dict of str to RegionalFeatures
        By layer, shallow to deep.
    """

    activations: Activations
    samples: SampleProjection
    regions: dict[str, RegionalFeatures]

    @property
    def embedding(self) -> np.ndarray:
        """The sample features g, (N, d)."""
        return self.samples.transform(self.activations.features)

    def points(self, to: str = "last") -> dict[str, KnowledgePoints]:
        """Knowledge points of every layer; strengths, and errors, are those of
        :func:`~nbhelpers.method.knowledge.normalize_strength`.
        """
        scaled = normalize_strength({layer: view.h for layer, view in self.regions.items()}, to)
        mu, pi, labels = self.samples.directions_, self.samples.weights_, self.activations.labels
        return {layer: knowledge_points(h, mu, pi, labels, self.regions[layer].kappa) for layer, h in scaled.items()}


def portray(
    activations: Activations,
    reference: Portrait | None = None,
    *,
    grid: Grid = None,
    samples: SampleProjection | None = None,
    importance: RegionImportance | None = None,
    projection: RegionProjection | None = None,
) -> Portrait:
    """Fit the sample and the regional features of one network, in the frame of another where one is given.

    Two networks share no axes: any turn of all directions fits equally well, and some arrangements of the categories
    fit nearly equally well. So a student's sample features start where a linear map of them comes closest to its
    teacher's embedding of the same images, and are in the end turned to it (orthogonal Procrustes); then its regions
    are fitted to them. Lengths need no such step: both are evidence in the units of one curve :math:`\\kappa(l)`.

    Parameters
    ----------
    activations : Activations
        With the regional features of at least one layer.
    reference : Portrait, optional
        Of the same images by another network, such as the teacher.
    grid : int or (int, int), optional
        Regions a side, or rows and columns; by default every layer keeps its own.
    samples, importance, projection : SampleProjection, RegionImportance, RegionProjection, optional
        Settings of the fits, of which unfitted copies are used; by default those of the reference, if there is one.

    Raises
    ------
    ValueError
        If the reference shows other images, and as :func:`~nbhelpers.regional_features`.

    Examples
    --------
    >>> from nbhelpers.experiments.study import Study
    >>> study = Study("scenes")
    >>> a = study.activations(layers=("conv_53",), images=study.images().subset(per_category=5))
    >>> portray(a, samples=SampleProjection(n_components=5), grid=4).regions["conv_53"].h.shape
    (50, 16, 5)
    """
    features, logits = activations.features, activations.logits
    settings = samples or (reference.samples if reference else SampleProjection())
    fits = {"importance": importance, "projection": projection}
    if reference and (view := next(iter(reference.regions.values()), None)):
        fits = {"importance": importance or view.importance, "projection": projection or view.projection}
    if reference is None:
        fitted = clone(settings).fit(features, logits)
    else:
        if not np.array_equal(reference.activations.labels, activations.labels):
            raise ValueError("a common frame needs the same images in the same order, but the labels differ")
        start = clone(settings)
        start.components_ = np.linalg.lstsq(features, reference.embedding, rcond=None)[0].T
        fitted = clone(settings).fit(features, logits, init=start).align(features, reference.embedding)
    return Portrait(activations, fitted, regional_features(activations, fitted, grid=grid, **fits))


@on_tensors(h="N R d", target="N R d")
def turn(h: Array, target: Array) -> Array:
    """Turn h by the one orthogonal matrix that brings it closest to the target: another choice of a common frame.

    Both are regional features of the same regions, (N, R, d), finite and of one shape, else a ``ValueError``.

    Examples
    --------
    >>> h = np.random.default_rng(0).normal(size=(4, 9, 3))
    >>> bool(np.allclose(turn(h[..., ::-1], h), h))
    True
    """
    axes, _ = orthogonal_procrustes(*(x.flatten(0, 1).cpu().numpy() for x in (h, target)))
    return h @ torch.from_numpy(axes).to(h)
