"""How far a map of regions can be trusted: what is left of a category as its regions go, or come, the first first."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from nbhelpers.maths.arrays import Array, as_tensor, on_tensors
from nbhelpers.probes.games import Players, handed_back, playing


class RemovalCurves(NamedTuple):
    """Probabilities of a category while 0 ... P players have gone or come: (P + 1,) or (N, P + 1) each.

    Attributes
    ----------
    deletion : array
        From the whole image to nothing; the sooner it falls, the better the map.
    insertion : array
        From nothing to the whole image; the sooner it rises, the better the map.
    """

    deletion: Array
    insertion: Array


def removal_curves(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    scores: Array,
    *,
    players: Players = None,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> RemovalCurves:
    """Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421) of regions by the order of a map, greatest first.

    An absent region holds zeros, as in :func:`~nbhelpers.region_shapley`. Of players that score alike the one of the
    lower number goes first.

    Parameters
    ----------
    tail, regions, target, players, device
        As of :func:`~nbhelpers.region_shapley`.
    scores : array of shape (P,) or (N, P)
        The map: a number for each player, by default for each region, row by row.
    batch_size : int
        Incomplete images a pass; bounds the memory, the values do not depend on it.

    Returns
    -------
    RemovalCurves
        Of float64, in 0 ... 1.

    Raises
    ------
    ValueError
        For NaN, a target out of range, or shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> tail = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> _ = nn.init.zeros_(tail[1].bias)
    >>> with torch.no_grad():
    ...     _ = tail[1].weight.copy_(torch.tensor([[9.0, 0.0], [0.0, 0.0]]))
    >>> curves = removal_curves(tail, np.ones((1, 1, 2), np.float32), target=0, scores=np.array([2.0, 1.0]))
    >>> curves.deletion.round(2).tolist(), curves.insertion.round(2).tolist()
    ([1.0, 0.5, 0.5], [0.5, 1.0, 1.0])
    """
    options = {"players": players, "batch_size": batch_size, "device": device}
    with playing(tail, regions, target, output="log_probability", **options) as game:
        where = game.regions.device
        order = as_tensor(scores, "scores", ndim=(1, 2), dtype=torch.float64, device=where)
        order = order if order.ndim == 2 else order[None]
        if order.shape != (len(game.regions), game.count):
            raise ValueError(
                f"scores must have one number for each of {game.count} players of {len(game.regions)} images, got "
                f"shape {tuple(order.shape)}"
            )
        ranks = order.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        gone = ranks[:, None, :] < torch.arange(game.count + 1, device=where)[:, None]
        p = game(torch.cat([~gone, gone], dim=1)).exp()
        return RemovalCurves(*(handed_back(curve, regions) for curve in p.split(game.count + 1, dim=1)))


@on_tensors(curves="N S")
def curve_area(curves: Array) -> Array:
    """Area under each of N curves of S >= 2 numbers at equal distances, from 0 to 1 (trapezoids): its mean height.

    Examples
    --------
    >>> curve_area([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    array([1.  , 0.25])
    """
    if curves.shape[1] < 2:
        raise ValueError(f"a curve needs at least 2 numbers, got shape {tuple(curves.shape)}")
    return torch.trapezoid(curves, dx=1 / (curves.shape[1] - 1), dim=1)
