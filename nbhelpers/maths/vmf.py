"""The von Mises-Fisher distribution on the unit sphere of any dimension: density, mean resultant length, sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nbhelpers.maths.arrays import Array, as_tensor, like
from nbhelpers.maths.cumulants import cumulants

LONGEST = (
    1 - 1e-7
)  # mean resultant length of vectors that float32 cannot tell apart: estimates stop short of kappa = inf
UNIT_TOLERANCE = 1e-3  # how far from 1 a unit vector's norm may lie: float16 rounding passes, raw features do not


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
    dim = check_dim(dim)
    log_area = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    return elementwise(lambda k: -log_area - _Cumulant.apply(k, dim, 0), kappa, "kappa")


def mean_resultant_length(kappa: Any, dim: int) -> Any:
    r"""Length of the mean vector, :math:`A_d(\kappa) = I_{d/2}(\kappa)/I_{d/2-1}(\kappa) = E[\mu^\top x]`, in [0, 1).

    Parameters, errors and the kind of the result are those of :func:`log_normalizer`; the derivative is
    :math:`A_d' = 1 - A_d^2 - (d-1)A_d/\kappa`.

    Examples
    --------
    >>> round(mean_resultant_length(10.0, 3), 6)  # coth(10) - 1/10
    0.9
    """
    dim = check_dim(dim)
    return elementwise(lambda k: _Cumulant.apply(k, dim, 1), kappa, "kappa")


def inverse_mean_resultant_length(length: Any, dim: int) -> Any:
    r"""The concentration :math:`\kappa` with :math:`A_d(\kappa) =` ``length``: the maximum-likelihood estimate.

    Banerjee et al. (2005) give the start :math:`r(d - r^2)/(1 - r^2)`, exact at both ends; Newton steps as in
    Sra (2012) bring the relative error below 1e-12, or to what the rounding of ``length`` near 1 leaves.

    Parameters
    ----------
    length : float, array or tensor
        Mean resultant lengths r in [0, 1).
    dim : int
        Number of coordinates d, 2 or more.

    Raises
    ------
    ValueError
        If ``length`` lies outside [0, 1): at 1 all vectors coincide and the concentration is infinite.

    Examples
    --------
    >>> round(inverse_mean_resultant_length(0.9, 3), 6)
    10.0
    """
    dim = check_dim(dim)
    return elementwise(lambda r: _Inverse.apply(r, dim), length, "the mean resultant length", below=1.0)


def log_density(x: Array, directions: Array, kappa: Any) -> Array:
    r"""Log density :math:`\log C_d(\kappa_k) + \kappa_k\,\mu_k^\top x_n` of every vector under every direction.

    Parameters
    ----------
    x : (N, d)
        Unit vectors.
    directions : (K, d)
        Unit mean directions.
    kappa : float, (K,), (N, 1) or (N, K)
        Concentrations, broadcast against the (N, K) result.

    Returns
    -------
    (N, K) array or tensor, as ``x``; in nats with respect to the surface measure.

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
    vectors, mu = read_unit_vectors(x, "x"), read_unit_vectors(directions, "directions")
    if vectors.shape[1] != mu.shape[1]:
        raise ValueError(f"x has {vectors.shape[1]} coordinates and directions has {mu.shape[1]}; they must agree")
    kappa = torch.as_tensor(kappa, dtype=torch.float64, device=vectors.device)
    try:
        kappa.expand(len(vectors), len(mu))
    except RuntimeError:
        raise ValueError(
            f"kappa must broadcast to one entry a vector and direction, ({len(vectors)}, {len(mu)}), "
            f"but has shape {tuple(kappa.shape)}"
        ) from None
    density = log_normalizer(kappa, mu.shape[1]) + kappa * (vectors @ mu.to(vectors.device).T)
    return like(density.to(float_type(x)), x)


def sample(mu: Array, kappa: float, n: int, random_state: int | np.random.Generator | None = 0) -> Array:
    """Draw ``n`` unit vectors around ``mu``: the rejection sampler of Wood (1994), for any dimension.

    Parameters
    ----------
    mu : (d,)
        Unit mean direction.
    kappa : float
        Concentration; 0 draws uniformly.
    n : int
        How many.
    random_state : int, numpy Generator or None
        Equal integers give equal draws.

    Returns
    -------
    (n, d) array or tensor, as ``mu``.

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
    centre = read_unit_vectors(as_tensor(mu, "mu", ndim=1, dtype=torch.float64)[None], "mu")[0].numpy()
    centre = centre / np.linalg.norm(centre)
    kappa = float(elementwise(lambda k: k, kappa, "kappa"))
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be a whole number of draws, 1 or more, got {n!r}")
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
    return like(torch.from_numpy(draws).to(float_type(mu)), mu)


def check_dim(dim: int) -> int:
    """A whole number of coordinates, 2 or more."""
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 2:
        raise ValueError(
            f"dim counts the coordinates of a unit vector and must be a whole number of at least 2, got {dim!r}"
        )
    return int(dim)


def read_unit_vectors(x: Any, name: str) -> torch.Tensor:
    """Rows of length 1 as float64; tensors keep their graph."""
    checked = as_tensor(x, name, ndim=2, dtype=torch.float64, device=x.device if isinstance(x, torch.Tensor) else "cpu")
    if not checked.is_meta:
        norms = checked.norm(dim=1)
        if bool(((norms - 1).abs() > UNIT_TOLERANCE).any()):
            raise ValueError(
                f"the rows of {name} must be unit vectors, but their lengths run from {float(norms.min()):.4g} to "
                f"{float(norms.max()):.4g}; divide each row by its length first (sklearn.preprocessing.normalize)"
            )
    return x.double() if isinstance(x, torch.Tensor) else checked


def elementwise(function: Callable[[torch.Tensor], torch.Tensor], x: Any, name: str, below: float = math.inf) -> Any:
    """Apply ``function`` in float64 to numbers in [0, ``below``) and give back the kind and floating type of ``x``."""
    checked = as_tensor(x, name, dtype=torch.float64, device=x.device if isinstance(x, torch.Tensor) else "cpu")
    if not checked.is_meta and (float(checked.min()) < 0 or float(checked.max()) >= below):
        wanted = "0 or more" if below == math.inf else f"0 or more and below {below:g}"
        raise ValueError(f"{name} must be {wanted}, found {float(checked.min()):g} ... {float(checked.max()):g}")
    if isinstance(x, torch.Tensor):
        return function(x.double()).to(float_type(x))
    result = function(checked).to(float_type(x)).numpy()
    return result if isinstance(x, np.ndarray) or result.ndim else result.item()


def float_type(x: Any) -> torch.dtype:
    """The floating type of ``x``; float64 for numbers and whole-number arrays."""
    if isinstance(x, torch.Tensor):
        return x.dtype if x.is_floating_point() else torch.float64
    return torch.float32 if getattr(x, "dtype", None) == np.float32 else torch.float64


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
        kappa = length * (dim - length**2) / ((1 - length) * (1 + length))
        for _ in range(4):
            _, a, slope = cumulants(kappa, dim)
            kappa = (kappa - (a - length) / slope).clamp(min=0)
        ctx.save_for_backward(kappa)
        ctx.dim = dim
        return kappa

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return grad / _Cumulant.apply(kappa, ctx.dim, 2), None
