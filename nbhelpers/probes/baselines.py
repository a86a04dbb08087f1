"""What Table 1 compares with: embeddings that know nothing of strength and orientation, and the raw strength."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding
from tqdm import trange

from nbhelpers.maths.arrays import Array, check_positive, on_tensors, unit_scale
from nbhelpers.networks.threads import fixed_threads

NEIGHBOURS = 30
"""Images that count as near, the same for t-SNE (its perplexity), LLE and ISOMAP; they need more images than this."""


@on_tensors(features="N D", logits="N C")
def pca(features: Array, logits: Array, random_state: int = 0, *, n_components: int = 3) -> Array:
    """(N, n_components) principal components; the origin is the mean feature."""
    return _embed(PCA(n_components, svd_solver="full"), features)


@on_tensors(features="N D", logits="N C")
def tsne(
    features: Array,
    logits: Array,
    random_state: int = 0,
    *,
    n_components: int = 3,
    init: Literal["pca", "random"] = "pca",
) -> Array:
    """(N, n_components) t-SNE; the origin is as given, close to the mean.

    It starts from principal components, whatever ``random_state`` is, or from random points (``init="random"``).
    On one thread: its sums magnify last bits, so that another number of threads gives another embedding.
    """
    _check_neighbours(features)
    method = "barnes_hut" if n_components <= 3 else "exact"  # its trees go no further
    embedding = TSNE(n_components, perplexity=NEIGHBOURS, init=init, random_state=random_state, method=method)
    with fixed_threads(1):
        return _embed(embedding, features / unit_scale(features, (0, 1)))  # it squares distances in single precision


@on_tensors(features="N D", logits="N C")
def lle(features: Array, logits: Array, random_state: int = 0, *, n_components: int = 3) -> Array:
    """(N, n_components) locally linear embedding; the origin is as given, the mean."""
    _check_neighbours(features)
    method = LocallyLinearEmbedding(n_neighbors=NEIGHBOURS, n_components=n_components, random_state=random_state)
    return _embed(method, features)


@on_tensors(features="N D", logits="N C")
def isomap(features: Array, logits: Array, random_state: int = 0, *, n_components: int = 3) -> Array:
    """(N, n_components) ISOMAP; the origin is as given, the mean. The dense solver draws no random start."""
    _check_neighbours(features)
    return _embed(Isomap(n_neighbors=NEIGHBOURS, n_components=n_components, eigen_solver="dense"), features)


@on_tensors(features="N D", logits="N C")
def raw_strength(features: Array, logits: Array, random_state: int = 0) -> Array:
    """(N, 1) length of the feature as the network computed it: the control that projects nothing."""
    return features.norm(dim=1, keepdim=True)


@on_tensors(features="N D", logits="N C")
def centred_strength(features: Array, logits: Array, random_state: int = 0) -> Array:
    """(N, 1) distance of the feature from the mean of all: a control that moves the origin and projects nothing."""
    return (features - features.mean(0)).norm(dim=1, keepdim=True)


@on_tensors(features="N D", logits="N C")
def random_projection(features: Array, logits: Array, random_state: int = 0, *, n_components: int = 3) -> Array:
    """(N, n_components) features on as many random directions: the control of a projection that learned nothing."""
    axes = np.random.default_rng(random_state).normal(size=(features.shape[1], n_components))
    return features @ torch.as_tensor(axes).to(features)


@on_tensors(features="N D", logits="N C")
def drpr(
    features: Array,
    logits: Array,
    random_state: int = 0,
    *,
    n_components: int = 3,
    temperature: float = 4.0,
    steps: int = 8000,
) -> Array:
    r"""(N, n_components) embedding whose distances to the categories' centres repeat the network's soft labels.

    Law et al., *Dimensionality reduction for representing the knowledge of probabilistic models*, ICLR 2019: free
    points Z minimise the mean cross-entropy of :math:`P = \mathrm{softmax}(z / T)` to
    :math:`\hat P_{ic} \propto \pi_c\, e^{-\|z_i - \mu_c\|^2}`, with :math:`\pi_c` the mean of P and :math:`\mu_c` the
    P-weighted mean of Z, from a normal start, by RMSprop (rate 1e-3, alpha .99, eps 1e-6).
    Nothing fixes the origin: it is put at the mean of Z. The features are not used.

    Raises
    ------
    ValueError
        If an array is not finite, the lengths differ, or the temperature is not above 0.

    Examples
    --------
    >>> logits = np.repeat(20 * np.eye(3), 5, axis=0)
    >>> z = drpr(logits, logits, steps=2000)
    >>> z.shape, bool(abs(z.mean(0)).max() < 1e-6)
    ((15, 3), True)
    """
    p = torch.softmax(logits / check_positive(temperature, "temperature"), dim=1)
    z = torch.as_tensor(np.random.default_rng(random_state).normal(size=(len(p), n_components))).to(p)
    optimizer = torch.optim.RMSprop([z], lr=1e-3, alpha=0.99, eps=1e-6)
    for _ in trange(steps, desc="DRPR", unit="step", delay=2):
        z.grad = drpr_loss(z, p)[1]
        optimizer.step()
    return z - z.mean(0)


def drpr_loss(z: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy of P to DRPR's own probabilities, and its gradient by Z, through the centres too."""
    weights = p / p.sum(0)
    centres = weights.T @ z
    # |z|^2 is common to all categories and cancels
    log_q = torch.log_softmax(p.mean(0).log() + 2 * z @ centres.T - centres.square().sum(1), dim=1)
    excess = (log_q.exp() - p) / len(p)
    by_centres = excess.T @ z - centres * excess.sum(0)[:, None]
    return -(p * log_q).sum(1).mean(), 2 * (excess @ centres + weights @ by_centres)


BASELINES: dict[str, Callable[..., Array]] = {
    "pca": pca,
    "tsne": tsne,
    "lle": lle,
    "isomap": isomap,
    "drpr": drpr,
    "raw_strength": raw_strength,
    "centred_strength": centred_strength,
    "random_projection": random_projection,
}
"""The baselines by name: ``(features (N, D), logits (N, C), random_state=0) -> embedding``."""
EMBEDDINGS = ("pca", "tsne", "lle", "isomap", "drpr")
"""Those that the paper compares with; the others are controls."""
BY_NEIGHBOURS = {"tsne", "lle", "isomap"}
"""Those that need more than :data:`NEIGHBOURS` images."""
NAMES = {
    "ours": "ours",
    "pca": "PCA",
    "tsne": "t-SNE",
    "lle": "LLE",
    "isomap": "ISOMAP",
    "drpr": "DRPR",
    "raw_strength": "control: raw ‖f‖",
    "centred_strength": "control: ‖f − mean‖",
    "random_projection": "control: random M",
}
"""How tables call them, and ours."""


def _check_neighbours(features: torch.Tensor) -> None:
    """Refuse what has no neighbours, with a ``ValueError``: scikit-learn's t-SNE would end the process."""
    if len(features) <= NEIGHBOURS:
        raise ValueError(f"{NEIGHBOURS} neighbours need more than {NEIGHBOURS} images, got {len(features)}")
    if bool((features == features[0]).all()):
        raise ValueError(f"the features of all {len(features)} images are the same: no image is nearer than another")


def _embed(method: PCA | TSNE | LocallyLinearEmbedding | Isomap, features: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(method.fit_transform(features.cpu().numpy()))
