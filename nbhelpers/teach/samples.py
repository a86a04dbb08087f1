"""Checks for chapter 1: strength and direction, Eq. 6, the correlation of Table 1, and the number of dimensions."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from nbhelpers.method.samples import SampleProjection
from nbhelpers.probes.metrics import strength_entropy_pearson
from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_split(split: Answer) -> str:
    """Check ``split(g) -> (strength, direction)`` for g of shape (N, 3).

    >>> def split(g):
    ...     strength = np.linalg.norm(g, axis=1)
    ...     return strength, g / np.maximum(strength, 1e-12)[:, None]
    >>> check_split(split)
    'Right.'
    """
    g = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]])

    def part(g: np.ndarray, i: int) -> np.ndarray | None:
        answer = split(g)
        both = answer is None or (isinstance(answer, tuple | list) and len(answer) == 2)
        expect(both, "two arrays are asked for: end with `return strength, direction`")
        return None if answer is None else answer[i]

    strength = ask(part, g, 0, shape=(3,), what="one strength an image")
    compare(strength, [5, 2, 0], f"the strength is the Euclidean norm: expected 5, 2, 0, got {strength}")
    direction = ask(part, g, 1, shape=(3, 3), what="one direction an image")
    compare(direction[:2], [[0.6, 0.8, 0], [0, 0, -1]], "a direction is g divided by its strength, each row by its own")
    expect(np.isfinite(direction), "a feature of strength 0 has no direction: return zeros for it, not NaN")
    return PASSED


def check_category_probabilities(function: Answer) -> str:
    """Check ``function(g, directions, weights, kappa) -> Q`` against Eq. 6; ``kappa`` is a function of the strength."""
    rng = np.random.default_rng(1)
    g = rng.standard_normal((6, 3)).astype(np.float32) * np.array([[0.1], [1], [2], [4], [8], [16]], np.float32)
    directions = rng.standard_normal((4, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
    for slope in (1.0, 60.0):
        what = "one row an image, one column a category"
        got = ask(function, g, directions, weights, lambda length, s=slope: s * length, shape=(6, 4), what=what)
        expect(np.isfinite(got), "exp(kappa) overflows at large kappa: subtract the row's largest logarithm first")
        expect(np.allclose(got.sum(axis=1), 1, atol=1e-5), "the probabilities of every image must sum to 1")
        logs = slope * g @ directions.T
        compare(
            got,
            softmax(np.log(weights) + logs, axis=1),
            "expected log Q = log pi + kappa(|g|) cos(g, mu), normalised over the categories. "
            "Is g's length left in the cosine?",
            (softmax(logs, axis=1), "the weights pi are missing: at one distance a frequent category is more probable"),
            atol=1e-4,
        )
    return PASSED


def check_certainty_correlation(function: Answer) -> str:
    """Check ``function(embedding, logits, temperature) -> r``: Pearson's correlation of norm and entropy (Table 1)."""
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((300, 5)) * rng.uniform(0, 40, (300, 1))
    embedding = rng.standard_normal((300, 3)) * np.linalg.norm(logits, axis=1, keepdims=True)
    for temperature in (4.0, 1.0):
        right = strength_entropy_pearson(embedding, logits, temperature)
        got = ask(function, embedding, logits, temperature)
        expect(np.isfinite(got), "p log p is 0 where p is 0: work with log_softmax, not with log(softmax)")
        compare(
            got,
            right,
            f"at T = {temperature:g} expected {right:.4f}, got {got:.4f}: "
            "divide the logits by T before the softmax, and correlate the norms with the entropies",
            (-right, "strong features should be certain: the sign is turned, entropy is -sum p log p"),
            atol=1e-6,
        )
    return PASSED


def check_kl_by_dimension(function: Answer, features: np.ndarray, logits: np.ndarray) -> str:
    """Check ``function(features, logits, dimensions) -> losses``: the fit's KL for each number of dimensions."""
    # Not in rising order, so that a function which ignores what it is asked for does not pass.
    losses = ask(function, features, logits, (3, 2), shape=(2,), what="one loss a dimension")
    right = SampleProjection(n_components=3).fit(features, logits).loss_
    expect(
        np.isclose(losses[0], right, rtol=1e-3),
        f"asked for (3, 2): the first number should be the loss_ of a fit with n_components=3, {right:.4f} nats, "
        f"got {losses[0]:.4f}",
    )
    expect(losses[1] > losses[0], "a plane lies inside space, so two dimensions can't fit better than three")
    return PASSED
