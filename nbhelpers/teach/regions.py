"""Checks for chapter 2: knowledge points, where they lie, one mean strength for all layers, paths through depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_knowledge_mask(function: Answer) -> str:
    """Check ``function(probabilities (N, R, C), labels (N,), threshold) -> (masks, reliable)``, both boolean (N, R)."""
    sure, torn, dull, half = np.array([[12, 2, 2], [8, 7, 1], [6, 5, 5], [0, 8, 8]]) / 16
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
    crossed = masks & (probabilities.argmax(axis=2) == labels)
    sure_of_truth = masks & (probabilities[np.arange(3), :, labels] > 0.4)
    compare(
        reliable,
        [[1, 1, 0], [0, 0, 1], [0, 0, 1]],
        "a knowledge point is reliable if its likeliest category is the label of its image",
        (crossed, "labels belong to the first axis, the images: compare with labels[:, None]"),
        (sure_of_truth, "0.44 is above 0.4, but another category has 0.5 there: reliable if the likeliest one is true"),
    )
    masks, _ = asked(0.5)
    expect(np.array_equal(masks, probabilities.max(axis=2) > 0.5), "above the threshold: equal to it is not enough")
    return PASSED


def check_enrichment(function: Answer) -> str:
    """Check ``function(masks (N, R), object_share (N, R)) -> ratio``: how much more often points lie on the object.

    >>> def enrichment(masks, object_share):
    ...     on_object = object_share >= 0.5
    ...     return on_object[masks].mean() / on_object.mean()
    >>> check_enrichment(enrichment)
    'Right.'
    """
    share = np.array([[1.0, 0.5, 0.4, 0.0, 0.0, 0.0], [0.8, 0.2, 0.0, 0.0, 0.0, 0.0]])
    masks = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]], bool)
    on_object, strict = share >= 0.5, share > 0.5
    got = ask(function, masks, share, what="one number for all images together")
    compare(
        got,
        2,
        f"2 of the 4 points and 3 of all the 12 regions are on the object: expected 0.5 / 0.25 = 2, got {got:.4g}. "
        "Count over all images at once, not image by image",
        (strict[masks].mean() / strict.mean(), "a region that the object fills by exactly one half counts: >= 0.5"),
        (on_object[masks].mean(), "the share of points on the object: divide it by what chance by area would give"),
        (masks[on_object].mean(), "the share of object regions that are points: asked is that of points on object"),
        (share[masks].mean() / share.mean(), "decide for each region whether it is object (>= 0.5), then average"),
    )
    everywhere = function(np.ones_like(masks), share)
    expect(np.isclose(everywhere, 1), f"if every region is a point, they lie there by chance: 1, got {everywhere:.4g}")
    return PASSED


def check_same_mean_strength(function: Answer) -> str:
    """Check ``function(layers) -> layers``, features (N, R, 3) by name scaled to the last one's mean strength."""
    rng = np.random.default_rng(3)
    strengths = rng.gamma(1.5, size=(3, 4, 5, 1)) * np.array([0.5, 1, 3])[:, None, None, None]
    layers = dict(zip(("conv_33", "conv_43", "conv_53"), strengths * rng.normal(size=(3, 4, 5, 3)), strict=True))

    def scaled(handed: dict[str, np.ndarray]) -> list[np.ndarray]:
        answer = function(handed)
        end = "end it with `return` and a dictionary, one array a layer"
        expect(isinstance(answer, Mapping), f"the function returns {type(answer).__name__}: {end}")
        order = f"the same layers in the same order: {', '.join(layers)}; got {', '.join(map(str, answer))}"
        expect(list(answer) == list(layers), order)
        return list(answer.values())

    got = ask(scaled, layers, shape=(3, 4, 5, 3), what="shapes stay in all three layers")
    target = np.linalg.norm(layers["conv_53"], axis=2).mean()
    for (name, h), answer in zip(layers.items(), got, strict=True):
        strength = np.linalg.norm(answer, axis=2)
        factor = strength / np.linalg.norm(h, axis=2)
        compare(answer, h * factor[..., None], f"{name}: only the strength is to change, not the direction")
        one = f"{name}: one factor for the whole layer, or regions and images can no longer be compared"
        expect(np.ptp(factor) < 1e-9 * factor.max(), one)
        compare(
            strength.mean(),
            target,
            f"{name}: expected the last layer's mean strength of {target:.4f}, got {strength.mean():.4f}. The mean "
            "strength is the mean of the norms over all images and regions",
        )
    return PASSED


def check_path_turn(function: Answer) -> str:
    """Check ``function(h_by_layer (L, R, 3)) -> (L - 1, R)``: how far each region turns, in degrees, layer by layer."""
    x, y, z = np.eye(3)
    h = np.array([[x, 2 * x, y, x], [3 * y, x + y, 0 * y, -5 * x], [z, y, z, -x]])
    got = ask(function, h, shape=(2, 4), what="one angle a step from layer to layer and region")
    right, from_the_first = np.array([[90, 45, 180], [90, 45, 0]]), np.array([[90, 45, 180], [90, 90, 180]])
    known = got[:, [0, 1, 3]]  # the third region vanishes in the second layer
    expect(not np.allclose(known, np.radians(right)), "in degrees, not in radians")
    before = "between each layer and the one before it, not between each layer and the first"
    expect(not np.allclose(known, from_the_first, atol=1e-4), before)
    expect(np.isnan(got[:, 2]), "a vector of length 0 has no direction: its angles are unknown, NaN")
    cosine = "the cosine of the angle is the dot product of the two directions, each divided by its length"
    compare(known, right, cosine, atol=1e-4)
    straight = np.random.default_rng(4).normal(size=(1, 400, 3)) * np.array([1, 3, 0.7])[:, None, None]
    clip = "rounding makes some cosines of parallel vectors larger than 1, and arccos of that is NaN: clip to [-1, 1]"
    compare(function(straight), 0, clip, atol=1e-4)
    return PASSED
