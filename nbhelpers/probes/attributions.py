"""Maps that tell which regions of a layer speak for a category: gradients, occlusion, and lengths that need no network.

Those that ask the network put the question of :func:`~nbhelpers.region_shapley`: what do the layer's regions add to the
logit of a category, where an absent region holds zeros and the tail runs on? So they can be held against its values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from nbhelpers.maths.arrays import Array, as_tensor, check_whole, on_tensors
from nbhelpers.probes.games import Game, Players, handed_back, playing

Slope = Callable[[torch.Tensor], torch.Tensor]
"""From features (b, K, H, W) to the gradient of the score there."""
Rule = Callable[[torch.Tensor, Slope], torch.Tensor]
"""From features (b, K, H, W) and the slope to relevance (b, H, W)."""


@on_tensors(regions="N K H W")
def strength(regions: Array) -> Array:
    r"""Lengths :math:`\|f^{(r)}\|` of regional features (N, K, H, W), as (N, R): no network, no category.

    Examples
    --------
    >>> import numpy as np
    >>> strength(np.array([[[[3.0, 0.0]], [[4.0, 1.0]]]])).tolist()
    [[5.0, 1.0]]
    """
    return regions.norm(dim=1).flatten(1)


@on_tensors(regions="N K H W")
def distance_from_mean(regions: Array) -> Array:
    r"""Lengths :math:`\|f^{(r)} - \bar f\|` of regional features (N, K, H, W), as (N, R).

    The mean :math:`\bar f` is over all regions of all N images: what the layer says anywhere, not what it says of one
    image. So the map of an image depends on the others.

    Examples
    --------
    >>> import numpy as np
    >>> distance_from_mean(np.array([[[[3.0, 1.0]]], [[[1.0, 1.0]]]])).tolist()
    [[1.5, 0.5], [0.5, 0.5]]
    """
    return (regions - regions.mean(dim=(0, 2, 3), keepdim=True)).norm(dim=1).flatten(1)


@on_tensors(first="N R", second="N R")
def joint(first: Array, second: Array) -> Array:
    """Sum of two maps (N, R), each from its mean and in units of its standard deviation over an image's regions.

    A map that is constant in an image adds nothing there.

    Raises
    ------
    ValueError
        If the shapes differ or values are not finite.

    Examples
    --------
    >>> joint([[1.0, 3.0], [1.0, 3.0]], [[20.0, 60.0], [5.0, 5.0]])
    array([[-2.,  2.],
           [-1.,  1.]])
    """
    spreads = []
    for score in (first, second):
        deviation = score - score.mean(dim=1, keepdim=True)
        spread = deviation.square().mean(dim=1, keepdim=True).sqrt()
        flat = spread <= 1e-12 * score.abs().amax(dim=1, keepdim=True)  # rounding errors of a constant are no spread
        spreads.append(torch.where(flat, 0, deviation / torch.where(flat, 1, spread)))
    return spreads[0] + spreads[1]


def gradient_times_feature(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    *,
    players: Players = None,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> Array:
    r"""Relevance :math:`\sum_k f_k^{(r)}\, \partial z / \partial f_k^{(r)}` of regions for the logit z of a category.

    Where the tail has no biases, and is made of linear maps, ReLU and pooling, these are the values of layer-wise
    relevance propagation (LRP-0; Ancona et al. 2018, arXiv:1711.06104), and they sum to z.

    Parameters
    ----------
    tail : Module
        From features (B, K, H, W) to logits (B, C), such as :func:`~nbhelpers.tail_of` gives. Evaluation mode while it
        runs. If it holds tokens of N images, the regions are of these images, in their order.
    regions : array of shape (K, H, W) or (N, K, H, W)
        Regional features of one image or of N.
    target : int or array of shape (N,)
        The category; one for all images or one an image.
    players : (int, int) or int array of shape (H*W,), optional
        Rows and columns of blocks of regions, or the player 0 ... P - 1 of each region, whose relevance is summed; as
        of :func:`~nbhelpers.region_shapley`. By default each region stands for itself.
    batch_size : int
        Images a pass; bounds the memory, the values do not depend on it.
    device : str or torch.device
        ``"auto"`` is CUDA when there is one.

    Returns
    -------
    float64 array of shape (P,) or (N, P)

    Raises
    ------
    ValueError
        For NaN or wrong shapes, a target out of range, or a tail that has no derivative.

    Examples
    --------
    >>> import numpy as np
    >>> tail = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> _ = nn.init.constant_(tail[1].weight, 3.0)
    >>> gradient_times_feature(tail, np.array([[[1.0, 2.0]]], np.float32), target=0).tolist()
    [3.0, 6.0]
    """
    options = {"players": players, "batch_size": batch_size, "device": device}
    return _relevance(tail, regions, target, lambda f, slope: (f * slope(f)).sum(dim=1), **options)


def grad_cam(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    *,
    players: Players = None,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> Array:
    r"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391), what speaks for the category alone.

    .. math:: \max\Big(0, \sum_k \alpha_k f_k^{(r)}\Big), \qquad
              \alpha_k = \frac1R \sum_{r'} \frac{\partial z}{\partial f_k^{(r')}}

    Parameters, results and errors are those of :func:`gradient_times_feature`.

    Examples
    --------
    >>> import numpy as np
    >>> tail = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> _ = nn.init.constant_(tail[1].weight, 3.0)
    >>> grad_cam(tail, np.array([[[-1.0, 2.0]]], np.float32), target=0).tolist()
    [0.0, 6.0]
    """

    def rule(f: torch.Tensor, slope: Slope) -> torch.Tensor:
        return (f * slope(f).mean(dim=(2, 3), keepdim=True)).sum(dim=1).clamp(min=0)

    return _relevance(tail, regions, target, rule, players=players, batch_size=batch_size, device=device)


