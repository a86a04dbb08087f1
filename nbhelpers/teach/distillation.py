"""Checks for chapter 5: the losses of mimicry and of soft labels, turning one space onto another, intervals."""

from __future__ import annotations

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.special import log_softmax
from scipy.stats import norm, t

from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_mimicry_loss(function: Answer) -> str:
    """Check ``function(student, teacher) -> loss``, features of one shape: mean((s - t)^2) / mean(t^2).

    >>> check_mimicry_loss(lambda student, teacher: ((student - teacher) ** 2).mean() / (teacher**2).mean())
    'Right.'
    """
    rng = np.random.default_rng(12)
    teacher = np.maximum(rng.normal(size=(4, 3, 2, 2)), 0) * np.array([0.5, 1, 2, 3])[:, None, None, None]
    student = np.maximum(0.7 * teacher + 0.5 * rng.normal(size=teacher.shape), 0)
    got = ask(function, student, teacher, what="one number for all features")
    square, energy = (student - teacher) ** 2, teacher**2
    right = square.mean() / energy.mean()
    each = square.mean(axis=(1, 2, 3)) / energy.mean(axis=(1, 2, 3))
    own = "divide by the teacher's mean square: a student could lower its own ratio by growing"
    raw = "divide by the mean square of the teacher's features, or the loss depends on the layer's scale"
    compare(
        got,
        right,
        f"expected mean((s - t)^2) / mean(t^2) = {right:.4f}, got {got:.4f}: nothing is subtracted before the squares "
        "but the teacher's features from the student's",
        (square.mean(), raw),
        (square.sum(), raw),
        (square.mean() / (student**2).mean(), own),
        (np.sqrt(right), "there is no root: squares over squares"),
        (each.mean(), "take both means over all numbers at once, not a ratio for each image"),
    )
    return PASSED


