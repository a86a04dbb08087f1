"""The radial model of features, Eq. 3-6: direction says category, strength says how surely. Pure tensor functions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from nbhelpers.maths.kappa import KappaCurve


class Opinion:
    """What a network says of N images, log P (N, C), with all that its losses need of it again and again."""

    def __init__(self, log_p: torch.Tensor) -> None:
        self.log_p, self.p = log_p, log_p.exp()
        self.log_weights, self.shares = responsibilities(log_p)


class Loss(NamedTuple):
    """How far Q is from P, and the mixture that Q comes from."""

    divergence: torch.Tensor
    log_weights: torch.Tensor
    directions: torch.Tensor


def label_loss(embedding: torch.Tensor, opinion: Opinion, curve: KappaCurve, em_steps: int = 0) -> Loss:
    """Mean KL(P || Q) in nats as a differentiable function of the embedding alone; {pi, mu} are estimated inside."""
    pull = concentrate(embedding, curve)
    log_weights, directions = opinion.log_weights, mean_directions(pull, opinion.shares)
    for _ in range(em_steps):
        log_weights, directions = estimate(pull, log_posterior(pull, log_weights, directions))
    log_q = log_posterior(pull, log_weights, directions)
    return Loss((opinion.p * (opinion.log_p - log_q)).sum(1).mean(), log_weights, directions)


def concentrate(embedding: torch.Tensor, curve: KappaCurve) -> torch.Tensor:
    """kappa(|g|) g / |g|, smooth at the centre."""
    return _Concentrate.apply(embedding, curve)


class _Concentrate(torch.autograd.Function):
    """One node in the graph for what would be twenty."""

    @staticmethod
    def forward(ctx: Any, embedding: torch.Tensor, curve: KappaCurve) -> torch.Tensor:
        strength = (embedding.square().sum(1, keepdim=True) + 1e-24).sqrt_()
        kappa, kept = curve.read(strength)
        ratio = kappa.to(embedding.dtype) / strength
        ctx.save_for_backward(embedding, strength, ratio, *kept)
        ctx.curve = curve
        return ratio * embedding

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        embedding, strength, ratio, *kept = ctx.saved_tensors
        by_ratio = (grad * embedding).sum(1, keepdim=True)
        by_strength = ctx.curve.pull_back((by_ratio / strength).double(), tuple(kept)).to(grad.dtype)
        by_strength = by_strength.sub_(by_ratio * (ratio / strength)).div_(2 * strength)
        return (grad * ratio).add_(by_strength * (2 * embedding)), None


def responsibilities(log_r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """log pi (C,), and how each category's weight is shared out among the images (N, C); however rare it is."""
    return log_r.logsumexp(0) - math.log(len(log_r)), log_r.softmax(0)


def mean_directions(pull: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Maximum-likelihood mu (C, d)."""
    return F.normalize(shares.T @ pull, dim=1, eps=1e-300)


def estimate(pull: torch.Tensor, log_r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum-likelihood log pi (C,) and mu (C, d) for responsibilities exp(log_r)."""
    log_weights, shares = responsibilities(log_r)
    return log_weights, mean_directions(pull, shares)


def log_posterior(pull: torch.Tensor, log_weights: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """log Q(y|x), Eq. 6; the normaliser of the densities cancels, because all categories share kappa(l)."""
    return torch.log_softmax(log_weights + pull @ directions.T, dim=1)