def integrated_gradients(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    *,
    steps: int = 50,
    players: Players = None,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> Array:
    r"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) along the straight line from zero to f.

    .. math:: \sum_k f_k^{(r)} \int_0^1 \frac{\partial z}{\partial f_k^{(r)}}(t f)\, dt

    The integral is the mean over the midpoints of ``steps`` equal parts. Values of an image sum to z(f) - z(0), but for
    the error of that. Other parameters, results and errors are those of :func:`gradient_times_feature`.

    Examples
    --------
    >>> import numpy as np
    >>> class Product(nn.Module):
    ...     def forward(self, x):
    ...         return x.flatten(1).prod(dim=1, keepdim=True)
    >>> integrated_gradients(Product(), np.array([[[2.0, 3.0]]], np.float32), target=0).round(6).tolist()
    [3.0, 3.0]
    """
    check_whole(steps, "steps", 1)

    def rule(f: torch.Tensor, slope: Slope) -> torch.Tensor:
        return (f * sum(slope((step + 0.5) / steps * f) for step in range(steps)) / steps).sum(dim=1)

    return _relevance(tail, regions, target, rule, players=players, batch_size=batch_size, device=device)


def occlusion(
    tail: nn.Module,
    regions: Array,
    target: int | Array,
    *,
    players: Players = None,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> Array:
    """What the logit loses when a player alone is absent: its regions are zero, all others are there.

    ``batch_size`` counts occluded images. Other parameters, results and errors are those of
    :func:`gradient_times_feature`; no derivative is needed.

    Examples
    --------
    >>> import numpy as np
    >>> tail = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> _ = nn.init.constant_(tail[2].weight, 1.0)
    >>> occlusion(tail, np.array([[[1.0, 4.0, 3.0]]], np.float32), target=0).tolist()
    [0.0, 1.0, 0.0]
    """
    with playing(tail, regions, target, players=players, batch_size=batch_size, device=device) as game:
        alone = torch.eye(game.count, dtype=torch.bool, device=game.regions.device)
        whole, without = game(torch.cat([alone.any(dim=0, keepdim=True), ~alone])).split([1, game.count], dim=1)
        return handed_back(whole - without, regions)


def _relevance(tail: nn.Module, regions: Array, target: int | Array, rule: Rule, **options: Any) -> Array:
    """What the rule makes of the features of every image, summed over each player's regions."""
    with playing(tail, regions, target, **options) as game:
        maps = []
        for images in torch.arange(len(game.regions), device=game.regions.device).split(game.batch_size):
            maps.append(rule(game.regions[images], partial(_slope, game, images)).double())
        values = as_tensor(torch.cat(maps), "the tail's gradient", dtype=torch.float64, device=None)
        return handed_back(game.summed(values), regions)


def _slope(game: Game, images: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """The gradient of these images' scores at features in place of theirs."""
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        scores = game.scores(at.clone(), images)  # a copy, for the tail may write into it
        if not scores.requires_grad:
            raise ValueError("the tail has no derivative: its logits do not come from differentiable operations")
        return torch.autograd.grad(scores.sum(), at)[0]
