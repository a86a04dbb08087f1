"""The Bessel functions behind the von Mises-Fisher distribution, as plain float64 tensor operations on any device.

All follows from the cumulant generating function of one coordinate t of a uniform unit vector in d dimensions,

    phi_d(kappa) = log E[exp(kappa t)] = log 0F1(; d/2; kappa^2/4)
    log C_d = -log(area of the sphere) - phi_d,    A_d = phi_d',    variance of t under the density = A_d'.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.polynomial import Polynomial


def cumulants(kappa: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """phi_d, A_d and A_d' of a float64 tensor: A_d and A_d' to 1e-11 relative, phi_d to 1e-13 absolute or relative."""
    return _closed_form(kappa) if dim == 3 else _debye(kappa, dim)


def _closed_form(kappa: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The closed form of d = 3: phi = log(sinh k / k), A = coth k - 1/k, A' = 1/k^2 - 1/sinh^2 k."""
    large = kappa.clamp(min=0.5)
    double, rest = torch.exp(-2 * large), -torch.expm1(-2 * large)
    a_large, slope_large = (1 + double) / rest - 1 / large, 1 / large**2 - 4 * double / rest**2

    # Below 1/2 those differences cancel; the continued fraction A = k / (3 + k^2 / (5 + k^2 / (7 + ...))) does not.
    square = kappa.clamp(max=0.5) ** 2
    fraction = torch.full_like(kappa, 17.0)
    for odd in (15, 13, 11, 9, 7, 5, 3):
        fraction = odd + square / fraction
    a_small = kappa / fraction
    slope_small = 1 - a_small**2 - 2 / fraction

    positive = kappa.clamp(min=1e-300)
    phi = kappa + torch.log(-torch.expm1(-2 * positive) / (2 * positive))
    small = kappa < 0.5
    return phi, torch.where(small, a_small, a_large), torch.where(small, slope_small, slope_large)


def _debye(kappa: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Any d: Debye's uniform expansion of the Bessel function at an order of at least 20, then down to order d/2 - 1.

    With nu the order, z = kappa/nu, p = 1/sqrt(1 + z^2) and w = 1/p - 1, DLMF 10.41.3 gives
    phi = nu (w - log(1 + w/2)) - log(1 + w)/2 + L(p) - L(1). Its derivatives are simplified by hand so that no
    difference of nearly equal numbers is left, whatever z. One order down, with t = kappa A_nu / 2nu,
    A_(nu-1) = (kappa/2nu) / (1 + t) and phi_(nu-1) = phi_nu + log(1 + t): all terms are positive.
    """
    order = dim / 2 - 1
    steps = max(0, math.ceil(20 - order))
    nu = order + steps
    tail, in_a, in_slope = _debye_polynomials(nu)
    z = kappa / nu
    root = torch.hypot(z, torch.ones_like(z))
    p, w = 1 / root, z * (z / (1 + root))
    phi = nu * (w - torch.log1p(w / 2)) - torch.log1p(w) / 2 + _horner(tail, p)
    a = z * (p / (1 + p) - p**2 / nu * _horner(in_a, p))
    slope = p**2 / nu * (1 / (1 + p) + _horner(in_slope, p) / nu)
    for n in np.arange(nu, order, -1.0).tolist():
        half = kappa / (2 * n)
        down = 1 / (1 + half * a)
        phi = phi + torch.log1p(half * a)
        slope = down**2 * (1 / (2 * n) - half**2 * slope)
        a = half * down
    return phi, a, slope


@lru_cache(maxsize=256)
def _debye_polynomials(nu: float) -> tuple[list[float], list[float], list[float]]:
    """Polynomials in p of Debye's expansion at order ``nu`` and of what it adds to A and A'.

    L = sum_k D_k(p) / nu^k is the logarithm of DLMF's sum of U_k / nu^k. Taking the logarithm of the recurrence 10.41.9
    gives one for the slopes G_k = D_k', with q = p^2 (1 - p^2) / 2:
    G_1 = (1 - 5 p^2)/8,  G_(k+1) = (q G_k)' + q sum_i G_i G_(k-i).
    """
    p = Polynomial([0, 1])
    q = p**2 * (1 - p**2) / 2
    slopes = [(1 - 5 * p**2) / 8]
    while len(slopes) < 10:  # ten terms leave 2e-15 at order 20
        products = sum((g * h for g, h in zip(slopes[:-1], slopes[-2::-1], strict=True)), 0 * p)
        slopes.append((q * slopes[-1]).deriv() + q * products)
    first = sum((g / nu**k for k, g in enumerate(slopes, start=1)), 0 * p)
    tail, second = first.integ(), first.deriv()
    in_a = 1 / 2 + p * first
    in_slope = 1 / 2 - p**2 + (2 - 3 * p**2) * p * first + (1 - p**2) * p**2 * second
    return tuple(part.coef.tolist() for part in (tail - tail(1), in_a, in_slope))


def _horner(coefficients: list[float], p: torch.Tensor) -> torch.Tensor:
    value = torch.full_like(p, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        value = value * p + c
    return value
