"""How sure a direction is at a given strength: kappa(l) as derived from Gaussian noise."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.interpolate import CubicHermiteSpline

from nbhelpers.maths.arrays import check_positive, check_range, check_whole, on_tensors
from nbhelpers.maths.cumulants import cumulants
from nbhelpers.maths.vmf import check_dim, concentration, mean_resultant_length


@on_tensors(graph=True, strength="*")
def projected_normal_resultant_length(strength: Any, dim: int) -> Any:
    r"""Mean resultant length :math:`\rho_d(l)` of the direction of :math:`N(l e, I_d)`, from 0 up to 1.

    .. math::
        \rho_d(l) = \frac{\Gamma((d+1)/2)}{\Gamma(d/2+1)}\,\frac{l}{\sqrt2}\;
                    {}_1F_1(\tfrac12; \tfrac d2+1; -\tfrac{l^2}2)
                  = \sqrt{\tfrac2\pi}\,l\int_0^{\pi/2} e^{-l^2\sin^2\theta/2}\cos^d\theta\,d\theta

    Strengths l are in units of the noise's standard deviation, 0 or more. Their errors, and the kind of the result, are
    those of :func:`~nbhelpers.maths.vmf.log_normalizer`.

    Examples
    --------
    >>> round(projected_normal_resultant_length(2.0, 3), 6)
    0.769866
    """
    return _ProjectedNormal.apply(check_range(strength, "strength"), check_dim(dim))


class KappaCurve:
    r"""Concentration :math:`\kappa(l)` of the direction of a vector of length l, Eq. 3.

    A feature seen through unit Gaussian noise, Eq. 2, has a direction with mean resultant length :math:`\rho_d(l)`. The
    curve matches it: :math:`A_d(\kappa(l)) = A_d(\kappa_{\max})\,\rho_d(l)`. It rises from 0 at l = 0 to ``kappa_max``,
    and is accurate to 1e-6, relative.

    Parameters
    ----------
    kappa_max : float
        Concentration of an infinitely strong feature, above 0.
    dim : int
        Number of coordinates, 2 or more.

    Raises
    ------
    ValueError
        If ``kappa_max`` or ``dim`` is out of range; on a call, if a strength is negative, NaN or infinite.

    Examples
    --------
    >>> curve = KappaCurve(kappa_max=10.0)
    >>> [round(curve(strength), 4) for strength in (0.0, 1.0, 2.0, 3.0)]
    [0.0, 1.4885, 3.2227, 5.0103]
    """

    def __init__(self, kappa_max: float, dim: int = 3) -> None:
        self.kappa_max = check_positive(kappa_max, "kappa_max")
        self.dim = check_whole(dim, "dim", 2)

    def __repr__(self) -> str:
        return f"KappaCurve(kappa_max={self.kappa_max:g}, dim={self.dim})"

    @on_tensors(graph=True, strength="*")
    def __call__(self, strength: Any) -> Any:
        """``kappa`` of every strength, in its kind, shape and floating type; tensors keep their graph."""
        return self.look_up(check_range(strength, "strength"))

    def look_up(self, strength: torch.Tensor) -> torch.Tensor:
        """``kappa`` of a tensor, computed in double precision and unchecked: for the inside of fits."""
        return _LookUp.apply(strength, self)[0]

    def read(self, strength: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """``kappa`` of a tensor in double precision, without a graph, and what :meth:`pull_back` needs."""
        cubics, low, top = _table(self.kappa_max, self.dim, strength.device)
        relative = strength.detach().double() / low
        place = relative.clamp(1, top).log_().mul_((_NODES - 1) / math.log(top))
        step = place.long().clamp_(max=_NODES - 2)
        cubic, square, line, start = cubics[step].unbind(-1)
        within = place.sub_(step)
        bend = cubic * within + square
        slope = bend * within + line
        inner, outer = (slope * within + start).exp_(), relative.clamp(max=1)
        return inner * outer, (relative, within, cubic, bend, slope, inner, outer)

    def pull_back(self, grad: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The gradient by strength from that by kappa."""
        relative, within, cubic, bend, slope, inner, outer = kept
        _, low, top = _table(self.kappa_max, self.dim, relative.device)
        below, line = relative < 1, grad * inner
        g = grad * outer * inner
        by_within = g * slope
        g = g.mul_(within)
        by_within.add_(g * bend).add_(g.mul_(within).mul_(cubic)).mul_((_NODES - 1) / math.log(top))
        by_within.div_(relative.clamp(1, top)).masked_fill_(relative > top, 0)
        return torch.where(below, line, by_within).div_(low)


