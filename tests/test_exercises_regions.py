"""The checks of chapters 2 and 3 accept right answers and reject the typical wrong ones, saying why."""

import itertools
import math

import numpy as np
import pytest
from rejecting import rejects
from scipy.special import softmax

from nbhelpers.teach import importance, regions


def norms(h):
    return np.linalg.norm(h, axis=-1)


# Chapter 2


def points(p, labels, threshold, above=np.greater):
    masks = above(p.max(axis=2), threshold)
    return masks, masks & (p.argmax(axis=2) == labels[:, None])


def sharpened(p, labels, threshold):
    p /= p.max()
    return points(p, labels, threshold)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda p, y, t: points(p, y, t, np.greater_equal), "equal to it is not enough"),
        (lambda p, y, t: (points(p, y, t)[0], p.argmax(axis=2) == y[:, None]), "can't be a reliable one"),
        (lambda p, y, t: (points(p, y, t)[0], (p > t)[np.arange(3), :, y]), "the likeliest one is true"),
        (lambda p, y, t: (points(p, y, t)[0], points(p, y, t)[0] & (p.argmax(axis=2) == y)), r"labels\[:, None\]"),
        (lambda p, y, t: (points(p, y, t)[0], points(p, 0 * y, t)[0] & False), "is the label of its image"),
        (lambda p, y, t: (p > t, p > t), r"expected shape \(2, 3, 3\), got \(2, 3, 3, 3\)"),
        (lambda p, y, t: points(p, y, t)[0], r"two arrays.* expected shape \(2, 3, 3\), got \(3, 3\)"),
        (lambda p, y, t: 1 * np.array(points(p, y, t)), "expected bool, got int"),
        (lambda p, y, t: points(p, y, t + 0.2), "largest probability"),
        (sharpened, "must not change"),
    ],
)
def test_wrong_knowledge_points_are_rejected(answer, message):
    assert regions.check_knowledge_mask(points) == regions.PASSED
    rejects(regions.check_knowledge_mask, answer, message)


def enrichment(masks, share, on=lambda share: share >= 0.5):
    return on(share)[masks].mean() / on(share).mean()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda m, s: enrichment(m, s, lambda x: x > 0.5), "exactly one half"),
        (lambda m, s: (s >= 0.5)[m].mean(), "chance by area"),
        (lambda m, s: m[s >= 0.5].mean(), "that of points on object"),
        (lambda m, s: enrichment(m, s, lambda x: x), "decide for each region"),
        (lambda m, s: np.mean([enrichment(a, b) for a, b in zip(m, s, strict=True)]), "not image by image"),
        (lambda m, s: np.array([enrichment(a, b) for a, b in zip(m, s, strict=True)]), "one number for all images"),
        (lambda m, s: 2.0, "they lie there by chance"),
        (lambda m, s: None, "returns nothing"),
    ],
)
def test_wrong_enrichments_are_rejected(answer, message):
    assert regions.check_enrichment(enrichment) == regions.PASSED
    rejects(regions.check_enrichment, answer, message)


def same_mean(layers, mean=lambda h: norms(h).mean(), to=None):
    last = mean(list(layers.values())[-1]) if to is None else to
    return {name: h * last / mean(h) for name, h in layers.items()}


def in_place(layers):
    for name, h in same_mean(layers).items():
        layers[name][:] = h
    return layers


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda layers: same_mean(layers, to=1.0), "last layer's mean strength"),
        (lambda layers: same_mean(layers, lambda h: np.linalg.norm(h.mean(axis=(0, 1)))), "mean of the norms"),
        (lambda layers: same_mean(layers, lambda h: np.sqrt((h**2).sum(axis=2).mean())), "mean of the norms"),
        (lambda layers: same_mean(layers, lambda h: norms(h).mean(axis=1)[:, None, None], to=1.0), "one factor"),
        (lambda layers: {name: h / norms(h)[..., None] for name, h in layers.items()}, "one factor"),
        (lambda layers: {name: h - h.mean() for name, h in layers.items()}, "not the direction"),
        (lambda layers: dict(reversed(same_mean(layers).items())), "same order: conv_33"),
        (lambda layers: same_mean({name: h[0] for name, h in layers.items()}, lambda h: h.mean()), "shapes stay"),
        (lambda layers: None, "returns NoneType"),
        (lambda layers: list(same_mean(layers).values()), "returns list: .* a dictionary, one array a layer"),
        (in_place, "must not change"),
        (lambda layers: layers.update(same_mean(layers)) or layers, "must not change"),
        (lambda layers: {name: layers.pop(name) for name in list(layers)}, "must not change"),
    ],
)
def test_wrong_normalisations_are_rejected(answer, message):
    assert regions.check_same_mean_strength(same_mean) == regions.PASSED
    rejects(regions.check_same_mean_strength, answer, message)


