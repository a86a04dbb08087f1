"""One frame for two networks: turns that are known, and images that must be the same."""

import numpy as np
import pytest
from planted import planted
from scipy.stats import ortho_group

from nbhelpers.experiments.rows.students import difference
from nbhelpers.method.activations import Activations
from nbhelpers.method.portraits import portray, turn

CATEGORIES = ("a", "b", "c", "d")


def network(mix=None, seed=0, n=60):
    """Activations of a made-up network; ``mix`` turns its features, as in another network that knows the same."""
    regions, logits, labels, _ = planted(n)
    features = np.einsum("nkhw->nk", regions) + np.random.default_rng(seed).gamma(1, 0.05, (n, regions.shape[1]))
    if mix is not None:
        features = features @ mix
        regions = np.einsum("nkhw,kj->njhw", regions, mix).astype(np.float32)
    return Activations(
        logits, features.astype(np.float32), labels, CATEGORIES, {"conv_43": regions, "conv_53": regions}
    )


def test_a_network_that_knows_the_same_by_other_features_is_laid_over_the_first():
    one = portray(network(), grid=4)
    other = portray(network(ortho_group(24, seed=1).rvs()), one, grid=4)
    cosine = (one.samples.directions_ * other.samples.directions_).sum(axis=1)
    assert cosine.min() > 0.99
    g, h = (np.stack([p.embedding for p in (one, other)]), np.stack([p.regions["conv_53"].h for p in (one, other)]))
    assert np.linalg.norm(g[0] - g[1]) < 0.1 * np.linalg.norm(g[0])
    strong = np.linalg.norm(h[0], axis=2) > np.median(np.linalg.norm(h[0], axis=2))
    agreement = (h[0] * h[1]).sum(axis=2) / np.linalg.norm(h, axis=3).prod(axis=0)
    assert np.median(agreement[strong]) > 0.95


def test_a_network_beside_itself_differs_by_what_its_fits_leave_open():
    """The second fit starts where the first stopped and goes on. Both stop where ten iterations gain less than ``tol``,
    so that their losses may differ by so much, on any processor. The alignment costs alpha kappa' (1 - cos) and bounds
    the directions; a loss that is flat at its minimum leaves the square root of its tolerance open in the strengths.
    """
    one = portray(network(), grid=4)
    again = portray(network(), one, grid=4)
    samples = one.samples
    assert abs(again.samples.loss_ - samples.loss_) <= samples.tol * max(samples.loss_, 1e-2)
    first, second = (view.regions["conv_53"] for view in (one, again))
    fit = first.projection
    weights = np.array([1, fit.alpha * fit.kappa_align])
    assert abs((second.projection.loss_curve_[-1] - fit.loss_curve_[-1]) @ weights) <= fit.tol
    row = difference(second.h, first.h)
    assert row["orientation_mean"] <= fit.tol / weights[1]
    assert abs(row["strength_mean"]) <= fit.tol**0.5 * first.strength.mean()
    np.testing.assert_array_equal(fit.transform(second.raw), first.h)  # where nothing is fitted, nothing differs


def test_points_are_counted_with_one_mean_strength():
    seen = portray(network(), grid=4)
    last, own = seen.points(), seen.points("own")
    assert list(last) == ["conv_43", "conv_53"]
    np.testing.assert_array_equal(last["conv_43"].masks, last["conv_53"].masks)  # the same features
    assert last["conv_53"].ratio > 0.5 and own["conv_53"].total.sum() != last["conv_53"].total.sum()


def test_a_frame_needs_the_same_images():
    one = portray(network(), grid=4)
    other = network()
    swapped = Activations(other.logits, other.features, other.labels[::-1], CATEGORIES, other.regions)
    with pytest.raises(ValueError, match="same images"):
        portray(swapped, one, grid=4)


def test_turn_finds_a_turn_but_neither_stretches_nor_shifts():
    h = np.random.default_rng(0).normal(size=(5, 9, 3))
    axes = ortho_group(3, seed=2).rvs()
    before = h.copy()
    np.testing.assert_allclose(turn(h @ axes, h), h, atol=1e-12)
    np.testing.assert_allclose(turn(3 * h, h), 3 * h, atol=1e-12)
    shifted = turn(h + 1, h)
    np.testing.assert_allclose(np.linalg.norm(shifted, axis=2), np.linalg.norm(h + 1, axis=2))
    np.testing.assert_array_equal(h, before)


def test_turn_refuses_other_shapes_and_nan():
    h = np.ones((2, 4, 3))
    with pytest.raises(ValueError, match=r"h and target.* in N"):
        turn(h, h[:1])
    with pytest.raises(ValueError, match=r"target.*NaN"):
        turn(h, np.where(np.arange(24).reshape(h.shape) == 5, np.nan, h))
