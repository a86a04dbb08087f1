"""Knowledge points against answers known by hand, brute force, and bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.knowledge import category_probabilities, knowledge_points, normalize_strength

AXES = np.eye(3)
THIRDS = np.full(3, 1 / 3)


def test_counts_known_by_hand():
    zero = np.zeros(3)
    h = np.array([[5 * AXES[0], 5 * AXES[1], zero, 5 * AXES[0]], [zero, zero, zero, zero], [5 * AXES[2]] * 4])
    points = knowledge_points(h, AXES, THIRDS, [0, 1, 2], 1000.0)
    assert points.total.tolist() == [3, 0, 4]
    assert points.reliable.tolist() == [2, 0, 4]
    assert points.ratio == 6 / 7
    assert points.masks[0].tolist() == [True, True, False, True]
    assert points.reliable_masks[0].tolist() == [True, False, False, True]
    assert points.category[0, :2].tolist() == [0, 1]
    np.testing.assert_allclose(points.probability[1], 1 / 3, rtol=1e-6)


def test_probabilities_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    h, mu, pi = rng.normal(size=(5, 7, 4)), rng.normal(size=(6, 4)), rng.dirichlet(np.ones(6))
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    labels, curve = rng.integers(0, 6, 5), KappaCurve(30.0, dim=4)
    points = knowledge_points(h, mu, pi, labels, kappa=curve, threshold=0.5)
    for i in range(5):
        for r in range(7):
            length = np.linalg.norm(h[i, r])
            p = pi * np.exp(curve(length) * (mu @ h[i, r]) / length)
            p /= p.sum()
            assert points.category[i, r] == p.argmax()
            assert points.probability[i, r] == pytest.approx(p.max(), rel=1e-5)
            assert points.masks[i, r] == (p.max() > 0.5)
            assert points.reliable_masks[i, r] == (p.max() > 0.5 and p.argmax() == labels[i])


def test_a_category_without_weight_is_never_named():
    points = knowledge_points(np.full((1, 1, 3), 1.0), AXES, [0.5, 0.5, 0.0], [2], 1000.0)
    assert points.category[0, 0] in (0, 1) and points.reliable.tolist() == [0]


def test_no_points_have_no_ratio():
    assert np.isnan(knowledge_points(np.zeros((2, 3, 3)), AXES, THIRDS, [0, 1], 1000.0).ratio)


def test_strong_features_do_not_overflow():
    points = knowledge_points(np.full((1, 2, 3), 1e6, np.float32) * AXES[0], AXES, THIRDS, [0], kappa=1e6)
    assert points.probability.tolist() == [[1.0, 1.0]] and points.reliable.tolist() == [2]


@given(st.integers(0, 1000), st.floats(0.01, 0.99), st.floats(1.0, 1000.0))
def test_fewer_points_above_a_higher_threshold(seed, threshold, kappa):
    rng = np.random.default_rng(seed)
    h, labels = rng.normal(size=(3, 4, 3)), rng.integers(0, 3, 3)
    low, high = (
        knowledge_points(h, AXES, THIRDS, labels, threshold=t, kappa=kappa) for t in (threshold, (1 + threshold) / 2)
    )
    assert (high.masks <= low.masks).all()
    assert (low.reliable_masks <= low.masks).all() and (low.reliable <= low.total).all()
    assert low.masks[low.probability > threshold + 1e-6].all()
    assert not low.masks[low.probability < threshold - 1e-6].any()


def test_tensors_are_read_and_left_alone():
    h = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    before = h.clone()
    points = knowledge_points(h, torch.eye(3), torch.full((3,), 1 / 3), torch.tensor([0, 1]), 1000.0)
    expected = knowledge_points(h.numpy(), AXES, THIRDS, [0, 1], 1000.0)
    np.testing.assert_array_equal(points.masks, expected.masks)
    assert torch.equal(h, before) and isinstance(points.masks, np.ndarray)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"h": np.ones((2, 3))}, "h .*3 axes"),
        ({"h": np.full((2, 4, 3), np.nan)}, "h .*24 NaN"),
        ({"h": np.ones((2, 4, 2))}, "h and directions.* in d.* 2 and 3"),
        ({"weights": [0.5, 0.5]}, "directions and weights.* in C.* 3 and 2"),
        ({"weights": [0.5, 0.7, -0.2]}, "weights must not be negative, found -0.2"),
        ({"weights": [0.5, 0.5, 0.5]}, "weights.*sum to 1"),
        ({"labels": [0]}, "h and labels.* in N.* 2 and 1"),
        ({"labels": [0, 3]}, r"labels.* 0 \.\.\. 2, found.* 3"),
        ({"threshold": 1.0}, "threshold.*got 1.0"),
        ({"kappa": 0.0}, "kappa.*above 0"),
        ({"kappa": KappaCurve(10.0, dim=4)}, "kappa.* 4 .*h has 3"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {
        "h": np.ones((2, 4, 3)),
        "directions": AXES,
        "weights": THIRDS,
        "labels": [0, 1],
        "kappa": 1000.0,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        knowledge_points(**arguments)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 2)])
def test_what_regions_say_has_any_shape_and_equals_brute_force(shape):
    rng = np.random.default_rng(0)
    h, mu, pi = rng.normal(size=(*shape, 3)), rng.normal(size=(4, 3)), rng.dirichlet(np.ones(4))
    before = h.copy(), mu.copy(), pi.copy()
    p = category_probabilities(h, mu, pi, kappa=30.0)
    assert p.shape == (*shape, 4) and p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-12)
    curve = KappaCurve(30.0, dim=3)
    for found, v in zip(p.reshape(-1, 4), h.reshape(-1, 3), strict=True):
        length = np.linalg.norm(v)
        wanted = pi * np.exp(curve(length) * (mu / np.linalg.norm(mu, axis=1, keepdims=True)) @ v / length)
        np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=1e-9)
    for now, then in zip((h, mu, pi), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_knowledge_points_are_where_one_category_is_likely():
    rng = np.random.default_rng(1)
    h = rng.normal(size=(5, 6, 3))
    p = category_probabilities(h, AXES, THIRDS, 1000.0)
    points = knowledge_points(h, AXES, THIRDS, [0, 1, 2, 0, 1], 1000.0, threshold=0.7)
    np.testing.assert_array_equal(points.category, p.argmax(axis=2))
    np.testing.assert_array_equal(points.masks, p.max(axis=2) > 0.7)


def test_weak_regions_say_the_weights_and_strong_ones_their_direction():
    pi = np.array([0.7, 0.2, 0.1])
    p = category_probabilities(np.stack([0 * AXES[1], 1e6 * AXES[1]]), AXES, pi, 1000.0)
    np.testing.assert_allclose(p, [pi, [0, 1, 0]], atol=1e-12)
    without = category_probabilities(np.ones((1, 3), np.float32), AXES, [0.5, 0.5, 0.0], 1000.0)
    np.testing.assert_allclose(without, [[0.5, 0.5, 0.0]])
    undirected = category_probabilities(AXES[:1], 0 * AXES, pi, 1000.0)
    np.testing.assert_allclose(undirected, [pi])


def test_what_is_given_comes_back_as_its_kind():
    h = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    before = h.clone()
    p = category_probabilities(h, torch.eye(3), torch.full((3,), 1 / 3), 1000.0)
    assert isinstance(p, torch.Tensor) and p.dtype == torch.float32 and torch.equal(h, before)
    np.testing.assert_array_equal(category_probabilities(h.numpy(), AXES, THIRDS, 1000.0), p.numpy())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"h": np.full((4, 3), np.nan)}, "h .*12 NaN"),
        ({"h": np.ones((0, 3))}, "h .*empty"),
        ({"h": np.ones((4, 2))}, "h and directions.* in d.* 2 and 3"),
        ({"directions": np.ones(3)}, "directions.*2 axes"),
        ({"weights": np.ones((1, 3)) / 3}, "weights.*1 axes"),
        ({"weights": [0.5, 0.5]}, "directions and weights.* in C.* 3 and 2"),
        ({"weights": [0.5, 0.7, -0.2]}, "weights must not be negative, found -0.2"),
        ({"kappa": -1.0}, "kappa.*above 0"),
        ({"kappa": KappaCurve(10.0, dim=4)}, "kappa.* 4 .*h has 3"),
    ],
)
def test_what_says_nothing_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        category_probabilities(
            **{"h": np.ones((4, 3)), "directions": AXES, "weights": THIRDS, "kappa": 1000.0, **change}
        )


def test_both_normalisations_keep_directions_and_set_the_mean_strength():
    rng = np.random.default_rng(0)
    layers = {"conv_12": rng.normal(size=(3, 4, 3)), "conv_53": 7 * rng.normal(size=(3, 9, 3)).astype(np.float32)}
    deepest = np.linalg.norm(layers["conv_53"], axis=2).mean()
    for to, wanted in (("last", deepest), ("own", 1.0)):
        scaled = normalize_strength(layers, to)
        assert list(scaled) == list(layers)
        for name, h in scaled.items():
            assert np.linalg.norm(h, axis=2).mean() == pytest.approx(wanted, rel=1e-5)
            np.testing.assert_allclose(np.cross(h, layers[name]), 0, atol=1e-4)
    assert scaled["conv_53"].dtype == np.float32
    assert isinstance(normalize_strength({"a": torch.ones(1, 2, 3)})["a"], torch.Tensor)


@pytest.mark.parametrize(
    "layers, to, message",
    [
        ({"a": np.ones((1, 2, 3))}, "first", "to .*got 'first'"),
        ({}, "last", "layers.*empty"),
        ({"conv_11": np.zeros((1, 2, 3)), "b": np.ones((1, 2, 3))}, "own", "conv_11.*zero"),
        ({"a": np.ones((2, 3))}, "own", "a .*3 axes"),
    ],
)
def test_bad_layers_are_refused(layers, to, message):
    with pytest.raises(ValueError, match=message):
        normalize_strength(layers, to)