def turn(h, before=None, clip=True, unknown=np.nan, unit=np.degrees):
    length = norms(h)[..., None]
    o = np.divide(h, length, out=np.full_like(h, unknown), where=length > 0)
    cosine = (o[1:] * (o[:-1] if before is None else o[before])).sum(axis=2)
    with np.errstate(invalid="ignore"):
        return unit(np.arccos(np.clip(cosine, -1, 1) if clip else cosine))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda h: turn(h, unit=lambda a: a), "not in radians"),
        (lambda h: turn(h, before=[0]), "each layer and the first"),
        (lambda h: turn(h, unknown=0.0), "unknown, NaN"),
        (lambda h: turn(h, clip=False), "clip to"),
        (lambda h: np.degrees(np.arccos(np.clip((h[1:] * h[:-1]).sum(axis=2), -1, 1))), "unknown, NaN"),
        (lambda h: turn(h).T, r"expected shape \(2, 4\), got \(4, 2\)"),
        (lambda h: turn(np.multiply(h, 2, out=h)), "must not change"),
    ],
)
def test_wrong_turns_are_rejected(answer, message):
    assert regions.check_path_turn(turn) == regions.PASSED
    rejects(regions.check_path_turn, answer, message)


def test_a_cosine_of_vectors_of_any_length_is_rejected():
    def undivided(h):
        dots = (h[1:] * h[:-1]).sum(axis=2)
        missing = (norms(h[1:]) == 0) | (norms(h[:-1]) == 0)
        return np.where(missing, np.nan, np.degrees(np.arccos(np.clip(dots, -1, 1))))

    rejects(regions.check_path_turn, undivided, "each divided by its length")


# Chapter 3


def unstable(scores, w):
    with np.errstate(all="ignore"):
        q = np.exp(w @ scores)
        return q / q.sum()


def changing(scores, w):
    scores -= scores.max()
    return softmax(w @ scores)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (unstable, "overflows"),
        (lambda s, w: softmax(s.mean(axis=0)), "w is missing"),
        (lambda s, w: w @ softmax(s, axis=1), "raised to the power w"),
        (lambda s, w: softmax(w @ np.log(softmax(s, axis=0))), "not over the regions"),
        (lambda s, w: softmax(w @ s / len(w)), "proportional to"),
        (lambda s, w: w @ s, "must sum to 1"),
        (lambda s, w: softmax(w[:, None] * s, axis=1), r"got \(4, 6\)"),
        (lambda s, w: softmax(w @ np.clip(s, -700, 700)), "the best partner alone"),
        (changing, "must not change"),
    ],
)
def test_wrong_likelihoods_are_rejected(answer, message):
    assert importance.check_image_likelihood(lambda s, w: softmax(w @ s)) == importance.PASSED
    rejects(importance.check_image_likelihood, answer, message)


def shapley(payoff, players, orders=None):
    values = np.zeros(players)
    orders = list(itertools.permutations(range(players))) if orders is None else orders(players)
    for order in orders:
        for place, player in enumerate(order):
            values[player] += payoff(order[: place + 1]) - payoff(order[:place])
    return values / len(orders)


def banzhaf(payoff, players):
    values = np.zeros(players)
    for player in range(players):
        others = [i for i in range(players) if i != player]
        for size in range(players):
            for s in itertools.combinations(others, size):
                values[player] += (payoff((*s, player)) - payoff(s)) / 2 ** len(others)
    return values


def leave_one_out(payoff, players):
    everyone = set(range(players))
    return np.array([payoff(everyone) - payoff(everyone - {i}) for i in range(players)])


