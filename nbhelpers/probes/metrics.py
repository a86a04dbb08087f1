"""Numbers that figures rest on: uncertainty and strength over images (Table 1), agreement over an image's regions."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from nbhelpers.maths.arrays import Array, as_tensor, check_positive, on_tensors, unit_scale


@on_tensors(logits="N C")
def label_entropy(logits: Array, temperature: float = 4.0) -> Array:
    r"""Entropy H(Y|x) of :math:`\mathrm{softmax}(z / T)` in nats, from 0 (sure) to log C (clueless).

    Parameters
    ----------
    logits : (N, C)
        Outputs of the network.
    temperature : float
        T, above 0.

    Returns
    -------
    (N,)

    Raises
    ------
    ValueError
        If the logits are no finite matrix or the temperature is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> label_entropy(np.array([[0.0, 0.0], [40.0, 0.0]]), temperature=1.0).round(3)
    array([0.693, 0.   ])
    """
    log_p = torch.log_softmax(logits / check_positive(temperature, "temperature"), dim=1)
    return -(log_p.exp() * log_p).sum(1)


@on_tensors(embedding="N d", logits="N C")
def strength_entropy_pearson(embedding: Array, logits: Array, temperature: float = 4.0) -> float:
    r"""Pearson correlation of the strengths :math:`\|g\|` with the entropies H(Y|x), over images: Table 1.

    Parameters
    ----------
    embedding : (N, d)
        Any embedding of the images; its strengths are lengths from the origin.
    logits : (N, C)
        Outputs of the network for the same images.
    temperature : float
        T of the entropy.

    Returns
    -------
    float
        In [-1, 1]; -1 where the strength tells the entropy exactly and falls with it.

    Raises
    ------
    ValueError
        If shapes do not fit, there are fewer than two images, or all strengths or all entropies are equal.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    >>> round(strength_entropy_pearson(logits, logits, temperature=1.0), 3)
    -0.998
    """
    n = len(embedding)
    if n < 2:
        raise ValueError(f"a correlation needs at least 2 images, got {n}")
    pair = {"strengths": embedding.norm(dim=1), "entropies": label_entropy(logits, temperature)}
    for name, values in pair.items():
        if values.std() <= 1e-12 * values.abs().max():
            raise ValueError(f"all {n} {name} are {float(values[0]):g}: nothing correlates with a constant")
    return float(torch.corrcoef(torch.stack([*pair.values()]))[0, 1])


@on_tensors(a="N R", b="N R")
def per_image_pearson(a: Array, b: Array) -> np.ndarray:
    """Pearson correlation over the regions of each image; NaN where one of the two is constant.

    Parameters
    ----------
    a, b : (N, R)
        Two numbers for every region of N images.

    Returns
    -------
    float64 (N,)

    Raises
    ------
    ValueError
        If the shapes differ or values are not finite.

    Examples
    --------
    >>> per_image_pearson([[1, 2, 3], [1, 2, 3], [0, 0, 0]], [[2, 4, 6], [3, 2, 1], [1, 2, 3]]).round(6).tolist()
    [1.0, -1.0, nan]
    """
    pair = [(x / unit_scale(x, 1)).cpu().numpy() for x in (a, b)]
    # subtracting a mean leaves rounding errors of constants: those are no spread
    flat = [np.ptp(x, axis=1) <= 1e-12 * np.abs(x).max(axis=1) for x in pair]
    x, y = (x - x.mean(axis=1, keepdims=True) for x in pair)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.where(flat[0] | flat[1], np.nan, r)


def per_image_spearman(a: Array, b: Array) -> np.ndarray:
    """Spearman's rank correlation over the regions of each image: Pearson's of their ranks, equals sharing the mean.

    Parameters, results and errors are those of :func:`per_image_pearson`.

    Examples
    --------
    >>> per_image_spearman([[1, 2, 30], [5, 5, 5]], [[2, 4, 5], [1, 2, 3]]).tolist()
    [1.0, nan]
    """
    a, b = (as_tensor(x, name, ndim=2, dtype=torch.float64).numpy() for name, x in (("a", a), ("b", b)))
    return per_image_pearson(rankdata(a, axis=1), rankdata(b, axis=1))


@on_tensors(score="N R", truth="N R")
def per_image_auroc(score: Array, truth: Array) -> np.ndarray:
    """Chance that in one image a true region has the higher score than an untrue one (area under the ROC curve).

    Parameters
    ----------
    score : (N, R)
    truth : bool (N, R)

    Returns
    -------
    float64 (N,)
        NaN where all regions of an image are true, or none is.

    Raises
    ------
    ValueError
        If the shapes differ or scores are not finite.

    Examples
    --------
    >>> per_image_auroc([[3, 2, 1], [1, 2, 3], [1, 2, 3]], [[1, 1, 0], [1, 0, 0], [0, 0, 0]]).tolist()
    [1.0, 0.0, nan]
    """
    pairs = zip(score.cpu().numpy(), truth.bool().cpu().numpy(), strict=True)
    return np.array([roc_auc_score(true, s) if 0 < true.sum() < len(true) else np.nan for s, true in pairs])


@on_tensors(score="N R", truth="N R")
def per_image_pointing(score: Array, truth: Array) -> np.ndarray:
    """The pointing game (Zhang et al. 2016, arXiv:1608.00507): whether the region of the highest score is a true one.

    Parameters
    ----------
    score : (N, R)
    truth : bool (N, R)

    Returns
    -------
    float64 (N,)
        1 or 0; where several regions share the highest score, the share of true ones among them. NaN where all regions
        of an image are true, or none is.

    Raises
    ------
    ValueError
        If the shapes differ or scores are not finite.

    Examples
    --------
    >>> per_image_pointing([[3, 2, 1], [1, 3, 3], [1, 2, 3]], [[1, 0, 0], [1, 1, 0], [0, 0, 0]]).tolist()
    [1.0, 0.5, nan]
    """
    true = truth.bool()
    top = score == score.amax(dim=1, keepdim=True)
    hits = (top & true).sum(dim=1) / top.sum(dim=1)
    mixed = true.any(dim=1) & ~true.all(dim=1)
    return torch.where(mixed, hits.double(), torch.nan).cpu().numpy()


@on_tensors(score="N R", share="N R")
def relevance_mass(score: Array, share: Array) -> np.ndarray:
    r"""Share of an image's relevance that lies on a thing (Arras et al. 2022, arXiv:2003.07258), in 0 ... 1.

    .. math:: \frac{\sum_r \max(0, s_r)\, a_r}{\sum_r \max(0, s_r)}

    Negative relevance counts as none: it tells what speaks against a category, and sends nobody's eyes anywhere. The
    mass depends on where the zero of a map is, unlike all that asks for an order.

    Parameters
    ----------
    score : (N, R)
        The map.
    share : (N, R)
        Which part of each region the thing fills, in 0 ... 1, such as
        :attr:`~nbhelpers.probes.truth.RegionTruth.object`.

    Returns
    -------
    float64 (N,)
        NaN where no region of an image has positive relevance.

    Raises
    ------
    ValueError
        If the shapes differ, values are not finite, or shares lie outside 0 ... 1.

    Examples
    --------
    >>> relevance_mass([[3.0, 1.0, -5.0], [-1.0, 0.0, 0.0]], [[1.0, 0.0, 0.5], [1.0, 0.0, 0.0]]).tolist()
    [0.75, nan]
    """
    if float(share.min()) < 0 or float(share.max()) > 1:
        raise ValueError(f"share must lie in 0 ... 1, found {float(share.min()):g} ... {float(share.max()):g}")
    positive = score.clamp(min=0) / unit_scale(score, 1)
    return ((positive * share).sum(dim=1) / positive.sum(dim=1)).cpu().numpy()


def per_image_partial(a: Array, b: Array, given: Array) -> np.ndarray:
    """Partial correlation of a and b over the regions of each image: what is left when both are cleared of a third.

    Parameters
    ----------
    a, b, given : (N, R)
        Numbers for every region of N images; straight lines in ``given`` are taken out of ``a`` and ``b``.

    Returns
    -------
    float64 (N,)
        NaN where one of the three is constant, or is a straight line of ``given``.

    Raises
    ------
    ValueError
        As :func:`per_image_pearson`.

    Examples
    --------
    >>> given = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> rest = np.array([[1.0, -1.0, -1.0, 1.0]])
    >>> per_image_partial(given + rest, given - 2 * rest, given).round(6).tolist()
    [-1.0]
    """
    ab, ac, bc = per_image_pearson(a, b), per_image_pearson(a, given), per_image_pearson(b, given)
    free = np.sqrt(np.clip((1 - ac**2) * (1 - bc**2), 0, None))
    return np.divide(ab - ac * bc, free, out=np.full_like(ab, np.nan), where=free > 1e-9)
