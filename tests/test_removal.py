"""Deletion, insertion, pointing and mass: games whose curves are known, brute force, and what orders do to them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from torch import nn

from nbhelpers.probes.metrics import per_image_pointing, per_image_spearman, relevance_mass
from nbhelpers.probes.removal import curve_area, removal_curves

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 2))


class Additive(nn.Module):
    """Two categories; the first one's logit is the sum of one-channel regions, the other's is zero."""

    def forward(self, x):
        return torch.stack([x.sum(dim=(1, 2, 3)), 0 * x.sum(dim=(1, 2, 3))], dim=1)


def probability(logit):
    return 1 / (1 + np.exp(-logit))


# Deletion and insertion


@given(arrays(np.float64, (2, 1, 2, 3), elements=st.floats(-3, 3).map(lambda x: round(x, 2))), st.integers(0, 99))
@settings(max_examples=20)
def test_curves_are_those_of_removing_one_region_after_another(features, seed):
    scores = np.random.default_rng(seed).integers(0, 4, (2, 6)).astype(float)
    curves = removal_curves(Additive(), features, 0, scores, batch_size=5)
    for i in range(2):
        left, there = features[i].ravel().copy(), np.zeros(6)
        deletion, insertion = [left.sum()], [0.0]
        for r in sorted(range(6), key=lambda r: (-scores[i, r], r)):
            left[r], there[r] = 0, features[i].ravel()[r]
            deletion.append(left.sum())
            insertion.append(there.sum())
        np.testing.assert_allclose(curves.deletion[i], probability(np.array(deletion)), atol=1e-5)
        np.testing.assert_allclose(curves.insertion[i], probability(np.array(insertion)), atol=1e-5)


def test_the_true_order_is_the_best_and_its_reverse_the_worst():
    """Of an additive game every other order deletes later and inserts later."""
    features = np.random.default_rng(0).normal(size=(1, 1, 2, 2)).astype(np.float32) * 3
    best, worst = (removal_curves(Additive(), features, 0, sign * features.reshape(1, 4)) for sign in (1, -1))
    for seed in range(30):
        other = removal_curves(Additive(), features, 0, np.random.default_rng(seed).permutation(4)[None].astype(float))
        for low, high, curves in (
            (best.deletion, worst.deletion, other[0]),
            (worst.insertion, best.insertion, other[1]),
        ):
            assert (low <= curves + 1e-9).all() and (curves <= high + 1e-9).all()
    assert curve_area(best.deletion) < curve_area(worst.deletion)
    assert curve_area(best.insertion) > curve_area(worst.insertion)


def test_players_go_together_and_one_image_needs_no_axis():
    features = np.arange(1.0, 17).reshape(1, 4, 4)
    blocks = removal_curves(Additive(), features, 1, np.array([4.0, 3, 2, 1]), players=(2, 2))
    gone = np.cumsum([0, *(features[0, r : r + 2, c : c + 2].sum() for r in (0, 2) for c in (0, 2))])
    np.testing.assert_allclose(blocks.deletion, 1 - probability(136 - gone), atol=1e-9)
    np.testing.assert_allclose(blocks.insertion, 1 - probability(gone), atol=1e-9)


def test_types_come_back_and_nothing_is_changed():
    features, scores = np.ones((2, 1, 2, 2), np.float32), np.arange(8.0).reshape(2, 4)
    kept = scores.copy()
    arrays_ = removal_curves(Additive(), features, np.array([0, 1]), scores)
    tensors = removal_curves(Additive(), torch.tensor(features), torch.tensor([0, 1]), torch.tensor(scores))
    for array, tensor in zip(arrays_, tensors, strict=True):
        assert array.dtype == np.float64 and array.shape == (2, 5)
        np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal(scores, kept)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((2, 3)), r"scores.* 4 players of 2 images.*\(2, 3\)"),
        (np.zeros(4), r"scores.* 4 players of 2 images.*\(1, 4\)"),
        (np.full((2, 4), np.nan), "scores.* 8 NaN"),
    ],
)
def test_scores_that_do_not_fit_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        removal_curves(Additive(), np.ones((2, 1, 2, 2)), 0, scores)


def test_area_is_the_mean_height_of_a_line():
    np.testing.assert_allclose(curve_area(np.linspace([0, 1, 2], [1, 0, 2], 7, axis=1)), [0.5, 0.5, 2])
    with pytest.raises(ValueError, match=r"at least 2.*\(3, 1\)"):
        curve_area(np.zeros((3, 1)))


# Agreement, pointing and mass


@given(arrays(float, (2, 3, 6), elements=NUMBERS))
def test_spearman_of_regions_is_scipys(pair):
    for a, b, r in zip(*pair, per_image_spearman(*pair), strict=True):
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(r)
        else:
            assert r == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)


@given(arrays(float, (4, 6), elements=NUMBERS), arrays(bool, (4, 6)))
def test_pointing_hits_as_often_as_a_region_of_the_highest_score_is_true(score, truth):
    for s, t, hit in zip(score, truth, per_image_pointing(score, truth), strict=True):
        highest = [bool(there) for value, there in zip(s, t, strict=True) if value == max(s)]
        assert np.isnan(hit) if t.all() or not t.any() else hit == pytest.approx(np.mean(highest))


@given(
    arrays(float, (4, 6), elements=NUMBERS), arrays(float, (4, 6), elements=st.integers(0, 20).map(lambda n: n / 20))
)
def test_mass_is_that_of_positive_relevance(score, share):
    for s, a, mass, rest in zip(
        score, share, relevance_mass(score, share), relevance_mass(3 * score, 1 - share), strict=True
    ):
        positive = [max(value, 0) for value in s]
        if not any(positive):
            assert np.isnan(mass) and np.isnan(rest)
        else:
            assert mass == pytest.approx(sum(v * w for v, w in zip(positive, a, strict=True)) / sum(positive))
            assert mass + rest == pytest.approx(1)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shares_outside_are_refused(share):
    with pytest.raises(ValueError, match=r"share must lie in 0 \.\.\. 1"):
        relevance_mass([[1.0]], [[share]])
