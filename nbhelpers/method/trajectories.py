"""How regional features move while images are attacked: in the frame of the clean images, by how much, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nbhelpers.maths.arrays import Array, check_positive, on_tensors, polar
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.knowledge import posterior, probability_of

TYPES = ("none", "direct", "rebuilt", "awakened", "damaged")
"""Names of the types 0 ... 4."""


@on_tensors(h="T N R d")
def changes(h: Array) -> tuple[np.ndarray, np.ndarray]:
    r"""How far the features of each region turned and faded, from the first iterate to the last (Fig. 8 left).

    Parameters
    ----------
    h : (T + 1, N, R, d)

    Returns
    -------
    orientation : float64 (N, R)
        :math:`1 - \cos(h_{ori}, h_{adv})`, in [0, 2]; 1 where one of the two is zero, 0 where both are.
    strength : float64 (N, R)
        :math:`\|h_{ori}\| - \|h_{adv}\|`, in units of h: positive where the attack weakened the region.

    Raises
    ------
    ValueError
        If ``h`` has another number of axes, or is not finite.

    Examples
    --------
    >>> orientation, strength = changes([[[[0.0, 2.0]]], [[[1.0, 0.0]]]])
    >>> orientation.item(), strength.item()
    (1.0, 1.0)
    """
    first, last = h[0].cpu().numpy(), h[-1].cpu().numpy()
    lengths = np.linalg.norm(first, axis=2), np.linalg.norm(last, axis=2)
    product = lengths[0] * lengths[1]
    cosine = np.where(product > 0, (first * last).sum(axis=2) / np.where(product > 0, product, 1), 0)
    cosine[(lengths[0] == 0) & (lengths[1] == 0)] = 1
    return 1 - cosine.clip(-1, 1), lengths[0] - lengths[1]


@dataclass(frozen=True)
class Trajectories:
    """What became of every region of N attacked images.

    Attributes
    ----------
    types : int64 (N, R)
        0 ... 4, an index into :data:`TYPES`: every region has exactly one.
    important : bool (N, R)
        Spoke for the original category at the start.
    turned : bool (N, R)
        Speaks for the new category at the end.
    """

    types: np.ndarray
    important: np.ndarray
    turned: np.ndarray

    @property
    def shares(self) -> dict[str, float]:
        """Share of all regions that each type has."""
        return {name: float((self.types == i).mean()) for i, name in enumerate(TYPES)}


@on_tensors(h="T N R d", directions="C d", weights="C", original="N, of C", new="N, of C")
def trajectory_types(
    h: Array,
    directions: Array,
    weights: Array,
    original: Any,
    new: Any,
    kappa: KappaCurve | float,
    *,
    cosine: float = 0.9,
    strong: float = 1.0,
    probability: float = 0.5,
    kept: float = 1.2,
    moderate: float = 1.5,
    broken: float = 1.0,
    faint: float = 0.5,
) -> Trajectories:
    r"""Sort the ways of regions from the original category to the new one (Fig. 8 right).

    A region is *important* if at the start :math:`\cos(h_0, \mu_{ori})` > ``cosine`` and :math:`\|h_0\|` > ``strong``;
    it has *turned* if at the end :math:`p(c_{new}|h_T)` > ``probability``. Then, with m the least strength on the way:

    1. *direct*: important, turned, m > ``kept``, :math:`\|h_0\|` < ``moderate``: it went over without losing strength;
    2. *rebuilt*: important, turned, m < ``broken``: its old evidence was damaged first, and new evidence was built;
    3. *awakened*: :math:`\|h_0\|` < ``faint``, turned: it said little before;
    4. *damaged*: important, not turned, :math:`\|h_T\|` < ``broken``: its evidence was lost, and nothing came of it.

    Everything else is *none*. With ``faint`` <= ``strong`` and ``broken`` <= ``kept`` no region has two types.

    Parameters
    ----------
    h : (T + 1, N, R, d)
        In units of the mean strength, as in :class:`Trail`.
    directions, weights : (C, d), (C,)
        :math:`\mu` and :math:`\pi` of the clean sample features.
    original, new : (N,)
        Categories of each image before and after.
    kappa : KappaCurve or float
        :math:`\kappa` of the projection, or the concentration it ends at.
    cosine, strong, probability, kept, moderate, broken, faint : float
        The thresholds; the defaults are the authors'.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, categories are out of range, or thresholds would let a region have
        two types.

    Examples
    --------
    >>> north, east = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> way = np.stack([1.1 * north, 0.2 * (north + east), 2 * east])
    >>> sorted_out = trajectory_types(way[:, None, None], np.stack([north, east]), [0.5, 0.5], [0], [1], 1000.0)
    >>> TYPES[sorted_out.types[0, 0]]
    'rebuilt'
    """
    limits = {"strong": strong, "kept": kept, "moderate": moderate, "broken": broken, "faint": faint}
    for name, value in limits.items():
        check_positive(value, name)
    if faint > strong or broken > kept:
        raise ValueError(
            f"faint must not exceed strong, nor broken kept, or types would overlap; got faint {faint:g}, strong "
            f"{strong:g}, broken {broken:g}, kept {kept:g}"
        )
    for name, value, low in (("cosine", cosine, -1), ("probability", probability, 0)):
        if not low <= value <= 1:
            raise ValueError(f"{name} must lie in {low} ... 1, got {value!r}")
    p = posterior(h[-1], directions, weights, kappa).cpu().numpy()
    steps, mu, before, after = (x.cpu().numpy() for x in (h, polar(directions)[0], original, new))
    strength = np.linalg.norm(steps, axis=3)
    start, least, end = strength[0], strength.min(axis=0), strength[-1]
    along = np.einsum("nrd,nd->nr", steps[0], mu[before])
    important = (along > cosine * start) & (start > strong)
    turned = probability_of(p, after) > probability
    types = np.select(
        [
            important & turned & (least > kept) & (start < moderate),
            important & turned & (least < broken),
            (start < faint) & turned,
            important & ~turned & (end < broken),
        ],
        [1, 2, 3, 4],
        0,
    )
    return Trajectories(types, important, turned)