def without_size(payoff, players):
    """Forgets that there are several coalitions of each size."""
    values = np.zeros(players)
    for player in range(players):
        others = [i for i in range(players) if i != player]
        for size in range(players):
            for s in itertools.combinations(others, size):
                values[player] += (payoff((*s, player)) - payoff(s)) / players
    return values


def ignoring_nobody(payoff, players):
    return shapley(lambda s: payoff(s) if len(s) else 0.0, players)


def sampled(players):
    rng = np.random.default_rng(0)
    return [tuple(rng.permutation(players)) for _ in range(200)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (banzhaf, "do not all count alike"),
        (leave_one_out, "all coalitions"),
        (lambda v, n: np.array([v([i]) - v([]) for i in range(n)]), "all coalitions"),
        (without_size, "adds nothing|1, 4, 0"),
        (ignoring_nobody, "not anyone's merit"),
        (lambda v, n: shapley(v, n, sampled), "the same to everyone|exactly 2/3, 1/6, 1/6"),
        (lambda v, n: shapley(v, n, lambda n: [tuple(range(n))]), "they get the same"),
        (lambda v, n: np.full(n, (v(range(n)) - v(())) / n), "adds nothing"),
        (lambda v, n: shapley(v, n)[:-1], r"expected shape \(3,\), got \(2,\)"),
        (lambda v, n: v(range(1, n + 1)), r"\[1, 2, 3\].*at most once"),
    ],
)
def test_wrong_shapley_values_are_rejected(answer, message):
    assert importance.check_shapley(shapley) == importance.PASSED
    rejects(importance.check_shapley, answer, message)


def test_shapley_values_by_the_weighted_sum_are_right_too():
    def by_weights(payoff, players):
        values = np.zeros(players)
        for player in range(players):
            others = [i for i in range(players) if i != player]
            for size in range(players):
                weight = 1 / (players * math.comb(players - 1, size))
                for s in map(frozenset, itertools.combinations(others, size)):
                    values[player] += weight * (payoff(s | {player}) - payoff(s))
        return values

    assert importance.check_shapley(by_weights) == importance.PASSED


def pearson(a, b, axis=1, centre=True):
    if centre:
        a, b = (x - x.mean(axis=axis, keepdims=True) for x in (a, b))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=axis) / np.sqrt((a**2).sum(axis=axis) * (b**2).sum(axis=axis))


def centring_in_place(a, b):
    a -= a.mean(axis=1, keepdims=True)
    return pearson(a, b)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1], r"one correlation an image: .* got \(\)"),
        (lambda a, b: pearson(a, b, centre=False), "it is a cosine"),
        (lambda a, b: pearson(a, b, axis=0), "not over the images"),
        (lambda a, b: np.abs(pearson(a, b)) ** 0.5, "those of each row"),
        (lambda a, b: pearson(a - a.mean(), b - b.mean(), centre=False), "a straight line: r is 1"),
        (lambda a, b: np.nan_to_num(pearson(a, b)), "undefined, NaN"),
        (lambda a, b: pearson(a, b) * (np.nan if np.isnan(pearson(a, b)).any() else 1), "must not touch other images"),
        (centring_in_place, "must not change"),
    ],
)
def test_wrong_correlations_are_rejected(answer, message):
    assert importance.check_per_image_pearson(pearson) == importance.PASSED
    rejects(importance.check_per_image_pearson, answer, message)


def project(x):
    falling = np.sort(x)[::-1]
    level = (np.cumsum(falling) - 1) / np.arange(1, len(x) + 1)
    return np.maximum(x - level[falling > level][-1], 0)


def shifted(x):
    x += 1 - x.sum()
    return x


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (softmax, "its own nearest point"),
        (lambda x: np.maximum(x, 1e-9) / np.maximum(x, 1e-9).sum(), r"away, but"),
        (lambda x: np.abs(x) / np.abs(x).sum(), "away, but"),
        (lambda x: x + (1 - x.sum()) / len(x), "no entry may be below 0"),
        (lambda x: np.clip(x, 0, None), "they sum to 1.2"),
        (lambda x: project(x)[:2], r"expected shape \(3,\), got \(2,\)"),
        (lambda x: np.divide(x, 2, out=x), "must not change"),
    ],
)
def test_wrong_projections_are_rejected(answer, message):
    assert importance.check_simplex(project) == importance.PASSED
    rejects(importance.check_simplex, answer, message)