def check_turn(function: Answer) -> str:
    """Check ``function(source (N, 3), target (N, 3)) -> source turned (N, 3)``, by the best orthogonal matrix."""
    rng = np.random.default_rng(13)
    source = rng.normal([1, 0, 2], size=(20, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    for matrix in (rotation, rotation * [1, 1, -1]):
        target = 1.5 * source @ matrix + [0.3, -0.4, 0] + 0.2 * rng.normal(size=source.shape)
        got = ask(function, source, target, shape=source.shape, what="one turned row for each row of source")
        best = orthogonal_procrustes(source, target)[0]
        centred = source - source.mean(axis=0)
        shifted = centred @ orthogonal_procrustes(centred, target - target.mean(axis=0))[0] + got.mean(axis=0)
        stretched = source @ np.linalg.lstsq(source, target, rcond=None)[0]
        for wrong, why in (
            (stretched, "the least squares map stretches as well; of the SVD of source^T target keep U V^T alone"),
            (shifted, "subtract no mean: the origin, where strength is 0, stays where it is"),
            (source @ best.T, "the turn goes the wrong way, this is the transpose: rows are turned by source @ matrix"),
        ):
            expect(not np.allclose(got, wrong), why)
        lengths = np.linalg.norm(got, axis=1) / np.linalg.norm(source, axis=1)
        times = f"{lengths.min():.3f} ... {lengths.max():.3f} times as long as before"
        compare(lengths, 1, f"a turn leaves every length as it is, but rows are {times}")
        compare(got @ got.T, source @ source.T, "a turn leaves all angles between rows as they are", atol=1e-5)
        far, near = np.linalg.norm(got - target), np.linalg.norm(source @ best - target)
        hint = "" if matrix is rotation else ". Here that is a reflection, which is allowed"
        compare(
            far, near, f"{far:.3f} away from target, but the best orthogonal matrix comes as near as {near:.3f}{hint}"
        )
    return PASSED


def check_interval(function: Answer) -> str:
    """Check ``function(values (n,)) -> (mean, half)``: the 95 % t-interval of the mean over n seeds is mean ± half."""
    for values in (np.array([0.5, 0.6, 0.85]), np.array([3.0, 7.0, 4.0, 1.0, 2.0])):
        mean, half = ask(function, values, shape=(2,), what="the mean and the half width, two numbers")
        n, s = len(values), values.std(ddof=1)
        error = s / np.sqrt(n)
        right = t.ppf(0.975, n - 1) * error
        ends = [values.mean() - right, values.mean() + right]
        expect(not np.allclose([mean, half], ends), "return the mean and the half width, not the two ends")
        compare(mean, values.mean(), f"expected the mean {values.mean():.4f} first, got {mean:.4f}")
        normal = norm.ppf(0.975)
        shrunk = np.sqrt((n - 1) / n)  # what ddof = 0 makes of a standard deviation
        compare(
            half,
            right,
            f"expected t_(n-1, 0.975) s / sqrt(n) = {right:.4f}, got {half:.4f}",
            (shrunk * right, "divide the squares by n - 1, not by n: ddof=1, because the mean was fitted to them"),
            (normal * error, f"1.96 is for many seeds; with {n} it is {t.ppf(0.975, n - 1):.3f}, the t-quantile"),
            (shrunk * normal * error, f"neither ddof=0 nor 1.96 is for {n} seeds: take ddof=1 and the t-quantile"),
            (right * np.sqrt(n), "the mean varies less than a seed: divide the standard deviation by sqrt(n)"),
            (s, "this is the standard deviation of the seeds; asked is how well their mean is known"),
            (error, "this is the standard error: multiply it by the t-quantile"),
            (t.ppf(0.95, n - 1) * error, "2.5 % lie on either side of a 95 % interval: take the quantile at 0.975"),
            (t.ppf(0.975, n) * error, f"{n} seeds have {n - 1} degrees of freedom"),
            (2 * right, "this is the whole width: give the half"),
            rtol=1e-3,
        )
    return PASSED


def check_soft_label_loss(function: Answer) -> str:
    """Check ``function(student, teacher, T) -> loss``, logits (N, C): T^2 mean KL(teacher || student), in nats."""
    rng = np.random.default_rng(14)
    student, teacher = 3 * rng.normal(size=(2, 5, 3))
    got = ask(function, student, teacher, 4.0)
    right = 16 * _divergence(teacher / 4, student / 4)
    log_p = log_softmax(teacher / 4, axis=1)
    entropy = -16 * (np.exp(log_p) * log_p).sum(axis=1).mean()
    undivided = "divide the logits of both by T before the softmax"
    compare(
        got,
        right,
        f"expected T^2 mean KL(teacher || student) = {right:.4f} nats, got {got:.4f}",
        (right / 16, "T^2 is missing: without it the gradient shrinks as T grows"),
        (right / 4, "times T squared, not times T"),
        (16 * _divergence(student / 4, teacher / 4), "this is KL(student || teacher): weigh by the teacher's p"),
        (_divergence(teacher, student), undivided),
        (16 * _divergence(teacher, student), undivided),
        (right * 5, "take the mean over the images, not their sum"),
        (right / 3, "sum over the categories; the mean is over the images alone"),
        (right + entropy, "this is the cross-entropy: subtract the teacher's entropy, so that a perfect student has 0"),
        (right / np.log(2), "in nats: the natural logarithm, not the one to base 2"),
    )
    student, teacher = rng.uniform(-1000, 1000, (2, 5, 3))
    with np.errstate(all="ignore"):
        got = ask(function, student, teacher, 1.0)
    expect(np.isfinite(got), f"with logits up to 1000 the loss is {got}: work with log_softmax, not with log(softmax)")
    right = _divergence(teacher, student)
    small = "work with log_softmax; a small number inside the logarithm cuts it off"
    compare(got, right, f"with logits up to 1000 expected {right:.2f}, got {got:.2f}: {small}")
    return PASSED


def _divergence(p_logits: np.ndarray, q_logits: np.ndarray) -> float:
    """Mean KL(p || q) over images, in nats."""
    log_p, log_q = log_softmax(p_logits, axis=1), log_softmax(q_logits, axis=1)
    return float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
