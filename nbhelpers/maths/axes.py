"""Coordinates that a projection is fitted from and shown in. Pure tensor functions."""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F

RIDGE = 1e-3
"""Share of the features' energy below which a direction counts for little."""


def whitening_map(features: torch.Tensor) -> torch.Tensor:
    """(r, D) map to coordinates of second moment s / (s + ridge), s the share of the features' energy in each.

    Through the smaller of the two Gram matrices, so that the cost is linear in images. In these coordinates the loss is
    about as steep in every direction: L-BFGS needs some sixty evaluations instead of some two hundred. In double
    precision, since in single precision eigh gives up on a thousand channels of which most are silent.
    """
    n, d = features.shape
    length = (features.square().sum() / n).sqrt()
    scaled = (features / length).double()
    if d <= n:
        share, axes = torch.linalg.eigh(scaled.T @ scaled / n)
    else:
        share, left = torch.linalg.eigh(scaled @ scaled.T / n)
        axes = scaled.T @ left * torch.where(share > 1e-12, share * n, torch.inf).rsqrt()
    return ((share.clamp(min=0) + RIDGE).rsqrt() * axes).T.to(features) / length


def principal_starts(log_p: torch.Tensor, n_components: int) -> list[torch.Tensor]:
    """Coordinates (N, n_components) of the soft labels on their principal axes, of root mean square length 1.

    The first are on the first axes; the others have the next axis in place of one of these.
    """
    p = log_p.exp()
    p = p - p.mean(0)
    _, _, axes = torch.linalg.svd(p.T @ p)
    scores = p @ axes[: n_components + 1].T
    scores = F.pad(scores, (0, max(0, n_components - scores.shape[1])))
    starts = [scores[:, list(kept)] for kept in combinations(range(scores.shape[1]), n_components)]
    return [start / start.square().sum(1).mean().sqrt().clamp(min=1e-12) for start in starts]


def frame(directions: torch.Tensor) -> torch.Tensor:
    """(d, d) orthonormal axes: the first direction, what the next adds to it, and so on (Gram-Schmidt)."""
    axes: list[torch.Tensor] = []
    for direction in [*directions, *torch.eye(directions.shape[1]).to(directions)]:
        rest = direction - sum((direction @ axis) * axis for axis in axes)
        if len(axes) < directions.shape[1] and rest.norm() > 0.1:
            axes.append(rest / rest.norm())
    return torch.stack(axes)
