"""What the regions of some images say, layer by layer: importance, projection, controls, knowledge points, Shapley."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nbhelpers.images import ImageSet
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.activations import Activations
from nbhelpers.method.knowledge import KnowledgePoints, knowledge_points, normalize_strength
from nbhelpers.method.regional import regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.network import Network, evaluating
from nbhelpers.networks.recording import record
from nbhelpers.networks.tails import Tail, tail_of
from nbhelpers.probes.shapley import region_shapley

MOST, LAYERS, SIDE, FEWEST = 500, 3, 8, 3
"""Images whose regions are compared; layers; and regions a side: how many at most, and how many a layer must have."""
PERMUTATIONS, PRECISION = 100, 0.05
"""Of Shapley values: the most of each image, and the standard error, as a share of their range, that is enough."""
BATCH = 64
"""Copies of an image that tell how long its tail takes."""


@dataclass(frozen=True)
class LayerView:
    """What one layer says of the regions of n images on a common grid.

    Attributes
    ----------
    weights, raw_strength : (n, R)
        Importance w, and the length of the plain feature f.
    h : (n, R, 3)
    """

    weights: np.ndarray
    h: np.ndarray
    raw_strength: np.ndarray

    @property
    def strength(self) -> np.ndarray:
        """Length of h, (n, R)."""
        return np.linalg.norm(self.h, axis=2)


def choose_layers(shapes: Mapping[str, tuple[int, ...]], asked: Sequence[str] | None) -> list[str]:
    """The layers to look at, from shallow to deep: those asked for, or the last few that have regions enough.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Channels, rows and columns of every layer; those without a grid have channels alone.
    asked : sequence of str, optional

    Raises
    ------
    ValueError
        If there is none, or one that is asked for does not exist or has no regions; the message lists what there is.

    Examples
    --------
    >>> choose_layers({"stem": (8, 28, 28), "middle": (16, 14, 14), "last": (32, 7, 7), "pool": (32,)}, None)
    ['stem', 'middle', 'last']
    """
    sides = {layer: min(shape[1:], default=1) for layer, shape in shapes.items()}
    grids = ", ".join(f"{layer} ({'x'.join(map(str, shape[1:])) or 'no grid'})" for layer, shape in shapes.items())
    if asked is not None and not asked:
        raise ValueError(f"no layer asked for has regions that the outputs depend on; there are {grids}")
    if asked is not None:
        if wrong := [layer for layer in asked if sides.get(layer, 1) == 1]:
            raise ValueError(f"no regions in {', '.join(wrong)}; this network has {grids}")
        return [layer for layer in shapes if layer in asked]
    if not (fine := [layer for layer, side in sides.items() if side >= FEWEST]):
        raise ValueError(f"no layer has {FEWEST} or more regions a side: give larger images; there are {grids}")
    return fine[-LAYERS:]


def common_grid(own: tuple[int, int]) -> tuple[int, int]:
    """The grid on which layers are compared, from the deepest one's own: halved until it has at most 8 a side.

    >>> common_grid((7, 7)), common_grid((14, 14)), common_grid((16, 24)), common_grid((15, 15))
    ((7, 7), (7, 7), (8, 6), (15, 15))
    """
    rows, columns = own
    while rows > SIDE and rows % 2 == 0:
        rows //= 2
    while columns > SIDE and columns % 2 == 0:
        columns //= 2
    return rows, columns


def view_layer(activations: Activations, samples: SampleProjection, layer: str) -> dict[str, np.ndarray]:
    """The arrays of a :class:`LayerView`, from one recorded layer."""
    a, regions = activations, activations.regions[layer]
    alone = Activations(a.logits, a.features, a.labels, a.categories, {layer: regions})
    view = regional_features(alone, samples)[layer]
    return {"weights": view.weights, "h": view.h, "raw_strength": view.raw_strength}


def control_lengths(
    activations: Activations, samples: SampleProjection, layer: str, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Lengths (n, R) of projections that know less than h does.

    ``permuted`` was fitted to weights that were dealt out anew among the regions of each image, ``drawn`` is random.
    """
    regions = activations.regions[layer]
    g = samples.transform(activations.features)
    generator = np.random.default_rng(0)
    dealt = generator.permuted(weights, axis=1)
    fitted = RegionProjection().fit(regions, activations.logits, dealt, g)
    drawn = generator.normal(size=(g.shape[1], regions.shape[1])).astype(np.float32)
    lengths = np.linalg.norm(np.einsum("dk,nkhw->ndhw", drawn, regions), axis=1)
    return {
        "permuted": np.linalg.norm(fitted.transform(regions), axis=2),
        "drawn": lengths.reshape(len(lengths), -1),
    }


def points_by_layer(
    views: Mapping[str, LayerView], samples: SampleProjection, labels: np.ndarray
) -> dict[str, KnowledgePoints]:
    """Knowledge points of each layer, shallow to deep, strengths brought to the deepest one's mean."""
    scaled = normalize_strength({layer: view.h for layer, view in views.items()})
    curve = KappaCurve(RegionProjection().kappa_max, samples.n_components)
    return {
        layer: knowledge_points(h, samples.directions_, samples.weights_, labels, curve) for layer, h in scaled.items()
    }


def shapley_values(
    network: Network, layer: str, images: ImageSet, targets: np.ndarray, grid: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Shapley values of the cells of a common grid and their standard errors, (n, R), of a layer's own regions.

    A cell of a layer with a finer grid is a block of regions that come and go together.
    """
    features = record(network, images, (layer,)).regions[layer]
    values, errors = region_shapley(
        tail_of(network, layer, images),
        features,
        targets,
        players=grid,
        method="permutation",
        permutations=PERMUTATIONS,
        precision=PRECISION,
    )
    return {"values": values, "errors": errors}


def try_tail(network: Network, layer: str, images: ImageSet) -> tuple[bool, float]:
    """Whether the network's outputs depend on the regions of a layer at all, and seconds that its tail takes an image.

    The outputs of a transformer that reads its class token do not depend on the last patches. Where there is no tail,
    they are taken to depend on them, in no time.
    """
    try:
        tail = tail_of(network, layer, images)
    except ValueError:
        return True, 0.0
    features = record(network, images, (layer,)).regions[layer]
    device = next(network.parameters()).device
    regions = torch.from_numpy(np.array(features)).to(device)
    with torch.no_grad(), evaluating(network):
        heard = not torch.allclose(tail(regions), tail(torch.zeros_like(regions)), rtol=1e-5, atol=1e-6)
        alone = tail.of_images([0]) if isinstance(tail, Tail) else tail
        many = regions[:1].expand(BATCH, -1, -1, -1).contiguous()
        start = time.perf_counter()
        alone(many)
        return heard, (time.perf_counter() - start) / BATCH
