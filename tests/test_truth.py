"""What is shown where, and names against chance, by hand and by brute force."""

from itertools import permutations

import numpy as np
import pytest

from nbhelpers.datasets import scenes
from nbhelpers.images import ImageSet
from nbhelpers.probes.truth import named_by_chance, region_truth, shown_categories


def test_fragments_are_found_and_the_object_is_none():
    images = scenes.load("held_out", size=20)
    shows = shown_categories(images)
    assert not shows[np.arange(20), images.labels].any()
    assert shows.any(axis=1).all()
    truth = region_truth(images, 8)
    for i in range(20):
        seen = set(truth.fragment_category[i]) - {-1}
        assert seen <= set(np.flatnonzero(shows[i]))


def test_without_masks_nothing_can_be_told():
    plain = ImageSet(np.zeros((1, 3, 2, 2), np.uint8), np.array([0]), ("a", "b"), "train")
    with pytest.raises(ValueError, match="no masks"):
        shown_categories(plain)


def brute(named, original, shows):
    """All deals of names within the categories: mean share, and how many are at least as often right."""
    groups = [np.flatnonzero(original == c) for c in np.unique(original)]
    deals = [named]
    for group in groups:
        following = []
        for deal in deals:
            for order in permutations(group):
                new = deal.copy()
                new[group] = named[list(order)]
                following.append(new)
        deals = following
    shares = np.array([shows[np.arange(len(deal)), deal].mean() for deal in deals])
    observed = shows[np.arange(len(named)), named].mean()
    return shares.mean(), (shares >= observed - 1e-12).mean()


def test_chance_is_that_of_all_deals_within_the_categories():
    rng = np.random.default_rng(3)
    original, named = np.array([0, 0, 0, 1, 1, 1, 1]), rng.integers(0, 3, 7)
    shows = rng.random((7, 3)) < 0.5
    expected, p_value = brute(named, original, shows)
    found = named_by_chance(named, original, shows)
    assert found.expected == pytest.approx(expected)
    assert found.p_value == pytest.approx(p_value, abs=0.02)


def test_a_plain_preference_for_a_category_is_no_evidence_but_following_fragments_is():
    rng = np.random.default_rng(0)
    original, shown = np.zeros(200, int), rng.integers(1, 4, 200)
    shows = np.eye(4, dtype=bool)[shown]
    always = named_by_chance(np.ones(200, int), original, shows)
    assert always.share == pytest.approx(always.expected) and always.p_value == 1
    following = named_by_chance(np.where(rng.random(200) < 0.5, shown, 1), original, shows)
    assert following.share > following.expected + 0.2 and following.p_value < 1e-3
    before = shows.copy()
    assert named_by_chance(shown, original, shows) == named_by_chance(shown, original, shows)
    np.testing.assert_array_equal(shows, before)


def test_nothing_named_and_other_lengths_are_refused():
    with pytest.raises(ValueError, match="no image"):
        named_by_chance(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3), bool))
    with pytest.raises(ValueError, match="same images"):
        named_by_chance(np.zeros(2, int), np.zeros(3, int), np.zeros((2, 3), bool))