class _LookUp(torch.autograd.Function):
    """kappa(l) as the table has it."""

    @staticmethod
    def forward(strength: torch.Tensor, curve: KappaCurve) -> tuple[torch.Tensor, ...]:
        kappa, kept = curve.read(strength)
        return kappa.to(strength.dtype), *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        ctx.curve, kept = inputs[1], output[1:]
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(*kept)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.curve.pull_back(grad.double(), ctx.saved_tensors).to(grad.dtype), None


# Every call reads a table: log kappa as a cubic of log l in each of a thousand equal steps, exact in value and
# slope at every node. Solving for kappa by Newton in every call would be forty times slower at d = 3 and eighty at
# d = 10, in the innermost line of every fit. In logarithms the curve bends gently whatever kappa_max and d are
# (slope 1, then up to 2, then 0), so that one step size serves all; beyond the table come a line and a constant.
_NODES = 1024


@lru_cache(maxsize=64)
def _table(kappa_max: float, dim: int, device: torch.device) -> tuple[torch.Tensor, float, float]:
    """Cubics of log kappa (1023, 4), the lowest strength, and the highest as a multiple of it."""
    # kappa / l deviates from its limit by the order of l^2 at the lower end, kappa / kappa_max by that of
    # (kappa_max + d) / l^2 at the upper one: 1e-8 and 1e-7.
    low, high = 1e-4, 3e3 * math.sqrt(kappa_max + dim)
    with torch.inference_mode(False), torch.no_grad():
        strength = torch.from_numpy(np.geomspace(low, high, _NODES))
        ceiling = mean_resultant_length(kappa_max, dim)
        rho, rho_slope = _projected_normal(strength, dim)
        kappa = concentration(ceiling * rho, dim)
        slope = ceiling * rho_slope / cumulants(kappa, dim)[2]  # A'(kappa) dkappa/dl = A(kappa_max) rho'(l)
        step = math.log(high / low) / (_NODES - 1)
        curve = CubicHermiteSpline(np.arange(_NODES), kappa.log().numpy(), (slope * strength / kappa * step).numpy())
        return torch.from_numpy(curve.c.T.copy()).to(device), low, high / low


class _ProjectedNormal(torch.autograd.Function):
    """rho_d(l); its gradient is the integral differentiated, after one integration by parts."""

    @staticmethod
    def forward(ctx: Any, strength: torch.Tensor, dim: int) -> torch.Tensor:
        value, slope = _projected_normal(strength, dim)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None


def _projected_normal(strength: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """rho_d and rho_d' = sqrt(2/pi) (d - 1) int sin^2 exp(-l^2 sin^2 / 2) cos^(d-2), positive terms only.

    The integrand is smooth and looks like a Gaussian of width 1/sqrt(l^2 + d), so 64 Gauss-Legendre nodes over twelve
    widths give all the digits at any d and l, on the device and in the graph of the strengths.
    """
    strength = strength.clamp(max=1e100)  # where rho has long been 1
    top = (12 * torch.rsqrt(strength**2 + dim)).clamp(max=math.pi / 2)
    value, slope = torch.zeros_like(strength), torch.zeros_like(strength)
    for node, weight in zip(*(a.tolist() for a in np.polynomial.legendre.leggauss(64)), strict=True):
        theta = top * ((1 + node) / 2)
        square = torch.sin(theta) ** 2
        term = weight * torch.exp(-(strength**2) * square / 2) * torch.cos(theta) ** (dim - 2)
        value = value + term * (1 - square)
        slope = slope + term * square
    scale = top / 2 * math.sqrt(2 / math.pi)
    return scale * strength * value, scale * (dim - 1) * slope
