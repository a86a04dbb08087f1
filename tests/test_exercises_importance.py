"""The checks of chapter 3 name a stub and answers of the wrong kind; see also those in test_exercises_regions.py."""

import numpy as np
import pytest
from rejecting import rejects
from scipy.special import softmax

from nbhelpers.teach import importance

CHECKS = {
    importance.check_per_image_pearson: r"one correlation an image: .* got \(3, 9\)",
    importance.check_image_likelihood: r"one probability a partner image: .* got \(3, 9\)",
    importance.check_shapley: r"one value a player: .* got \(3, 9\)",
    importance.check_simplex: r"as many entries as were given: .* got \(3, 9\)",
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_returns_nothing(check):
    def stub(*given): ...

    rejects(check, stub, "returns nothing")


@pytest.mark.parametrize(("check", "message"), CHECKS.items())
def test_a_wrong_shape_is_named(check, message):
    rejects(check, lambda *given: np.zeros((3, 9)), message)


def test_values_by_player_in_a_dict_are_no_array():
    rejects(importance.check_shapley, lambda payoff, players: {i: 1.0 for i in range(players)}, "numbers, got dict")


def test_a_matrix_of_all_correlations_is_not_one_an_image():
    rejects(importance.check_per_image_pearson, np.corrcoef, r"one correlation an image: .* got \(12, 12\)")


def test_adding_all_scores_up_forgets_w():
    rejects(importance.check_image_likelihood, lambda scores, w: softmax(scores.sum(axis=0)), "w is missing")


def test_cutting_off_once_and_lowering_again_is_not_the_nearest_point():
    def once(x):
        cut = np.maximum(x + (1 - x.sum()) / len(x), 0)
        return cut / cut.sum()

    rejects(importance.check_simplex, once, "away, but")
