"""Shapley values of a layer's regions: what each adds to a category's score, averaged over all orders of arrival.

The players are the regions of an H x W grid of features. A region that is absent has its feature vector replaced by a
baseline, and only the part of the network after the layer runs. With payoff v(S) of a coalition S of the R players,

    phi_r = sum over S without r of  |S|! (R - |S| - 1)! / R!  *  (v(S + r) - v(S)).

Up to 16 players all 2^R coalitions are enumerated. Beyond, permutations are drawn in antithetic pairs, an order and its
reverse (Mitchell et al., JMLR 2022): a pair is exact for every game of single regions and interactions of two.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from tqdm import tqdm

from nbhelpers.maths.arrays import Array, check_choice, check_not_negative
from nbhelpers.probes.games import Game, Players, handed_back, playing

MAX_EXACT = 16
"""Players up to which all coalitions are enumerated: 65,536 runs of the tail an image."""

MOST_PERMUTATIONS = 4000
"""Of one image, if its values do not become precise before."""

PAIRS_A_ROUND = 16
"""Antithetic pairs drawn between two looks at the standard errors; fewer would not tell them well."""


def region_shapley(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    baseline: float | str | Array = 0.0,
    *,
    players: Players = None,
    method: str = "exact",
    output: str = "logit",
    permutations: int = MOST_PERMUTATIONS,
    precision: float = 0.03,
    batch_size: int = 256,
    random_state: int = 0,
    device: str | torch.device = "auto",
) -> tuple[Array, Array]:
    """Shapley values of regions for one category's score.

    Parameters
    ----------
    tail : Module
        From features (B, K, H, W) to logits (B, C), such as :func:`tail_of` gives. Evaluation mode while it runs. If it
        holds tokens of N images, the regions are of these images, in their order.
    regions : array of shape (K, H, W) or (N, K, H, W)
        Regional features of one image or of N.
    target : int or array of shape (N,)
        The category whose score is shared out; one for all images or one an image.
    baseline : float, "mean" or array of shape (K,)
        What an absent region holds: one number everywhere, the mean over the image's own regions, or a given
        vector such as the mean over a data set.
    players : (int, int) or int array of shape (H*W,), optional
        Rows and columns of blocks of the grid, each of which is a player, such as ``(4, 4)``; or the player 0 ... P - 1
        of each region, row by row. By default each region plays for itself.
    method : {"exact", "permutation"}
        All coalitions (up to 16 players), or antithetic permutations.
    output : {"logit", "log_probability"}
        The score: z_target, or log softmax(z)_target.
    permutations : int
        Even number of permutations, at least 4, that no image exceeds; a reversed one counts.
    precision : float
        Stop sampling an image when its largest standard error is at most this share of the range (largest minus
        smallest) of its values. At 0, all permutations are used.
    batch_size : int
        Coalitions a forward pass; bounds the memory, the values do not depend on it.
    random_state : int
        Fixes the permutations, image by image.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    values : float64 array of shape (P,) or (N, P)
        They sum to the score of the whole image minus that of the baseline alone, with either method.
    standard_errors : float64 array of the same shape
        Zero with ``method="exact"``.

    Raises
    ------
    ValueError
        For NaN or wrong shapes, a target out of range, too many players for ``"exact"``, unknown options.

    Warns
    -----
    ConvergenceWarning
        If ``permutations`` were used up before ``precision`` was reached.

    Examples
    --------
    A layer whose category adds up four regions shares the score as it was added up.

    >>> tail = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = tail[1].weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]]))
    >>> values, standard_errors = region_shapley(tail, np.ones((1, 2, 2), np.float32), target=0)
    >>> values.round(5).tolist(), standard_errors.tolist()
    ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0])
    """
    options = {"players": players, "baseline": baseline, "output": output, "batch_size": batch_size}
    results, rough = [], []
    with playing(tail, regions, target, **options, device=device) as game:
        _check_options(method, game.count, permutations, precision)
        # One player has one order: nothing to sample.
        coalitions = _all_coalitions(game.count, game.regions.device) if method == "exact" or game.count == 1 else None
        for i in tqdm(range(len(game.regions)), "Shapley values", unit="image", delay=2):
            one = game.of_image(i)
            if coalitions is not None:
                masks, weights = coalitions
                value = one(masks)[0] @ weights
                results.append((value, torch.zeros_like(value)))
            else:
                results.append(_sample(one, permutations, precision, np.random.default_rng((random_state, i))))
                rough.append(_roughness(*results[-1]))
    missed = [r for r in rough if r > precision > 0]
    if missed:
        warnings.warn(
            f"{len(missed)} of {len(results)} images used all {permutations} permutations and kept standard errors of "
            f"up to {max(missed):.2%} of their values' range, above the {precision:.2%} asked for; "
            f"raise permutations or precision",
            ConvergenceWarning,
            stacklevel=2,
        )
    values, errors = (handed_back(torch.stack(v), regions) for v in zip(*results, strict=True))
    return values, errors


def _all_coalitions(players: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Every coalition as a boolean row (2^P, P), and the weight of its payoff in each player's value (2^P, P)."""
    masks = (torch.arange(2**players)[:, None] >> torch.arange(players)) % 2 == 1
    sizes = masks.sum(dim=1, keepdim=True)
    arriving = torch.tensor([1 / (players * math.comb(players - 1, s)) for s in range(players)], dtype=torch.float64)
    weights = torch.where(masks, arriving[(sizes - 1).clamp(min=0)], -arriving[sizes.clamp(max=players - 1)])
    return masks.to(device), weights


