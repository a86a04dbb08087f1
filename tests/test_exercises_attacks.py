"""The checks of chapter 4 accept right answers, and say why the typical wrong ones are wrong."""

import numpy as np
import pytest
import torch
from rejecting import rejects

from nbhelpers.teach import PASSED, attacks

# A step of PGD


def step_up(x, start, slope, eps, step, direction=np.sign, centre=None, pixels=(0, 1)):
    centre = start if centre is None else centre
    return np.clip(x + step * direction(slope), centre - eps, centre + eps).clip(*pixels)


def by_difference(x, start, slope, eps, step):
    moved = (x - start + step * np.sign(slope)).clip(-eps, eps)
    return np.minimum(np.maximum(start + moved, 0), 1)


def in_torch(x, start, slope, eps, step):
    x, start, slope = (torch.from_numpy(a).float() for a in (x, start, slope))
    return (x + step * slope.sign()).clamp((start - eps).clamp(min=0), (start + eps).clamp(max=1))


def in_place(x, start, slope, eps, step):
    x += step * np.sign(slope)
    return np.clip(x, start - eps, start + eps).clip(0, 1)


@pytest.mark.parametrize("answer", [step_up, by_difference, in_torch])
def test_steps_of_pgd_are_accepted(answer):
    assert attacks.check_pgd_step(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, x0, g, e, s: step_up(x, x0, g, e, s, direction=lambda g: g), "take the sign of the slope"),
        (lambda x, x0, g, e, s: step_up(x, x0, g, e, s, centre=x), "not around x"),
        (lambda x, x0, g, e, s: (x + s * np.sign(g)).clip(0, 1), "not around x"),
        (lambda x, x0, g, e, s: step_up(x, x0, g, e, s, pixels=(-9, 9)), r"pixels lie in \[0, 1\], found -0"),
        (lambda x, x0, g, e, s: step_up(x, x0, -g, e, s), "the sign is turned"),
        (lambda x, x0, g, e, s: step_up(x, x0, g, e, s, lambda g: np.where(g > 0, 1, -1)), "a pixel stays"),
        (lambda x, x0, g, e, s: step_up(x, x0, g, e, s, lambda g: g / np.linalg.norm(g)), "clipped to within eps"),
        (lambda x, x0, g, e, s: step_up(x0, x0, g, e, s), "a pixel stays"),
        (lambda x, x0, g, e, s: x, "clipped to within eps"),
        (in_place, "must not change"),
    ],
)
def test_wrong_steps_are_rejected(answer, message):
    rejects(attacks.check_pgd_step, answer, message)


# Success


@pytest.mark.parametrize(
    "answer",
    [
        lambda before, after, y: (after != y)[before == y].mean(),
        lambda before, after, y: ((before == y) & (after != before)).sum() / (before == y).sum(),
        lambda before, after, y: 1 - np.mean(after[before == y] == y[before == y]),
        lambda before, after, y: (
            sum(b == c != a for b, a, c in zip(before, after, y, strict=True)) / list(before == y).count(True)
        ),
        lambda before, after, y: torch.tensor(after != y)[torch.tensor(before == y)].float().mean(),
    ],
)
def test_success_rates_are_accepted(answer):
    assert attacks.check_success_rate(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda before, after, y: ((before == y) & (after != y)).mean(), "3 of all the 13 images"),
        (lambda before, after, y: (after != y).mean(), "wrong before the attack"),
        (lambda before, after, y: (after != y).sum() / (before == y).sum(), "wrong before the attack"),
        (lambda before, after, y: (after != before).mean(), "every change of the name"),
        (lambda before, after, y: (after != before).sum() / (before == y).sum(), "every change of the name"),
        (lambda before, after, y: (after == y)[before == y].mean(), "withstand"),
        (lambda before, after, y: (before == y).mean() - (after == y).mean(), "expected 3 / 8 = 0.375, got 0.154"),
        (lambda before, after, y: 100 * (after != y)[before == y].mean(), "got 37.5"),
        (lambda before, after, y: (after != y)[before == y], r"expected shape \(\), got \(8,\)"),
    ],
)
def test_wrong_success_rates_are_rejected(answer, message):
    rejects(attacks.check_success_rate, answer, message)


# Damaged regions


def damaged(h, mu, p, end=lambda s: s[-1], cosine=True, turned=np.greater, weak=1.0):
    strength = np.linalg.norm(h, axis=2)
    along = h[0] @ mu / strength[0] > 0.9 if cosine else True
    return along & (strength[0] > 1) & ~turned(p, 0.5) & (end(strength) < weak)


