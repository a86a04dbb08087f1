"""Checks for chapter 4: a step of PGD, how often an attack succeeds, damaged regions, fragments named by chance."""

from __future__ import annotations

import numpy as np

from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_pgd_step(function: Answer) -> str:
    """Check ``function(x, start, slope, eps, step) -> next iterate``, arrays (N, 3, H, W): a step up the slope."""
    rng = np.random.default_rng(9)
    eps, step = 0.1, 0.04
    start = rng.uniform(-0.2, 1.2, (2, 3, 8, 8)).clip(0, 1)
    x = (start + rng.uniform(-eps, eps, start.shape)).clip(0, 1)
    slope = rng.normal(size=start.shape)
    slope[rng.random(start.shape) < 0.1] = 0
    got = ask(function, x, start, slope, eps, step, shape=x.shape, what="one value for each pixel of x")
    away = np.abs(got - start).max()
    ball = "the ball stands around the clean image, start, not around x"
    expect(away <= eps + 1e-6, f"a pixel is {away:.3f} away from start, more than eps = {eps}: {ball}")
    expect((got >= -1e-6) & (got <= 1 + 1e-6), f"pixels lie in [0, 1], found {got.min():.3f} ... {got.max():.3f}: clip")
    flat = slope == 0
    expect(np.isclose(got[flat], x[flat], atol=1e-6), "where the slope is 0 a pixel stays, because the sign of 0 is 0")
    low, high = np.maximum(start - eps, 0), np.minimum(start + eps, 1)
    right = np.clip(x + step * np.sign(slope), low, high)
    compare(
        got,
        right,
        "expected x + step * sign(slope), clipped to within eps of start and to [0, 1]; a pixel is "
        f"{np.abs(got - right).max():.3f} away from that",
        (np.clip(x - step * np.sign(slope), low, high), "the sign is turned: an attack moves up the slope of the loss"),
        (
            np.clip(x + step * slope, low, high),
            "take the sign of the slope: every pixel moves by a whole step, steep or not",
        ),
        atol=1e-6,
    )
    return PASSED


def check_success_rate(function: Answer) -> str:
    """Check ``function(before, after, labels) -> rate``, categories (N,): the share of right names that became wrong.

    >>> def rate(before, after, labels):
    ...     return (after != labels)[before == labels].mean()
    >>> check_success_rate(rate)
    'Right.'
    """
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2, 0])
    before = np.array([0, 0, 0, 1, 1, 1, 2, 2, 1, 2, 0, 0, 1])  # 8 right, 5 wrong
    after = np.array([0, 1, 0, 2, 1, 1, 2, 0, 2, 1, 2, 0, 1])  # 3 of the 8 wrong, 1 of the 5 right
    got = ask(function, before, after, labels)
    right, wrong, changed = before == labels, after != labels, before != after
    never = f"{got:.3f} counts images that were wrong before the attack: only one that was right can be fooled"
    every = f"{got:.3f} counts every change of the name, also from one wrong name to another or to the right one"
    compare(
        got,
        3 / 8,
        f"8 images were classified correctly before, 3 of them no longer: expected 3 / 8 = 0.375, got {got:.3f}",
        (3 / 13, "this is 3 of all the 13 images: leave out the 5 that were wrong before, no attack can fool them"),
        (wrong.mean(), never),
        (wrong.sum() / right.sum(), never),
        (changed.mean(), every),
        (changed.sum() / right.sum(), every),
        (5 / 8, f"{got:.3f} is the share of images that withstand the attack"),
    )
    return PASSED


