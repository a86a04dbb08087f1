"""The checks of chapter 5 accept right answers and say why the typical wrong ones are wrong."""

import numpy as np
import pytest
import scipy.spatial
import torch
import torch.nn.functional as F
from rejecting import rejects
from scipy import stats
from scipy.linalg import orthogonal_procrustes, polar
from scipy.special import log_softmax, rel_entr, softmax

from nbhelpers.teach import PASSED, distillation

# Mimicry


@pytest.mark.parametrize(
    "answer",
    [
        lambda s, t: np.mean((s - t) ** 2) / np.mean(t**2),
        lambda s, t: np.square(t - s).sum() / np.square(t).sum(),
        lambda s, t: (np.linalg.norm(s - t) / np.linalg.norm(t)) ** 2,
        lambda s, t: F.mse_loss(torch.tensor(s).float(), torch.tensor(t).float()) / torch.tensor(t).square().mean(),
    ],
)
def test_mimicry_losses_are_accepted(answer):
    assert distillation.check_mimicry_loss(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s, t: ((s - t) ** 2).mean(), "mean square of the teacher"),
        (lambda s, t: ((s - t) ** 2).sum(), "mean square of the teacher"),
        (lambda s, t: ((s - t) ** 2).mean() / (s**2).mean(), "lower its own ratio by growing"),
        (lambda s, t: np.linalg.norm(s - t) / np.linalg.norm(t), "no root"),
        (
            lambda s, t: (((s - t) ** 2).mean(axis=(1, 2, 3)) / (t**2).mean(axis=(1, 2, 3))).mean(),
            "not a ratio for each image",
        ),
        (lambda s, t: ((s - t) ** 2).mean() / t.var(), "nothing is subtracted before the squares"),
        (lambda s, t: abs(s - t).mean() / abs(t).mean(), "expected mean"),
        (lambda s, t: ((s - t) ** 2).mean() / t.mean() ** 2, "expected mean"),
        (lambda s, t: ((s - t) ** 2).mean(axis=0), "one number for all features"),
    ],
)
def test_wrong_mimicry_losses_are_rejected(answer, message):
    rejects(distillation.check_mimicry_loss, answer, message)


# Turning


def turn(source, target, transposed=False, reflecting=True):
    u, _, v = np.linalg.svd(source.T @ target)
    if not reflecting:
        u[:, -1] *= np.linalg.det(u @ v)
    return source @ ((u @ v).T if transposed else u @ v)


def polar_part(source, target):
    return source @ polar(source.T @ target)[0]


def column_vectors(source, target):
    u, _, v = torch.linalg.svd(torch.from_numpy(target.T @ source).float())
    return (u @ v @ torch.from_numpy(source).float().T).T


def centred(source, target, back=True):
    means = source.mean(axis=0), target.mean(axis=0)
    return turn(source - means[0], target - means[1]) + (means[1] if back else 0)


def scaled(source, target):
    matrix, size = orthogonal_procrustes(source, target)
    return source @ matrix * size / (source**2).sum()


@pytest.mark.parametrize("answer", [turn, polar_part, column_vectors])
def test_turns_are_accepted(answer):
    assert distillation.check_turn(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s, t: s @ np.linalg.lstsq(s, t, rcond=None)[0], "least squares map stretches"),
        (centred, "subtract no mean"),
        (lambda s, t: centred(s, t, back=False), "subtract no mean"),
        (lambda s, t: turn(s, t, transposed=True), "turn goes the wrong way"),
        (lambda s, t: turn(t, s), "leaves every length"),
        (scaled, "leaves every length"),
        (lambda s, t: scipy.spatial.procrustes(t, s)[1], "leaves every length"),
        (lambda s, t: t, "leaves every length"),
        (lambda s, t: abs(s), "angles between rows"),
        (lambda s, t: s, "away from target.*[0-9]$"),
        (lambda s, t: turn(s, t, reflecting=False), "a reflection, which is allowed"),
        (lambda s, t: orthogonal_procrustes(s, t)[0], r"one turned row .* expected shape \(20, 3\), got \(3, 3\)"),
    ],
)
def test_wrong_turns_are_rejected(answer, message):
    rejects(distillation.check_turn, answer, message)


# Intervals


def interval(values, ddof=1, quantile=lambda n: stats.t.ppf(0.975, n - 1), root=np.sqrt):
    n = len(values)
    return values.mean(), quantile(n) * values.std(ddof=ddof) / root(n)


def by_scipy(values):
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return [(low + high) / 2, (high - low) / 2]


def by_table(values):
    table = {3: 4.303, 5: 2.776}
    return np.array([np.mean(values), table[len(values)] * stats.sem(values)])


