"""Checks for chapter 2: knowledge points, where they lie, one mean strength for all layers, paths through depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nbhelpers.method.knowledge import normalize_strength
from nbhelpers.teach import PASSED, ask, expect


def check_knowledge_mask(function: Callable[..., tuple[np.ndarray, np.ndarray]]) -> str:
    """Check ``function(probabilities (N, R, C), labels (N,), threshold) -> (masks, reliable)``, both boolean (N, R).

    Raises
    ------
    AssertionError
        Says what should hold.

    Examples
    --------
    >>> def points(probabilities, labels, threshold):
    ...     masks = probabilities.max(axis=2) > threshold
    ...     return masks, masks & (probabilities.argmax(axis=2) == labels[:, None])
    >>> check_knowledge_mask(points)
    'Right.'
    """
    sure, torn, dull = [0.75, 0.125, 0.125], [0.5, 0.4375, 0.0625], [0.375, 0.3125, 0.3125]
    half = [0.0, 0.5, 0.5]
    probabilities = np.array([[sure, torn, dull], [torn, sure, half], [half, dull, sure[::-1]]])
    labels = np.array([0, 1, 2])

    def asked(threshold: float) -> np.ndarray:
        what = "two arrays, masks and reliable, with one True or False a region"
        both = ask(function, probabilities, labels, threshold, shape=(2, 3, 3), what=what)
        expect(both.dtype == bool, f"{what}: expected bool, got {both.dtype}")
        return both

    masks, reliable = asked(0.4)
    expect(
        np.array_equal(masks, [[1, 1, 0], [1, 1, 1], [1, 0, 1]]),
        "a knowledge point is a region whose largest probability, over the categories, is above the threshold",
    )
    expect(~reliable | masks, "a region below the threshold is no knowledge point, so it can't be a reliable one")
    expect(
        not np.array_equal(reliable, masks & (probabilities.argmax(axis=2) == labels)),
        "labels belong to the first axis, the images: compare with labels[:, None]",
    )
    expect(
        not reliable[1, 0],
        "the true category has 0.44 there, but another has 0.5: a point is reliable if its likeliest category is true",
    )
    expect(
        np.array_equal(reliable, [[1, 1, 0], [0, 0, 1], [0, 0, 1]]),
        "a knowledge point is reliable if its likeliest category is the label of its image",
    )
    masks, _ = asked(0.5)
    expect(np.array_equal(masks, probabilities.max(axis=2) > 0.5), "above the threshold: equal to it is not enough")
    return PASSED


def check_enrichment(function: Callable[[np.ndarray, np.ndarray], float]) -> str:
    """Check ``function(masks (N, R), object_share (N, R)) -> ratio``: how much more often points lie on the object.

    The share of the points that lie on object regions (``object_share`` of at least one half), divided by the share
    of all regions that are object regions.

    Raises
    ------
    AssertionError
        Says what should hold.

    Examples
    --------
    >>> def enrichment(masks, object_share):
    ...     on_object = object_share >= 0.5
    ...     return on_object[masks].mean() / on_object.mean()
    >>> check_enrichment(enrichment)
    'Right.'
    """
    share = np.array([[1.0, 0.5, 0.4, 0.0, 0.0, 0.0], [0.8, 0.2, 0.0, 0.0, 0.0, 0.0]])
    masks = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]], bool)
    on_object = share >= 0.5
    right = on_object[masks].mean() / on_object.mean()  # (2 / 4) / (3 / 12) = 2
    got = ask(function, masks, share, shape=(), what="one number for all images together")
    strict = share > 0.5
    expect(
        not np.isclose(got, strict[masks].mean() / strict.mean()),
        "a region that the object fills by exactly one half counts as object: >= 0.5",
    )
    expect(
        not np.isclose(got, on_object[masks].mean()),
        f"{got:.2f} is the share of points on the object; divide it by what chance by area would give",
    )
    expect(
        not np.isclose(got, masks[on_object].mean()),
        f"{got:.2f} is the share of object regions that are points; asked is the share of points on object regions",
    )
    expect(
        not np.isclose(got, share[masks].mean() / share.mean()),
        "decide for each region whether it is object (object_share >= 0.5) before you average",
    )
    expect(
        np.isclose(got, right),
        f"2 of the 4 points and 3 of all the 12 regions are on the object: expected 0.5 / 0.25 = 2, got {got:.4g}. "
        "Count over all images at once, not image by image",
    )
    everywhere = function(np.ones_like(masks), share)
    expect(np.isclose(everywhere, 1), f"if every region is a point, they lie there by chance: 1, got {everywhere:.4g}")
    return PASSED


def check_same_mean_strength(function: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]) -> str:
    """Check ``function(layers) -> layers``, regional features (N, R, 3) by name scaled to the last one's mean strength.

    Raises
    ------
    AssertionError
        Says what should hold.

    Examples
    --------
    >>> def same_mean(layers):
    ...     mean = {name: np.linalg.norm(h, axis=2).mean() for name, h in layers.items()}
    ...     last = list(mean.values())[-1]
    ...     return {name: h * last / mean[name] for name, h in layers.items()}
    >>> check_same_mean_strength(same_mean)
    'Right.'
    """
    rng = np.random.default_rng(3)
    strengths = rng.gamma(1.5, size=(3, 4, 5, 1)) * np.array([0.5, 1, 3])[:, None, None, None]
    layers = dict(zip(("conv_33", "conv_43", "conv_53"), strengths * rng.normal(size=(3, 4, 5, 3)), strict=True))
    before = {name: h.copy() for name, h in layers.items()}
    answer = function(layers)
    expect(
        isinstance(answer, Mapping),
        f"the function returns {type(answer).__name__}: end it with `return` and a dictionary, one array a layer",
    )
    got = {name: np.asarray(h) for name, h in answer.items()}
    expect(
        list(layers) == list(before) and all(np.array_equal(layers[name], before[name]) for name in before),
        "the function must not change the arrays that it is given",
    )
    expect(list(got) == list(before), f"the same layers in the same order: {', '.join(before)}; got {', '.join(got)}")
    shapes = ", ".join(str(h.shape) for h in got.values())
    expect(all(h.shape == (4, 5, 3) for h in got.values()), f"shapes stay (4, 5, 3), got {shapes}")
    for name, right in normalize_strength(before, "last").items():
        factor = np.linalg.norm(got[name], axis=2) / np.linalg.norm(before[name], axis=2)
        expect(
            np.allclose(got[name], before[name] * factor[..., None]),
            f"{name}: only the strength is to change, not the direction",
        )
        expect(
            np.ptp(factor) < 1e-9 * factor.max(),
            f"{name}: one factor for the whole layer, or regions and images can no longer be compared",
        )
        mean = np.linalg.norm(got[name], axis=2).mean()
        wanted = np.linalg.norm(right, axis=2).mean()
        expect(
            np.isclose(mean, wanted),
            f"{name}: expected the last layer's mean strength of {wanted:.4f}, got {mean:.4f}. The mean strength is "
            "the mean of the norms over all images and regions",
        )
    return PASSED


def check_path_turn(function: Callable[[np.ndarray], np.ndarray]) -> str:
    """Check ``function(h_by_layer (L, R, 3)) -> (L - 1, R)``: how far each region turns, in degrees, layer by layer.

    Raises
    ------
    AssertionError
        Says what should hold.

    Examples
    --------
    >>> def turn(h):
    ...     length = np.linalg.norm(h, axis=2, keepdims=True)
    ...     o = np.divide(h, length, out=np.full_like(h, np.nan), where=length > 0)
    ...     return np.degrees(np.arccos(np.clip((o[1:] * o[:-1]).sum(axis=2), -1, 1)))
    >>> check_path_turn(turn)
    'Right.'
    """
    x, y, z = np.eye(3)
    h = np.array([[x, 2 * x, y, x], [3 * y, x + y, 0 * y, -5 * x], [z, y, z, -x]])
    got = ask(function, h, shape=(2, 4), what="one angle a step from layer to layer and region")
    right = np.array([[90, 45, np.nan, 180], [90, 45, np.nan, 0]])
    expect(not np.allclose(got[:, [0, 1, 3]], np.radians(right[:, [0, 1, 3]])), "in degrees, not in radians")
    expect(
        not np.allclose(got[:, [1, 3]], [[45, 180], [90, 180]], atol=1e-4),
        "between each layer and the one before it, not between each layer and the first",
    )
    expect(np.isnan(got[:, 2]), "a vector of length 0 has no direction: its angles are unknown, NaN")
    expect(
        np.allclose(got[:, [0, 1, 3]], right[:, [0, 1, 3]], atol=1e-4),
        "the cosine of the angle is the dot product of the two directions, each divided by its length",
    )
    straight = np.random.default_rng(4).normal(size=(1, 400, 3)) * np.array([1, 3, 0.7])[:, None, None]
    expect(
        np.allclose(function(straight), 0, atol=1e-4),
        "rounding makes some cosines of parallel vectors larger than 1, and arccos of that is NaN: clip to [-1, 1]",
    )
    return PASSED
