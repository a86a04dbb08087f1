"""Mixtures against R's movMF, planted directions, and the equations written out in NumPy."""

import warnings

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from nbhelpers.maths.mixture import VonMisesFisherMixture, log_joint, maximise
from nbhelpers.maths.vmf import log_density, sample

# What 20 single women and 20 single men spent on housing, food and services: the survey printed in T. Hothorn
# and B. S. Everitt, A Handbook of Statistical Analyses Using R ("household" in the R package HSAUR3).
HOUSEHOLD = np.array(
    [
    (820, 114, 154), (184, 74, 20), (921, 66, 455), (488, 80, 115), (721, 83, 104), (614, 55, 193), (801, 56, 214),
    (396, 59, 80), (864, 65, 352), (845, 64, 414), (404, 97, 47), (781, 47, 452), (457, 103, 108), (1029, 71, 189),
    (1047, 90, 298), (552, 91, 158), (718, 104, 304), (495, 114, 74), (382, 77, 147), (1090, 59, 177),
    (497, 591, 291), (839, 942, 365), (798, 1308, 584), (892, 842, 395), (1585, 781, 1740), (755, 764, 438),
    (388, 655, 233), (617, 879, 719), (248, 438, 65), (1641, 440, 2063), (1180, 1243, 813), (619, 684, 204),
    (253, 422, 48), (661, 739, 188), (1981, 869, 1032), (1746, 746, 1594), (1865, 915, 1767), (238, 522, 75),
    (1199, 1095, 344), (1524, 964, 1410),
    ],
    dtype=float,
)  # fmt: skip
HOUSEHOLD /= np.linalg.norm(HOUSEHOLD, axis=1, keepdims=True)

PLANTED = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
PLANTED_KAPPAS = np.array([10.0, 30.0, 100.0])
PLANTED_COUNTS = np.array([500, 1000, 1500])


@pytest.fixture(scope="module")
def planted():
    components = zip(PLANTED, PLANTED_KAPPAS, PLANTED_COUNTS, strict=True)
    draws = [sample(*each, random_state=s) for s, each in enumerate(components)]
    return np.concatenate(draws)


# ------------------------------------------------------------------------------------------------------ known answers


@pytest.mark.parametrize(("components", "bic"), [(1, -169.4291), (2, -200.3364), (3, -211.5490)])
@pytest.mark.parametrize("seed", [0, 1])
def test_household_bic_is_that_of_movmf(components, bic, seed):
    mixture = VonMisesFisherMixture(components, random_state=seed).fit(HOUSEHOLD)
    assert mixture.bic(HOUSEHOLD) == pytest.approx(bic, abs=1e-3)


def test_one_component_has_the_closed_form_answer():
    mixture = VonMisesFisherMixture(1).fit(HOUSEHOLD)
    mean = HOUSEHOLD.mean(axis=0)
    length = np.linalg.norm(mean)
    kappa = scipy.optimize.brentq(lambda k: 1 / np.tanh(k) - 1 / k - length, 1e-3, 1e3, xtol=1e-13)
    assert mixture.kappas_[0] == pytest.approx(kappa, rel=1e-10)
    np.testing.assert_allclose(mixture.directions_[0], mean / length, atol=1e-14)
    np.testing.assert_array_equal(mixture.weights_, [1])


def test_planted_components_are_recovered(planted):
    mixture = VonMisesFisherMixture(3).fit(planted)
    order = np.argsort(mixture.kappas_)
    np.testing.assert_allclose(mixture.weights_[order], PLANTED_COUNTS / 3000, atol=0.02)
    np.testing.assert_allclose(mixture.kappas_[order], PLANTED_KAPPAS, rtol=0.15)
    assert bool((np.sum(mixture.directions_[order] * PLANTED, axis=1) > 0.999).all())
    truth = np.repeat(np.arange(3), PLANTED_COUNTS)
    assert (mixture.predict_proba(planted)[:, order].argmax(1) == truth).mean() > 0.98


def test_high_dimensional_components_are_recovered():
    mu = np.eye(4, 512)
    x = np.concatenate([sample(m, 400.0, 100, random_state=s) for s, m in enumerate(mu)])
    mixture = VonMisesFisherMixture(4, tied=True, n_init=5).fit(x)
    np.testing.assert_allclose(mixture.kappas_, 400, rtol=0.05)
    np.testing.assert_allclose(np.sort((mixture.directions_ @ mu.T).max(axis=0)), np.ones(4), atol=0.02)


# ------------------------------------------------------------------------------------------- the equations, in NumPy