@pytest.mark.parametrize("answer", [interval, by_scipy, by_table])
def test_intervals_are_accepted(answer):
    assert distillation.check_interval(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda v: interval(v, ddof=0), "ddof=1"),
        (lambda v: interval(v, quantile=lambda n: 1.96), r"with 3 it is 4.303, the t-quantile"),
        (lambda v: interval(v, ddof=0, quantile=lambda n: 1.96), "neither ddof=0 nor 1.96"),
        (lambda v: interval(v, root=lambda n: 1), r"divide the standard deviation by sqrt\(n\)"),
        (lambda v: (v.mean(), v.std(ddof=1)), "standard deviation of the seeds"),
        (lambda v: (v.mean(), stats.sem(v)), "standard error"),
        (lambda v: interval(v, quantile=lambda n: stats.t.ppf(0.95, n - 1)), "2.5 % lie on either side"),
        (lambda v: interval(v, quantile=lambda n: stats.t.ppf(0.975, n)), "3 seeds have 2 degrees of freedom"),
        (lambda v: interval(v, quantile=lambda n: 2 * stats.t.ppf(0.975, n - 1)), "the whole width"),
        (lambda v: stats.t.interval(0.95, len(v) - 1, v.mean(), stats.sem(v)), "not the two ends"),
        (lambda v: (np.median(v), interval(v)[1]), "expected the mean 0.65"),
        (lambda v: interval(v, quantile=lambda n: 4.303), "expected t_"),
        (lambda v: interval(v)[1], "the mean and the half width, two numbers"),
    ],
)
def test_wrong_intervals_are_rejected(answer, message):
    rejects(distillation.check_interval, answer, message)


# Soft labels


def soft(s, t, temperature, power=2, over=np.mean, heat=None):
    a, b = (log_softmax(z / (heat or temperature), axis=1) for z in (s, t))
    return temperature**power * over((np.exp(b) * (b - a)).sum(axis=1))


def by_torch(s, t, temperature):
    s, t = (F.log_softmax(torch.from_numpy(z / temperature), dim=1) for z in (s, t))
    return temperature**2 * F.kl_div(s, t, reduction="batchmean", log_target=True)


def by_hand(s, t, temperature):
    losses = []
    for a, b in zip(s / temperature, t / temperature, strict=True):
        a, b = a - a.max(), b - b.max()
        a, b = a - np.log(np.exp(a).sum()), b - np.log(np.exp(b).sum())
        losses.append(sum(np.exp(b) * (b - a)))
    return temperature**2 * sum(losses) / len(losses)


def overflowing(s, t, temperature):
    a, b = (np.exp(z / temperature) for z in (s, t))
    a, b = a / a.sum(axis=1, keepdims=True), b / b.sum(axis=1, keepdims=True)
    return temperature**2 * (b * np.log(b / a)).sum(axis=1).mean()


def cut_off(s, t, temperature):
    a, b = (softmax(z / temperature, axis=1) for z in (s, t))
    return temperature**2 * (b * (np.log(b + 1e-12) - np.log(a + 1e-12))).sum(axis=1).mean()


def vanishing(s, t, temperature):
    a, b = (softmax(z / temperature, axis=1) for z in (s, t))
    return temperature**2 * rel_entr(b, a).sum(axis=1).mean()


def cross_entropy(s, t, temperature):
    return -(temperature**2) * np.mean(
        (softmax(t / temperature, axis=1) * log_softmax(s / temperature, axis=1)).sum(axis=1)
    )


@pytest.mark.parametrize("answer", [soft, by_torch, by_hand])
def test_soft_label_losses_are_accepted(answer):
    assert distillation.check_soft_label_loss(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s, t, T: soft(s, t, T, power=0), "T\\^2 is missing"),
        (lambda s, t, T: soft(s, t, T, power=1), "times T squared"),
        (lambda s, t, T: soft(t, s, T), r"this is KL\(student \|\| teacher\)"),
        (lambda s, t, T: soft(s, t, T, power=0, heat=1), "divide the logits of both by T"),
        (lambda s, t, T: soft(s, t, T, heat=1), "divide the logits of both by T"),
        (lambda s, t, T: soft(T * s, t, T), "expected T"),
        (lambda s, t, T: soft(s, t, T, over=np.sum), "not their sum"),
        (lambda s, t, T: soft(s, t, T, over=lambda kl: kl.mean() / s.shape[1]), "over the images alone"),
        (cross_entropy, "this is the cross-entropy"),
        (lambda s, t, T: soft(s, t, T) / np.log(2), "in nats"),
        (overflowing, "with logits up to 1000 the loss is nan"),
        (vanishing, "with logits up to 1000 the loss is inf"),
        (cut_off, "a small number inside the logarithm cuts it off"),
        (lambda s, t, T: soft(s, t, T, over=np.array), r"one number for all images: .* got \(5,\)"),
    ],
)
def test_wrong_soft_label_losses_are_rejected(answer, message):
    rejects(distillation.check_soft_label_loss, answer, message)
