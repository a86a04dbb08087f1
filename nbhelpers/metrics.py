"""How uncertain a network is of an image, and how that goes with a feature's strength (Table 1 of the paper)."""

from __future__ import annotations

import torch

from nbhelpers._checks import Array, as_tensor, check_positive, check_same_length, like
from nbhelpers.vmf import float_type


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
    z = as_tensor(logits, "logits", ndim=2, dtype=torch.float64)
    log_p = torch.log_softmax(z / check_positive(temperature, "temperature"), dim=1)
    return like(-(log_p.exp() * log_p).sum(1).to(float_type(logits)), logits)


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
    g = as_tensor(embedding, "embedding", ndim=2, dtype=torch.float64)
    entropy = as_tensor(label_entropy(logits, temperature), "entropy", dtype=torch.float64)
    n = check_same_length(embedding=g, logits=entropy)
    if n < 2:
        raise ValueError(f"a correlation needs at least 2 images, got {n}")
    pair = torch.stack([g.norm(dim=1), entropy])
    spread = pair.std(dim=1)
    for name, values, std in zip(("strengths", "entropies"), pair, spread, strict=True):
        if std <= 1e-12 * values.abs().max():
            raise ValueError(f"all {n} {name} are {float(values[0]):g}: nothing correlates with a constant")
    return float(torch.corrcoef(pair)[0, 1])