def check_damaged(function: Answer) -> str:
    """Check ``function(h (T + 1, R, 3), mu_ori (3,), p_new (R,)) -> damaged``, boolean (R,): regions of type 4."""
    mu, other = np.array([0.6, 0.8, 0.0]), np.array([0.8, -0.6, 0.0])
    cases = [  # cosine at the start, strength at the start, halfway and at the end, p_new, whether damaged, why
        (0.95, 1.5, 1.0, 0.5, 0.1, True, "it spoke for the original category, and its strength fell from 1.5 to 0.5"),
        (0.95, 1.5, 0.5, 1.4, 0.1, False, "it was weak on the way, but has 1.4 at the end: the last iterate counts"),
        (0.00, 1.5, 1.0, 0.5, 0.1, False, "it pointed elsewhere at the start: the cosine with mu_ori must exceed 0.9"),
        (0.95, 1.5, 1.0, 0.5, 0.9, False, "it turned: p_new is 0.9, so it speaks for the new category"),
        (0.80, 1.5, 1.0, 0.5, 0.1, False, "its cosine was 0.8: divide the product h mu_ori of 1.2 by the strength"),
        (0.95, 0.8, 0.6, 0.5, 0.1, False, "it was no strong region at the start: 0.8, not above 1"),
        (0.95, 1.5, 1.4, 1.2, 0.1, False, "it lost strength, but 1.2 are left: damaged is below 1"),
        (0.95, 1.5, 1.0, 0.5, 0.5, True, "p_new is 0.5 exactly, and turned means above 0.5"),
    ]
    cosine, start, halfway, end, p_new, right, reasons = map(np.array, zip(*cases, strict=True))
    first = start[:, None] * (cosine[:, None] * mu + np.sqrt(1 - cosine[:, None] ** 2) * other)
    h = np.stack([first, halfway[:, None] * mu, end[:, None] * other])
    what = "one True or False a region"
    got = ask(function, h, mu, p_new, shape=right.shape, what=what)
    expect(got.dtype == bool, f"{what}: expected booleans, got {got.dtype}")
    for region in np.flatnonzero(got != right):
        raise AssertionError(f"region {region} is {'' if right[region] else 'not '}damaged: {reasons[region]}")
    rng = np.random.default_rng(10)
    h, p_new = rng.normal(size=(4, 500, 3)) + 2 * mu * np.array([1, 0.5, 0.2, 0])[:, None, None], rng.random(500)
    strength = np.linalg.norm(h, axis=2)
    right = (h[0] @ mu > 0.9 * strength[0]) & (strength[0] > 1) & (p_new <= 0.5) & (strength[-1] < 1)
    differ = (ask(function, h, mu, p_new, shape=right.shape, what=what) != right).sum()
    otherwise = f"of 500 drawn regions {right.sum()} are damaged, and {differ} are sorted otherwise"
    expect(differ == 0, f"{otherwise}: all four conditions must hold together")
    return PASSED


def check_fragment_chance(function: Answer) -> str:
    """Check ``function(new (N,), original (N,), shows (N, C)) -> chance``: new names that fragments show by chance."""
    rng = np.random.default_rng(11)
    original = np.repeat([0, 1, 2, 3], [6, 4, 3, 2])
    new = (original + rng.choice([1, 2, 3], len(original), p=[0.6, 0.3, 0.1])) % 4
    shows = rng.random((len(original), 4)) < 0.4
    shows[np.arange(len(original)), new] |= rng.random(len(original)) < 0.5
    got = ask(function, new, original, shows)
    named = shows[:, new]  # whether image i shows the new name of image j
    alike = original[:, None] == original
    others = alike & ~np.eye(len(original), dtype=bool)
    each = (named & alike).sum(axis=1) / alike.sum(axis=1)
    by_category = np.mean([each[original == category].mean() for category in range(4)])
    equal = "this holds if all new categories were equally frequent, but attacks prefer some: use the new names"
    unequal = "this does not weigh all images alike: take the share over j for each image i, then the mean over the i"
    compare(
        got,
        each.mean(),
        f"expected {each.mean():.4f}, got {got:.4f}: the mean over all i of the share of the j, with original[j] == "
        "original[i], for which shows[i, new[j]]; count all j, do not draw some",
        (named.diagonal().mean(), "this is how often it happened; chance gives i the new names of its whole category"),
        (named.mean(), "draw j from the images with the same original category as i: what is near depends on it"),
        (1 / 4, equal),
        (shows.mean(), equal),
        (((named & others).sum(axis=1) / others.sum(axis=1)).mean(), "i itself is among the j"),
        (named[alike].mean(), unequal),
        (by_category, unequal),
        atol=1e-6,
    )
    return PASSED
