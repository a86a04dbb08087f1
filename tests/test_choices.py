"""Choices by cross-validation: folds, the rule, and losses against the same computed here."""

from itertools import pairwise

import numpy as np
import pytest
from planted_network import plant
from tiny import reproduce, small_study

from nbhelpers.experiments.results import runs_of
from nbhelpers.experiments.rows.choices import CANDIDATES, FOLDS, chosen, folds
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection


def test_every_image_judges_once_and_no_fit_sees_its_judges():
    pairs = list(folds(23))
    assert len(pairs) == FOLDS
    assert np.array_equal(np.sort(np.concatenate([judging for _, judging in pairs])), np.arange(23))
    for fitted, judging in pairs:
        assert np.array_equal(np.sort(np.concatenate([fitted, judging])), np.arange(23))


def test_the_lowest_loss_wins_whatever_the_units_of_a_run():
    runs = [
        {"choices": {"a": {"1": [1.0, 1.0], "2": [1.1, 1.1], "3": [2.0, 2.0]}}},
        {"choices": {"a": {"1": [150.0, 150.0], "2": [100.0, 100.0], "3": [90.0, 90.0]}}},
    ]
    assert chosen(runs, "a") == 2.0
    assert chosen(runs[:1], "a") == 1.0 and chosen(runs[1:], "a") == 3.0


def test_candidates_hold_the_defaults_and_rise():
    defaults = {
        "weight decay of M": SampleProjection().weight_decay,
        "penalty of w": RegionImportance().ridge,
        "weight decay of Λ": RegionProjection().weight_decay,
        "sharpness κ_p of the target": RegionImportance().kappa_target,
    }
    assert RegionImportance().kappa_target == RegionProjection().kappa_target
    for name, value in defaults.items():
        assert value in CANDIDATES[name] and all(one < next for one, next in pairwise(CANDIDATES[name]))


def test_the_defaults_are_what_the_recorded_losses_choose():
    runs = [run for run in runs_of("scenes-vgg16") if "choices" in run]
    assert chosen(runs, "weight decay of M") == SampleProjection().weight_decay
    assert chosen(runs, "weight decay of Λ") == RegionProjection().weight_decay
    assert chosen(runs, "sharpness κ_p of the target") == RegionImportance().kappa_target
    assert chosen(runs, "penalty of w") == 0, "the appendix says that the penalty is not chosen by its loss"


@pytest.mark.slow
def test_what_is_recorded_of_a_small_study(tmp_path_factory):
    with small_study(tmp_path_factory) as (one, folder, _):
        plant(one)
        found = reproduce(one, folder / "out.json", experiments=["choices"])["choices"]
        assert {name: len(losses) for name, losses in found.items()} == dict.fromkeys(CANDIDATES, 2)
        assert all(len(of_folds) == FOLDS for losses in found.values() for of_folds in losses.values())
        a = one.activations(images=one.fitted("train"))
        fitted, judging = next(folds(len(a.labels)))
        projection = SampleProjection(weight_decay=1e-4).fit(a.features[fitted], a.logits[fitted])
        p = np.exp(a.logits[judging] / 4)
        p /= p.sum(1, keepdims=True)
        q = projection.predict_proba(a.features[judging])
        expected = (p * np.log(p / q)).sum(1).mean()
        assert found["weight decay of M"]["0.0001"][0] == pytest.approx(expected, rel=1e-3)
        assert min(loss for of_folds in found["penalty of w"].values() for loss in of_folds) > 0
