"""The von Mises-Fisher distribution on the unit sphere of any dimension: density, mean resultant length, sampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from nbhelpers.maths.arrays import Array, check_range, check_whole, on_tensors
from nbhelpers.maths.cumulants import cumulants

LONGEST = 1 - 1e-7
"""Mean resultant length of vectors that float32 cannot tell apart: estimates stop short of kappa = inf."""
UNIT_TOLERANCE = 1e-3
"""How far from 1 a unit vector's norm may lie: float16 rounding passes, raw features do not."""


@on_tensors(graph=True, kappa="*")
def log_normalizer(kappa: Any, dim: int) -> Any:
    r"""Logarithm of the normaliser :math:`C_d(\kappa)` of the density :math:`C_d(\kappa)\,e^{\kappa\mu^\top x}`.

    .. math:: \log C_d(\kappa) = (d/2 - 1)\log\kappa - (d/2)\log 2\pi - \log I_{d/2-1}(\kappa)

    Parameters
    ----------
    kappa : float, array or tensor
        Concentrations, 0 (uniform) or more; any shape.
    dim : int
        Number of coordinates d of the unit vectors, 2 or more.

    Returns
    -------
    Same kind, shape and floating type as ``kappa``. Tensors keep their graph; the derivative is :math:`-A_d(\kappa)`.

    Raises
    ------
    ValueError
        If ``kappa`` is negative, NaN or infinite, or ``dim`` is no whole number of at least 2.

    Examples
    --------
    >>> round(log_normalizer(0.0, 3), 4)  # minus the log area of the sphere, 4 pi
    -2.531
    >>> round(log_normalizer(1000.0, 2048), 2)
    4676.82
    """
    return log_constant(check_range(kappa, "kappa"), check_dim(dim))


@on_tensors(graph=True, kappa="*")
def mean_resultant_length(kappa: Any, dim: int) -> Any:
    r"""Length of the mean vector, :math:`A_d(\kappa) = I_{d/2}(\kappa)/I_{d/2-1}(\kappa) = E[\mu^\top x]`, in [0, 1).

    Parameters, errors and the kind of the result are those of :func:`log_normalizer`; the derivative is
    :math:`A_d' = 1 - A_d^2 - (d-1)A_d/\kappa`.

    Examples
    --------
    >>> round(mean_resultant_length(10.0, 3), 6)  # coth(10) - 1/10
    0.9
    """
    return _Cumulant.apply(check_range(kappa, "kappa"), check_dim(dim), 1)


@on_tensors(graph=True, length="*")
def inverse_mean_resultant_length(length: Any, dim: int) -> Any:
    r"""The concentration :math:`\kappa` with :math:`A_d(\kappa) =` ``length``: the maximum-likelihood estimate.

    Banerjee et al. (2005) give the start :math:`r(d - r^2)/(1 - r^2)`, exact at both ends; Newton steps as in
    Sra (2012) bring the relative error below 1e-12, or to what the rounding of ``length`` near 1 leaves.

    Lengths lie in [0, 1), else a ``ValueError`` tells those found: at 1 all vectors coincide and the concentration is
    infinite. The kind of the result is that of :func:`log_normalizer`.

    Examples
    --------
    >>> round(inverse_mean_resultant_length(0.9, 3), 6)
    10.0
    """
    return concentration(check_range(length, "the mean resultant length", below=1), check_dim(dim))


@on_tensors(graph=True, x="N d", directions="K d", kappa="*")
def log_density(x: Array, directions: Array, kappa: Any) -> Array:
    r"""Log density :math:`\log C_d(\kappa_k) + \kappa_k\,\mu_k^\top x_n` of every vector under every direction.

    From unit vectors x (N, d), unit mean directions (K, d) and concentrations that broadcast to (N, K) to an (N, K)
    array or tensor, as ``x``, in nats with respect to the surface measure.

    Raises
    ------
    ValueError
        If vectors are not of length 1 (the message tells the lengths found), the dimensions differ, or ``kappa`` is
        negative or not finite.

    Examples
    --------
    >>> north = np.array([[0.0, 0.0, 1.0]])
    >>> round(float(log_density(north, north, 0.0)[0, 0]), 4)
    -2.531
    """
    check_unit(x, "x")
    check_unit(directions, "directions")
    check_range(kappa, "kappa")
    try:
        kappa.expand(len(x), len(directions))
    except RuntimeError:
        raise ValueError(
            f"kappa must broadcast to one entry a vector and direction, ({len(x)}, {len(directions)}), "
            f"but has shape {tuple(kappa.shape)}"
        ) from None
    return log_constant(kappa, x.shape[1]) + kappa * (x @ directions.T)