def test_posterior_score_and_likelihood_are_those_of_the_densities(planted):
    mixture = VonMisesFisherMixture(3).fit(planted)
    joint = np.log(mixture.weights_) + log_density(planted, mixture.directions_, mixture.kappas_)
    np.testing.assert_allclose(
        mixture.predict_proba(planted), np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), atol=1e-10
    )
    assert mixture.log_likelihood_ == pytest.approx(logsumexp(joint, axis=1).sum(), rel=1e-10)
    assert mixture.score(planted) == pytest.approx(mixture.log_likelihood_ / len(planted), rel=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_given_responsibilities_make_one_maximum_likelihood_step(tied):
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    mixture = VonMisesFisherMixture(3, tied=tied).fit(HOUSEHOLD, responsibilities=shares)
    mass, total = shares.sum(axis=0), shares.T @ HOUSEHOLD
    lengths = np.linalg.norm(total, axis=1)
    np.testing.assert_allclose(mixture.weights_, mass / 40, rtol=1e-12)
    np.testing.assert_allclose(mixture.directions_, total / lengths[:, None], rtol=1e-12)
    resultants = np.full(3, lengths.sum() / 40) if tied else lengths / mass
    expected = [scipy.optimize.brentq(lambda k, r=r: 1 / np.tanh(k) - 1 / k - r, 1e-3, 1e3) for r in resultants]
    np.testing.assert_allclose(mixture.kappas_, expected, rtol=1e-9)
    assert mixture.n_iter_ == 0


@pytest.mark.parametrize("tied", [False, True])
def test_the_fit_is_a_fixed_point_and_a_maximum(planted, tied):
    mixture = VonMisesFisherMixture(3, tied=tied, tol=1e-13).fit(planted)
    again = VonMisesFisherMixture(3, tied=tied).fit(planted, responsibilities=mixture.predict_proba(planted))
    for name in ("weights_", "directions_", "kappas_"):
        np.testing.assert_allclose(getattr(again, name), getattr(mixture, name), rtol=1e-4, atol=1e-6)
    for factor in (0.97, 1.03):
        joint = np.log(mixture.weights_) + log_density(planted, mixture.directions_, factor * mixture.kappas_)
        assert logsumexp(joint, axis=1).sum() < mixture.log_likelihood_


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.booleans(), st.integers(2, 6))
def test_no_step_lowers_the_likelihood(seed, tied, dim):
    rng = np.random.default_rng(seed)
    x = torch.nn.functional.normalize(torch.tensor(rng.standard_normal((30, dim)) + 1), dim=1)
    responsibilities = torch.tensor(rng.dirichlet(np.ones(3), size=30))
    reached = []
    for _ in range(8):
        joint = log_joint(x, *maximise(x, responsibilities, tied))
        reached.append(joint.logsumexp(-1).mean().item())
        responsibilities = joint.softmax(-1)
    assert bool((np.diff(reached) >= -1e-10).all())


def test_tied_uses_one_concentration_and_counts_it_once(planted):
    mixture = VonMisesFisherMixture(3, tied=True).fit(planted)
    assert len(set(mixture.kappas_)) == 1
    uniform = -np.log(4 * np.pi) * len(planted)
    expected = -2 * (mixture.log_likelihood_ - uniform) + (2 + 6 + 1) * np.log(len(planted))
    assert mixture.bic(planted) == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------------------------------------------------ behaviour


