"""Intervals: against scipy, and by how often they cover what they should."""

import numpy as np
import pytest
from scipy import stats

from nbhelpers.experiments.intervals import (
    REFITS,
    half_interval,
    halves,
    mean_interval,
    pearson_interval,
    spread_interval,
)


def test_the_interval_of_a_correlation_is_scipys():
    x = np.random.default_rng(0).normal(size=(2, 60))
    x[1] += x[0]
    found = stats.pearsonr(*x)
    theirs = found.confidence_interval(0.95)
    assert pearson_interval(found.statistic, 60) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_interval_of_a_mean_is_scipys():
    values = [0.3, 0.5, 0.45]
    mean, low, high = mean_interval(values)
    t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((np.mean(values), t.low, t.high))


def test_the_interval_over_images_covers_the_mean_in_95_of_100_draws():
    draws = np.random.default_rng(0).normal(2, 3, size=(4000, 80))
    covered = [low < 2 < high for low, high in (spread_interval(d.mean(), d.std(), 80) for d in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("statistic", [np.mean, np.median], ids=["mean", "median"])
def test_halves_tell_how_far_the_whole_is_off(statistic):
    """Of a statistic that nobody has a formula for, too: refits cover the truth about as often as they say."""
    draws = np.random.default_rng(1).normal(2, 3, size=(1000, 80))
    chosen = halves(80)
    covered = []
    for values in draws:
        _, low, high = half_interval(statistic(values), [statistic(values[half]) for half in chosen])
        covered.append(low < 2 < high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_halves_are_the_same_each_time_and_differ_among_each_other():
    first, second = halves(41), halves(41)
    assert len(first) == REFITS and len({tuple(half) for half in first}) == REFITS
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(set(one)) == 20 and one.max() < 41
