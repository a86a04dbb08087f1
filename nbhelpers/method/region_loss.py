"""The loss of regional features, Eq. 7-10. Pure tensor functions."""

from __future__ import annotations

import torch

from nbhelpers.maths.axes import RIDGE
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.maths.vmf import log_constant
from nbhelpers.method.matching import best_matches, kl_divergence, log_choice


def projection_losses(
    h: torch.Tensor,
    w: torch.Tensor,
    g: torch.Tensor,
    log_p: torch.Tensor,
    place: torch.Tensor | None,
    curve: KappaCurve,
) -> torch.Tensor:
    """KL(P || Q) and minus the weighted cosines (2,), each summed over a group of images, each other's partners.

    Takes h (n, R, d), w (n, R), unit vectors g (n, d), log P of column given row (n, n), and the place (n, R, n): which
    region of image j (last axis) matches region r of image i. Where it is None, it is found from h.
    """
    n, r, d = h.shape
    strength = (h.square().sum(2) + 1e-16).sqrt()
    o = h / strength[..., None]
    kappa = curve.look_up(strength)
    if place is None:
        place = best_matches(o.detach(), o.detach())[1]
    rows = (place.int() + r * torch.arange(n, dtype=torch.int32, device=h.device)).flatten()
    # coordinate by coordinate, because gathering and scattering single numbers is three times as fast as short rows
    cosines = sum(x.index_select(0, rows).view(n, r, n) * x.view(n, r, 1) for x in o.reshape(-1, d).T.contiguous())
    # entry [i, j]: log likelihood of image i (its regions, its weights) given image j
    offset = (w * log_constant(kappa.double(), d).to(w)).sum(1)
    log_likelihood = torch.einsum("ir,irj->ij", w * kappa, cosines) + offset[:, None]
    similarity = kl_divergence(log_p, log_choice(log_likelihood.T, log_p)).sum()
    return torch.stack([similarity, -(w * (o @ g[..., None])[..., 0]).sum()])


def least_squares(vectors: torch.Tensor, w: torch.Tensor, g: torch.Tensor, unmix: torch.Tensor) -> torch.Tensor:
    """The map (d, K) whose h comes nearest to the direction of g, weighted by w: in whitened features."""
    x = (vectors @ unmix.T).flatten(0, 1)
    weighted = x * w.reshape(-1, 1)
    gram = weighted.T @ x
    gram.diagonal().add_(RIDGE * w.sum())
    return torch.linalg.solve(gram, weighted.T @ g.repeat_interleave(w.shape[1], dim=0)).T @ unmix