@on_tensors(mu="d")
def sample(mu: Array, kappa: float, n: int, random_state: int | np.random.Generator | None = 0) -> Array:
    """Draw ``n`` unit vectors around ``mu``: the rejection sampler of Wood (1994), for any dimension.

    From a unit mean direction (d,) and its concentration, of which 0 draws uniformly, to an (n, d) array or tensor, as
    ``mu``. Equal integers as ``random_state`` give equal draws.

    Raises
    ------
    ValueError
        If ``mu`` is no unit vector, ``kappa`` is negative or not finite, or ``n`` is below 1.

    Examples
    --------
    >>> draws = sample(np.array([0.0, 0.0, 1.0]), kappa=50.0, n=1000)
    >>> draws.shape, bool(draws[:, 2].mean() > 0.97)
    ((1000, 3), True)
    """
    check_unit(mu[None], "mu")
    check_whole(n, "n", 1)
    kappa = float(check_range(torch.as_tensor(kappa), "kappa", below=math.inf))
    centre = mu.cpu().numpy() / float(mu.norm())
    rng, dim = np.random.default_rng(random_state), len(centre)

    # gap = 1 - cos(x, mu) is drawn instead of the cosine itself, so that nothing cancels at a large kappa.
    b = (dim - 1) / (2 * kappa + math.hypot(2 * kappa, dim - 1))
    gap_0 = 2 * b / (1 + b)  # where the envelope touches the density
    peak = -kappa * gap_0 + (dim - 1) * math.log(gap_0 * (2 - gap_0))
    gap = np.empty(0)
    while len(gap) < n:
        beta = rng.beta((dim - 1) / 2, (dim - 1) / 2, size=2 * n)
        trial = 2 * b * beta / (1 - (1 - b) * beta)
        height = -kappa * trial + (dim - 1) * np.log(gap_0 + (1 - gap_0) * trial)
        gap = np.append(gap, trial[height - peak >= np.log1p(-rng.random(2 * n))])
    gap = gap[:n, None]

    tangent = rng.standard_normal((n, dim))
    tangent -= (tangent @ centre)[:, None] * centre
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    draws = (1 - gap) * centre + np.sqrt(gap * (2 - gap)) * tangent
    return torch.from_numpy(draws)


def check_dim(dim: int) -> int:
    """A whole number of coordinates, 2 or more."""
    return check_whole(dim, "dim", 2)


def check_unit(vectors: torch.Tensor, name: str) -> torch.Tensor:
    """Rows of length 1, or a ``ValueError`` that shows the lengths."""
    if not vectors.is_meta:
        norms = vectors.detach().norm(dim=1)
        if bool(((norms - 1).abs() > UNIT_TOLERANCE).any()):
            raise ValueError(
                f"the rows of {name} must be unit vectors, but their lengths run from {float(norms.min()):.4g} to "
                f"{float(norms.max()):.4g}; divide each row by its length first (sklearn.preprocessing.normalize)"
            )
    return vectors


def log_constant(kappa: torch.Tensor, dim: int) -> torch.Tensor:
    """:func:`log_normalizer` of a float64 tensor, unchecked."""
    log_area = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    return -log_area - _Cumulant.apply(kappa, dim, 0)


def concentration(length: torch.Tensor, dim: int) -> torch.Tensor:
    """:func:`inverse_mean_resultant_length` of a float64 tensor, unchecked."""
    return _Inverse.apply(length, dim)


class _Cumulant(torch.autograd.Function):
    """phi_d, A_d or A_d' (order 0, 1, 2); the gradient of each is the next."""

    @staticmethod
    def forward(ctx: Any, kappa: torch.Tensor, dim: int, order: int) -> torch.Tensor:
        if order > 2:
            raise NotImplementedError("the second derivative of the mean resultant length is not available")
        ctx.save_for_backward(kappa)
        ctx.dim, ctx.order = dim, order
        return cumulants(kappa, dim)[order]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (kappa,) = ctx.saved_tensors
        return grad * _Cumulant.apply(kappa, ctx.dim, ctx.order + 1), None, None


class _Inverse(torch.autograd.Function):
    """kappa(r); dkappa/dr = 1 / A_d'(kappa)."""

    @staticmethod
    def forward(ctx: Any, length: torch.Tensor, dim: int) -> torch.Tensor:
        start = kappa = length * (dim - length**2) / ((1 - length) * (1 + length))
        for _ in range(4):
            _, a, slope = cumulants(kappa, dim)
            kappa = (kappa - (a - length) / slope).clamp(start / 2, 2 * start)  # near 1 the steps are but rounding
        ctx.save_for_backward(kappa)
        ctx.dim = dim
        return kappa

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return grad / _Cumulant.apply(kappa, ctx.dim, 2), None