def test_equal_seeds_give_equal_results_and_nothing_else_moves(planted):
    x, before = planted.copy(), torch.get_rng_state()
    first, second = (VonMisesFisherMixture(3, random_state=5).fit(x) for _ in range(2))
    for name in ("weights_", "directions_", "kappas_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(x, planted)
    assert torch.equal(before, torch.get_rng_state())


def test_tensors_in_tensors_out():
    x = torch.tensor(HOUSEHOLD).float()
    mixture = VonMisesFisherMixture(2).fit(x)
    assert mixture.predict_proba(x).dtype == torch.float32
    for name in ("weights_", "directions_", "kappas_"):
        assert getattr(mixture, name).dtype == torch.float32
    expected = VonMisesFisherMixture(2).fit(HOUSEHOLD)
    np.testing.assert_allclose(mixture.kappas_, expected.kappas_, rtol=1e-4)
    assert mixture.bic(x) == pytest.approx(expected.bic(HOUSEHOLD), abs=1e-3)


def test_scikit_learn_can_clone_it():
    copy = clone(VonMisesFisherMixture(4, tied=True, n_init=3))
    assert copy.get_params()["n_components"] == 4 and copy.get_params()["tied"] is True


@pytest.mark.parametrize("tied", [False, True])
def test_one_step_runs_on_the_meta_device(tied):
    x = torch.rand(20, 3, dtype=torch.float64, device="meta")
    parameters = maximise(x, torch.rand(5, 20, 4, dtype=torch.float64, device="meta"), tied)
    assert [tuple(p.shape) for p in parameters] == [(5, 4), (5, 4, 3), (5, 4)]
    joint = log_joint(x, *parameters)
    assert joint.device.type == "meta" and joint.shape == (5, 20, 4)


def test_stopping_early_warns_and_says_what_to_try():
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2.*raise max_iter"):
        VonMisesFisherMixture(3, max_iter=2).fit(HOUSEHOLD)


def test_a_component_on_coinciding_vectors_is_avoided_or_bounded(planted):
    with_twins = np.concatenate([HOUSEHOLD, np.tile([[-1.0, 0, 0]], (2, 1))])
    assert VonMisesFisherMixture(3).fit(with_twins).kappas_.max() <= 1.0001e7
    identical = VonMisesFisherMixture(2).fit(np.tile([[0.0, 0.6, 0.8]], (5, 1)))
    np.testing.assert_allclose(identical.directions_, [[0, 0.6, 0.8]] * 2)
    np.testing.assert_allclose(identical.weights_.sum(), 1)
    four = VonMisesFisherMixture(4, random_state=1).fit(HOUSEHOLD)  # some starts end on a single household
    assert four.kappas_.max() < 1e6


def test_opposite_vectors_have_no_mean_direction_and_kappa_zero():
    x = np.concatenate([np.eye(3), -np.eye(3)])
    mixture = VonMisesFisherMixture(1).fit(x)
    assert mixture.kappas_[0] == 0 and np.linalg.norm(mixture.directions_[0]) == pytest.approx(1)
    assert mixture.score(x) == pytest.approx(-np.log(4 * np.pi))


def test_enough_steps_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 < VonMisesFisherMixture(3).fit(HOUSEHOLD).n_iter_ < 1000


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("name", ["n_components", "n_init", "max_iter"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_bad_counts_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}.*at least 1, got {value}"):
        VonMisesFisherMixture(**{name: value}).fit(HOUSEHOLD)


def test_bad_tolerance_is_refused():
    with pytest.raises(ValueError, match=r"tol.*got 0"):
        VonMisesFisherMixture(tol=0).fit(HOUSEHOLD)


def test_bad_vectors_are_refused():
    with pytest.raises(ValueError, match=r"of X .*from 3 to 3.*divide"):
        VonMisesFisherMixture().fit(3 * HOUSEHOLD)
    with pytest.raises(ValueError, match=r"X .*NaN.*of 3"):
        VonMisesFisherMixture().fit(np.array([[np.nan, 0, 1]]))
    with pytest.raises(ValueError, match=r"X .*2 axes.*\(3,\)"):
        VonMisesFisherMixture().fit(HOUSEHOLD[0])
    with pytest.raises(ValueError, match=r"X .*empty"):
        VonMisesFisherMixture().fit(np.empty((0, 3)))
    with pytest.raises(ValueError, match=r"2 vectors.*n_components=5"):
        VonMisesFisherMixture(5).fit(HOUSEHOLD[:2])
    with pytest.raises(ValueError, match="at least 2, got 1"):
        VonMisesFisherMixture().fit(np.ones((4, 1)))


def test_bad_responsibilities_are_refused():
    fit = VonMisesFisherMixture(2).fit
    with pytest.raises(ValueError, match=r"2 columns.*\(40, 3\)"):
        fit(HOUSEHOLD, responsibilities=np.full((40, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"sum.* 1\.2 to 1\.2"):
        fit(HOUSEHOLD, responsibilities=np.full((40, 2), 0.6))
    with pytest.raises(ValueError, match=r"not be negative, found -1"):
        fit(HOUSEHOLD, responsibilities=np.tile([2.0, -1.0], (40, 1)))
    with pytest.raises(ValueError, match=r"no vector.*\[1\]"):
        fit(HOUSEHOLD, responsibilities=np.tile([1.0, 0.0], (40, 1)))
    with pytest.raises(ValueError, match=r"responsibilities.*80 NaN"):
        fit(HOUSEHOLD, responsibilities=np.full((40, 2), np.nan))


def test_a_mixture_must_be_fitted_and_asked_in_its_own_dimension():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        VonMisesFisherMixture().predict_proba(HOUSEHOLD)
    with pytest.raises(ValueError, match=r"2 coordinates.*fitted to 3"):
        VonMisesFisherMixture().fit(HOUSEHOLD).score(np.eye(2))
