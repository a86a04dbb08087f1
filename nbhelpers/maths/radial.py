"""The radial model of features, Eq. 3-6: direction says category, strength says how surely. Pure tensor functions."""

from __future__ import annotations

import math
from typing import NamedTuple

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
    strength = (embedding.square().sum(1, keepdim=True) + 1e-24).sqrt()
    return curve(strength) / strength * embedding


def estimate(pull: torch.Tensor, log_r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum-likelihood log pi (C,) and mu (C, d) for responsibilities exp(log_r); however rare a category is."""
    log_weights = log_r.logsumexp(0) - math.log(len(log_r))
    return log_weights, F.normalize(log_r.softmax(0).T @ pull, dim=1, eps=1e-300)


def log_posterior(pull: torch.Tensor, log_weights: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """log Q(y|x), Eq. 6; the normaliser of the densities cancels, because all categories share kappa(l)."""
    return torch.log_softmax(log_weights + pull @ directions.T, dim=1)
