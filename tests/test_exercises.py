"""The checks accept right answers and reject the typical wrong ones, saying why."""

import numpy as np
import pytest
from rejecting import rejects
from scipy.special import log_softmax, softmax
from synthetic import features_and_logits

from nbhelpers import teach as exercises
from nbhelpers.method.samples import SampleProjection
from nbhelpers.teach import attacks, distillation, regions
from nbhelpers.teach import samples as checks


def norms(g):
    return np.linalg.norm(g, axis=1)


def divide_in_place(g):
    strength = norms(g)
    g /= np.maximum(strength, 1e-12)[:, None]
    return strength, g


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda g: (np.abs(g).sum(axis=1), g), "Euclidean norm"),
        (lambda g: (norms(g)[:, None], g), "one strength an image"),
        (lambda g: (norms(g), g), "divided by its strength"),
        (lambda g: (norms(g), g / np.maximum(norms(g), 1e-12)), "each row by its own"),
        (lambda g: norms(g), "return strength, direction"),
        (lambda g: None, "returns nothing"),
        (divide_in_place, "must not change"),
        (lambda g: (norms(g), np.divide(g, norms(g)[:, None], where=norms(g)[:, None] > 0, out=g * np.nan)), "not NaN"),
    ],
)
def test_wrong_splits_are_rejected(answer, message):
    with pytest.raises(AssertionError, match=message):
        checks.check_split(answer)


def logs(g, mu, kappa):
    strength = np.linalg.norm(g, axis=1, keepdims=True)
    return kappa(strength) * (g / strength) @ mu.T


def overflowing(g, mu, pi, kappa):
    with np.errstate(all="ignore"):
        raw = pi * np.exp(logs(g, mu, kappa).astype(np.float32))
        return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (overflowing, "overflows"),
        (lambda g, mu, pi, kappa: softmax(logs(g, mu, kappa), axis=1), "weights pi are missing"),
        (lambda g, mu, pi, kappa: softmax(np.log(pi) + logs(g, mu, kappa), axis=0), "sum to 1"),
        (lambda g, mu, pi, kappa: softmax(np.log(pi) + kappa(norms(g)[:, None]) * g @ mu.T, axis=1), "length left in"),
    ],
)
def test_wrong_probabilities_are_rejected(answer, message):
    right = lambda g, mu, pi, kappa: softmax(np.log(pi) + logs(g, mu, kappa), axis=1)  # noqa: E731
    assert checks.check_category_probabilities(right) == checks.PASSED
    with pytest.raises(AssertionError, match=message):
        checks.check_category_probabilities(answer)


def correlation(embedding, logits, temperature, sign=1, before=True):
    log_p = log_softmax(logits / temperature if before else logits, axis=1)
    return sign * np.corrcoef(norms(embedding), -(np.exp(log_p) * log_p).sum(axis=1))[0, 1]


def with_zero_times_log_zero(embedding, logits, temperature):
    with np.errstate(all="ignore"):
        p = softmax(np.asarray(logits, np.float32) * 30 / temperature, axis=1)
        return np.corrcoef(norms(embedding), -(p * np.log(p)).sum(axis=1))[0, 1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda e, z, t: correlation(e, z, t, sign=-1), "sign is turned"),
        (lambda e, z, t: correlation(e, z, t, before=False), "divide the logits by T"),
        (with_zero_times_log_zero, "log_softmax"),
        (lambda e, z, t: correlation(z, z, t), "correlate the norms"),
        (lambda e, z, t: np.array([[1, correlation(e, z, t)]] * 2), "one number for all images"),
    ],
)
def test_wrong_correlations_are_rejected(answer, message):
    assert checks.check_certainty_correlation(correlation) == checks.PASSED
    with pytest.raises(AssertionError, match=message):
        checks.check_certainty_correlation(answer)


def test_kl_by_dimension_accepts_the_fit_and_rejects_other_numbers():
    features, logits, _ = features_and_logits(120, seed=0)
    fitted = lambda f, z, dims: [SampleProjection(n_components=d).fit(f, z).loss_ for d in dims]  # noqa: E731
    assert checks.check_kl_by_dimension(fitted, features, logits) == checks.PASSED
    with pytest.raises(AssertionError, match="n_components=3"):
        checks.check_kl_by_dimension(lambda f, z, dims: fitted(f, z, sorted(dims)), features, logits)
    with pytest.raises(AssertionError, match="can't fit better"):
        checks.check_kl_by_dimension(lambda f, z, dims: fitted(f, z, [3, 3]), features, logits)
    with pytest.raises(AssertionError, match="one loss a dimension"):
        checks.check_kl_by_dimension(lambda f, z, dims: 1.0, features, logits)


# What holds for every check that asks in one way

ASKING = [
    checks.check_category_probabilities,
    regions.check_knowledge_mask,
    regions.check_path_turn,
    attacks.check_pgd_step,
    attacks.check_success_rate,
    attacks.check_damaged,
    attacks.check_fragment_chance,
    distillation.check_mimicry_loss,
    distillation.check_turn,
    distillation.check_interval,
    distillation.check_soft_label_loss,
]


@pytest.mark.parametrize("check", ASKING)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda *given: None, "returns nothing"),
        (lambda *given: np.zeros((2, 7)), r"expected shape .*, got \(2, 7\)"),
        (lambda *given: "a text", "expected numbers, got str"),
        (lambda *given: ([1, 2], [3]), "parts of different shapes"),
        (lambda *given: given[0].__iadd__(1), "must not change the arrays"),
    ],
)
def test_what_is_no_answer_is_named(check, answer, message):
    rejects(check, answer, message)


def test_what_is_given_is_handed_over_as_a_copy():
    given = np.arange(3)
    rejects(lambda f: exercises.ask(f, given, shape=(3,), what="numbers"), lambda x: x.__imul__(2), "must not change")
    assert given.tolist() == [0, 1, 2]
