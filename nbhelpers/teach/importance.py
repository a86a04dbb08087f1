"""Checks for chapter 3: the likelihood of a partner image, Shapley values, agreement image by image, the simplex."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy.special import log_softmax, softmax

from nbhelpers.method.importance import project_to_simplex
from nbhelpers.probes.metrics import per_image_pearson
from nbhelpers.teach import PASSED, Answer, ask, compare, expect


def check_image_likelihood(function: Answer) -> str:
    """Check ``function(scores (R, n), w (R,)) -> Q (n,)``, the softmax over partner images j of sum_r w_r s_r(j).

    >>> check_image_likelihood(lambda scores, w: softmax(w @ scores))
    'Right.'
    """
    rng = np.random.default_rng(5)
    scores, w = rng.normal(size=(4, 6)), np.array([0.6, 0.3, 0.1, 0.0])
    what = "one probability a partner image"
    got = ask(function, scores, w, shape=(6,), what=what)
    expect(np.isclose(got.sum(), 1), f"the probabilities of the partners must sum to 1, got {got.sum():.4g}")
    forgotten = "the importance w is missing: regions count by it"
    compare(
        got,
        softmax(w @ scores),
        "expected Q(j) proportional to exp(sum_r w_r s_r(j))",
        (softmax(scores.mean(axis=0)), forgotten),
        (softmax(scores.sum(axis=0)), forgotten),
        (w @ softmax(scores, axis=1), "weigh scores, not probabilities: likelihoods are raised to the power w"),
        (softmax(w @ log_softmax(scores, axis=0)), "normalise over the partner images, not over the regions"),
    )
    large = ask(function, 2000 * scores, w, shape=(6,), what=what)
    expect(np.isfinite(large), "exp overflows or vanishes at large scores: subtract the largest exponent first")
    compare(large, softmax(w @ (2000 * scores)), "at large scores Q should go to the best partner alone")
    return PASSED


def check_shapley(function: Answer) -> str:
    """Check ``function(payoff, players) -> (players,)``, exact Shapley values of up to six players.

    ``payoff`` takes a coalition, any collection of different player numbers, and returns a number.
    """

    def play(worth: Callable[[frozenset[int]], float], players: int) -> np.ndarray:
        def payoff(coalition: Iterable[int]) -> float:
            listed = list(coalition)
            members = frozenset(listed)
            once = f"payoff was asked for {listed}: each of the players 0 ... {players - 1} at most once"
            expect(len(members) == len(listed) and members <= set(range(players)), once)
            return worth(members)

        return ask(function, payoff, players, shape=(players,), what="one value a player")

    got = play(lambda s: sum((1.0, 4.0, 0.0)[i] for i in s), 3)
    expect(np.isclose(got[2], 0), "a player who adds nothing to any coalition gets nothing")
    compare(got, [1, 4, 0], f"where each player adds a number of its own it gets that: 1, 4, 0; got {got}")

    got = play(lambda s: float(0 in s and len(s) > 1), 3)  # a left glove and two right ones; a pair is worth 1
    every = "average over all coalitions that a player can join, not only the last or the first one"
    expect(not np.allclose(got, [1, 0, 0]) and not np.allclose(got, 0), every)
    orders = "average over the orders of arrival, in which small and large ones come before a player equally often"
    expect(not np.allclose(got, [3 / 4, 1 / 4, 1 / 4]), f"coalitions do not all count alike: {orders}")
    expect(np.isclose(got.sum(), 1), f"the values share out what all earn together, 1; they sum to {got.sum():.4g}")
    expect(np.isclose(got[1], got[2]), "the two right gloves are worth the same to everyone, so they get the same")
    gloves = f"one left glove and two right ones: exactly 2/3, 1/6, 1/6, got {got.round(4)}"
    compare(got, [2 / 3, 1 / 6, 1 / 6], gloves)

    got = play(lambda s: 10.0 + len(s) ** 2, 4)
    compare(got, 4, "what nobody at all earns (here 10) is not anyone's merit: v(all) - v(nobody) is shared")

    teams = itertools.chain.from_iterable(itertools.combinations(range(6), size) for size in range(1, 7))
    rng = np.random.default_rng(6)
    bonus = {frozenset(team): rng.normal() for team in teams}  # earned where a whole team is, and shared by it alike
    got = play(lambda s: sum(bonus[team] for team in bonus if team <= s), 6)
    right = np.array([sum(bonus[team] / len(team) for team in bonus if i in team) for i in range(6)])
    compare(got, right, f"a game of six: expected {right.round(3)}, got {got.round(3)}")
    compare(play(lambda s: 7.0 * len(s), 1), 7, "a single player gets all")
    return PASSED


def check_per_image_pearson(function: Answer) -> str:
    """Check ``function(a (N, R), b (N, R)) -> r (N,)``: Pearson's correlation over the regions of each image."""
    rng = np.random.default_rng(7)
    a, b = 5 + rng.normal(size=(2, 6, 6)) * np.arange(1, 7)[:, None]
    b[0] = 3 * a[0] + 2
    what = "one correlation an image"
    got = ask(function, a, b, shape=(6,), what=what)
    expect(not np.allclose(got, per_image_pearson(a.T, b.T)), "over the regions of each image, not over the images")
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    expect(not np.allclose(got, cosine), "subtract each image's own mean first: without that it is a cosine")
    expect(np.isclose(got[0], 1), f"the first image has b = 3 a + 2, a straight line: r is 1, got {got[0]:.4g}")
    right = per_image_pearson(a, b)
    rows = f"expected {right.round(3)}, got {got.round(3)}: means and standard deviations are those of each row"
    compare(got, right, rows)
    a[1], b[2] = 2.0, 0.0
    got = ask(function, a, b, shape=(6,), what=what)
    expect(np.isnan(got[1:3]), "nothing correlates with a constant row: its r is undefined, NaN")
    expect(np.allclose(np.delete(got, [1, 2]), np.delete(right, [1, 2])), "a constant row must not touch other images")
    return PASSED


def check_simplex(function: Answer) -> str:
    """Check ``function(x (R,)) -> w (R,)``, the nearest point to x with entries of 0 or more that sum to 1."""
    inside = np.array([0.5, 0.3, 0.2])
    what = "as many entries as were given"
    got = ask(function, inside, shape=(3,), what=what)
    compare(got, inside, f"a point of the simplex is its own nearest point: {inside}, got {got.round(4)}")
    rng = np.random.default_rng(8)
    for x in (np.array([0.6, 0.6, -1.0]), np.array([2.0, 0.5, 0.4]), np.array([-3.0, -4.0]), rng.normal(size=40)):
        got = ask(function, x, shape=x.shape, what=what)
        shown = f"for {x.round(2) if len(x) < 5 else 'a long x'}: "
        expect(got >= -1e-9, f"{shown}no entry may be below 0, found {got.min():.4g}")
        expect(np.isclose(got.sum(), 1), f"{shown}the entries must sum to 1, they sum to {got.sum():.4g}")
        right = project_to_simplex(torch.from_numpy(x)[None])[0].numpy()
        far, near = np.linalg.norm(got - x), np.linalg.norm(right - x)
        compare(
            got,
            right,
            f"{shown}{far:.4f} away, but the nearest point is {near:.4f} away. Lower all entries by one number and cut "
            "off at 0; that number is the one that makes the sum 1",
            atol=1e-6,
        )
    return PASSED
