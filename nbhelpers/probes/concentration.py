"""How sure directions are at a given strength as data show it: what the curve kappa(l) is held against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from nbhelpers.maths.arrays import Array, check_whole, on_tensors
from nbhelpers.maths.vmf import LONGEST, check_unit, concentration


class MeasuredKappa(NamedTuple):
    """Concentrations fitted in bins of strength: one entry a bin, in ascending order of strength."""

    strength: np.ndarray  # mean strength in the bin
    kappa: np.ndarray  # maximum-likelihood concentration around the given directions
    counts: np.ndarray  # vectors in the bin


@on_tensors(vectors="N d", directions="N d")
def measured_kappa(vectors: Array, directions: Array, bins: int = 10) -> MeasuredKappa:
    r"""Concentration of the vectors around given directions, as the data show it, in bins of strength.

    In each bin :math:`A_d(\kappa)` is the mean of :math:`\cos(v_n, \mu_n)`: the maximum-likelihood estimate when the
    mean directions are known (0 when the vectors point away from them). Bins hold equally many vectors. To compare with
    :class:`~nbhelpers.KappaCurve`, a direction should not have been chosen by looking at its vector: the nearest of
    several directions flatters kappa.

    Parameters
    ----------
    vectors : (N, d)
        Vectors v of any length above 0; the length is the strength.
    directions : (N, d)
        The unit direction that each vector is expected around, e.g. ``mixture.directions_[labels]``.
    bins : int
        Number of bins, from 1 to N.

    Raises
    ------
    ValueError
        If the shapes differ, a vector is zero, a direction is not of length 1, or ``bins`` is out of range.

    Examples
    --------
    >>> from nbhelpers.maths.vmf import sample
    >>> north = np.array([0.0, 0.0, 1.0])
    >>> vectors = np.concatenate([1.0 * sample(north, 2.0, 4000), 3.0 * sample(north, 20.0, 4000)])
    >>> found = measured_kappa(vectors, np.tile(north, (8000, 1)), bins=2)
    >>> found.strength.round(2).tolist(), found.kappa.round().tolist(), found.counts.tolist()
    ([1.0, 3.0], [2.0, 20.0], [4000, 4000])
    """
    v, mu = vectors.cpu().numpy(), check_unit(directions, "directions").cpu().numpy()
    if check_whole(bins, "bins", 1) > len(v):
        raise ValueError(f"bins must be a whole number from 1 to the number of vectors, {len(v)}, got {bins!r}")
    strength = np.linalg.norm(v, axis=1)
    if not strength.all():
        raise ValueError(
            f"{(strength == 0).sum()} of {len(v)} vectors have length 0 and so no direction; leave them out"
        )
    cosine = (v * mu).sum(axis=1) / strength
    members = np.array_split(np.argsort(strength, kind="stable"), bins)
    resultant = np.array([cosine[m].mean() for m in members]).clip(0, LONGEST)
    return MeasuredKappa(
        strength=np.array([strength[m].mean() for m in members]),
        kappa=concentration(torch.from_numpy(resultant), v.shape[1]).numpy(),
        counts=np.array([len(m) for m in members]),
    )