def region_by_region(h, mu, p):
    found = []
    for r in range(h.shape[1]):
        start, end = (float(np.sqrt((v**2).sum())) for v in (h[0, r], h[-1, r]))
        cosine = float(np.dot(h[0, r], mu)) / (start * float(np.linalg.norm(mu)))
        found.append(cosine > 0.9 and start > 1 and p[r] <= 0.5 and end < 1)
    return found


@pytest.mark.parametrize("answer", [damaged, region_by_region])
def test_damaged_regions_are_accepted(answer):
    assert attacks.check_damaged(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda h, mu, p: damaged(h, mu, p, end=lambda s: s.min(axis=0)), "region 1 is not damaged: .*last iterate"),
        (lambda h, mu, p: damaged(h, mu, p, cosine=False), "region 2 is not damaged: .*pointed elsewhere"),
        (lambda h, mu, p: damaged(h, mu, p, turned=lambda p, half: np.zeros(len(p), bool)), "region 3 .*it turned"),
        (lambda h, mu, p: damaged(h, mu, p, cosine=False) & (h[0] @ mu > 0.9), "region 4 .*divide the product"),
        (
            lambda h, mu, p: damaged(3 * h, mu, p, end=lambda s: s[-1] / 3),
            "region 5 is not damaged: .*no strong region",
        ),
        (lambda h, mu, p: damaged(h, mu, p, weak=1.3), "region 6 is not damaged: .*1.2 are left"),
        (lambda h, mu, p: damaged(h, mu, p, turned=np.greater_equal), "region 7 is damaged: p_new is 0.5 exactly"),
        (lambda h, mu, p: ~damaged(h, mu, p), "region 0 is damaged"),
        (lambda h, mu, p: np.isin(np.arange(len(p)), (0, 7)), "of 500 drawn regions .* all four conditions"),
        (lambda h, mu, p: 1.0 * damaged(h, mu, p), "expected booleans, got float64"),
        (lambda h, mu, p: np.linalg.norm(h, axis=1) < 1, r"one True or False a region: expected shape \(8,\)"),
        (lambda h, mu, p: damaged(np.multiply(h, 1.01, out=h), mu, p), "must not change"),
    ],
)
def test_wrong_damaged_regions_are_rejected(answer, message):
    rejects(attacks.check_damaged, answer, message)


# Chance


def chance(new, original, shows, alike=None, over=np.mean):
    alike = original[:, None] == original if alike is None else alike
    return over([shows[i, new[alike[i]]].mean() for i in range(len(new))])


def by_frequency(new, original, shows):
    """From how often each category becomes each other one."""
    counts = np.zeros((shows.shape[1],) * 2)
    np.add.at(counts, (original, new), 1)
    rows = counts[original]
    return np.mean((rows * shows).sum(axis=1) / rows.sum(axis=1))


def drawn(new, original, shows):
    rng = np.random.default_rng(0)
    lots = [[rng.choice(new[original == c]) for c in original] for _ in range(200)]
    return np.mean([shows[np.arange(len(new)), lot].mean() for lot in lots])


@pytest.mark.parametrize(
    "answer",
    [chance, by_frequency, lambda new, original, shows: chance(torch.from_numpy(new), original, 1.0 * shows)],
)
def test_chances_are_accepted(answer):
    assert attacks.check_fragment_chance(answer) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda new, original, shows: shows[:, new].mean(), "the same original category as i"),
        (lambda new, original, shows: shows[np.arange(len(new)), new].mean(), "how often it happened"),
        (lambda new, original, shows: 1 / shows.shape[1], "attacks prefer some"),
        (lambda new, original, shows: shows.mean(), "attacks prefer some"),
        (
            lambda new, original, shows: chance(
                new, original, shows, (original[:, None] == original) & ~np.eye(len(new), dtype=bool)
            ),
            "i itself is among the j",
        ),
        (lambda new, original, shows: shows[:, new][original[:, None] == original].mean(), "weigh all images alike"),
        (
            lambda new, original, shows: np.mean(
                [shows[original == c][:, new[original == c]].mean() for c in np.unique(original)]
            ),
            "weigh all images alike",
        ),
        (lambda new, original, shows: chance(new, new, shows), "how often it happened"),
        (lambda new, original, shows: 1 - chance(new, original, shows), "expected .* got"),
        (drawn, "do not draw some"),
        (lambda new, original, shows: chance(new, original, shows, over=np.array), r"one number .* got \(15,\)"),
    ],
)
def test_wrong_chances_are_rejected(answer, message):
    rejects(attacks.check_fragment_chance, answer, message)