def _sample(
    game: Game, permutations: int, precision: float, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean contributions over antithetic pairs and their standard errors, until precise enough."""
    device, players = game.regions.device, game.count
    ends = game(torch.tensor([[False] * players, [True] * players], device=device))[0]
    pairs, rounds = permutations // 2, []
    whole = max(1, 2**24 // players**2)  # orders whose coalitions are written out at a time, in 16 MB
    while True:
        new = min(PAIRS_A_ROUND, pairs - sum(len(r) for r in rounds))
        forward = generator.permuted(np.tile(np.arange(players), (new, 1)), axis=1)
        orders = torch.from_numpy(np.concatenate([forward, forward[:, ::-1]]))
        parts = [game(prefixes(part).flatten(0, 1))[0] for part in orders.to(device).split(whole)]
        v = torch.cat(parts).view(len(orders), -1)
        rounds.append(contributions(orders, v, ends).view(2, new, players).mean(dim=0))
        drawn = torch.cat(rounds)
        value, error = drawn.mean(dim=0), drawn.std(dim=0) / len(drawn) ** 0.5
        if len(drawn) == pairs or (precision and _roughness(value, error) <= precision):
            return value, error


def prefixes(orders: torch.Tensor) -> torch.Tensor:
    """Coalitions of the first 1 ... P - 1 players of each order (M, P), as booleans (M, P - 1, P)."""
    players = orders.shape[1]
    return orders.argsort(dim=1)[:, None, :] < torch.arange(1, players, device=orders.device)[:, None]


def contributions(orders: torch.Tensor, v: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """What each player added (M, P) as it joined the payoffs (M, P - 1); ``ends`` are those of nobody and of all."""
    empty, full = ends.expand(len(orders), 2).split(1, dim=1)
    steps = torch.cat([empty, v, full], dim=1).diff(dim=1)
    return torch.zeros_like(steps).scatter(1, orders, steps)


def _roughness(values: torch.Tensor, errors: torch.Tensor) -> float:
    """The largest standard error as a share of the range of the values."""
    largest, span = float(errors.max()), float(values.max() - values.min())
    return largest / span if span else math.inf if largest else 0.0


def _check_options(method: str, players: int, permutations: int, precision: float) -> None:
    check_choice(method, "method", ("exact", "permutation"))
    check_not_negative(precision, "precision")
    if method == "exact" and players > MAX_EXACT:
        raise ValueError(
            f"{players} players have 2^{players} coalitions, and exact enumeration ends at {MAX_EXACT} players; "
            f"use method='permutation', or let blocks of regions play together, as with players=(4, 4)"
        )
    if permutations < 4 or permutations % 2:
        raise ValueError(f"permutations come in pairs and must be an even number of at least 4, got {permutations}")
