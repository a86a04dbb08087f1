"""The radial model of features, Eq. 3-6: direction says category, strength says how surely. Pure tensor functions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from nbhelpers.maths.kappa import KappaCurve


class Loss(NamedTuple):
    """How far Q is from P, and the mixture that Q comes from."""

    divergence: torch.Tensor
    log_weights: torch.Tensor
    directions: torch.Tensor


def label_loss(embedding: torch.Tensor, log_p: torch.Tensor, curve: KappaCurve, em_steps: int = 0) -> Loss:
    """Mean KL(P || Q) in nats as a differentiable function of the embedding alone; {pi, mu} are estimated inside."""
    pull = concentrate(embedding, curve)
    log_weights, directions = estimate(pull, log_p)
    for _ in range(em_steps):
        log_weights, directions = estimate(pull, log_posterior(pull, log_weights, directions))
    log_q = log_posterior(pull, log_weights, directions)
    return Loss((log_p.exp() * (log_p - log_q)).sum(1).mean(), log_weights, directions)


def concentrate(embedding: torch.Tensor, curve: KappaCurve) -> torch.Tensor:
    """kappa(|g|) g / |g|, smooth at the centre."""
    return _Concentrate.apply(embedding, curve)


class _Concentrate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embedding: torch.Tensor, curve: KappaCurve) -> torch.Tensor:
        strength = (embedding.square().sum(1, keepdim=True) + 1e-24).sqrt()
        kappa, slope = curve.with_slope(strength)
        ratio = kappa.to(embedding.dtype) / strength
        ctx.save_for_backward(embedding, ratio, (slope.to(embedding.dtype) - ratio) / strength.square())
        return ratio * embedding

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        embedding, ratio, bend = ctx.saved_tensors
        return ratio * grad + bend * (grad * embedding).sum(1, keepdim=True) * embedding, None


def estimate(pull: torch.Tensor, log_r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum-likelihood log pi (C,) and mu (C, d) for responsibilities exp(log_r); however rare a category is."""
    top = log_r.detach().amax(0)
    share = (log_r - top).exp()
    log_weights = top + share.sum(0).log() - math.log(len(log_r))
    return log_weights, F.normalize(share.T @ pull, dim=1, eps=1e-300)


def log_posterior(pull: torch.Tensor, log_weights: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """log Q(y|x), Eq. 6; the normaliser of the densities cancels, because all categories share kappa(l)."""
    return torch.log_softmax(log_weights + pull @ directions.T, dim=1)
