"""How far the projection explains the network, beside controls that know less: the numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax

from nbhelpers.method.activations import Activations
from nbhelpers.method.samples import SampleProjection
from nbhelpers.probes.metrics import per_image_pearson, strength_entropy_pearson
from nbhelpers.report.regions import LayerView

TEMPERATURES = (1.0, 4.0)
JUDGED = ("images that it was fitted to", "images that it has not seen", "outputs dealt out anew")
"""What a projection explains the network's soft labels of."""
LENGTHS = ("g", "f", "f less its mean", "f projected at random")
"""What may tell, by its length, how sure the network is; all but the first know nothing of what it says."""
DRAWS = 20
"""Random projections, over which that control is a mean."""


def explained(samples: SampleProjection, features: np.ndarray, logits: np.ndarray) -> float:
    """1 - KL(P || Q) / KL(P || mean P): 1 where Q is P, 0 where it is no better than the mean.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(200, 3))
    >>> explained(SampleProjection(n_components=2).fit(features, 9 * features), features, 9 * features) > 0.5
    True
    """
    log_p = log_softmax(logits / samples.temperature, axis=1)
    p = np.exp(log_p)
    log_q = np.log(np.maximum(samples.predict_proba(features), 1e-300))
    own, mean = (float((p * (log_p - other)).sum(axis=1).mean()) for other in (log_q, np.log(p.mean(axis=0))))
    return 1 - own / mean if mean > 0 else float("nan")


def judge(activations: Activations, samples: SampleProjection) -> dict[str, np.ndarray]:
    """How far g stands for what the network says.

    Returns
    -------
    dict
        ``explained``: the share of soft labels that is explained, for each of :data:`JUDGED`: M is fitted once more to
        half of the images, to judge the rest, and once to outputs that were dealt out anew among the images;
        ``agreement`` (1,): the share of images of which P and Q favour the same category; ``lengths``: Pearson's r of
        each of :data:`LENGTHS` with the entropy of P, at each of :data:`TEMPERATURES`; NaN where it is undefined.
    """
    f, z = np.asarray(activations.features, np.float64), np.asarray(activations.logits, np.float64)
    order = np.random.default_rng(0).permutation(len(f))
    half, rest = np.array_split(order, 2)
    dealt = z[order]
    g = samples.transform(f)
    shares = [
        explained(samples, f, z),
        explained(SampleProjection().fit(f[half], z[half]), f[rest], z[rest]),
        explained(SampleProjection().fit(f, dealt), f, dealt),
    ]
    generator = np.random.default_rng(1)
    drawn = [f @ generator.normal(size=(f.shape[1], g.shape[1])) for _ in range(DRAWS)]
    lengths = [[g], [f], [f - f.mean(axis=0)], drawn]
    agreement = np.mean(samples.predict_proba(f).argmax(axis=1) == z.argmax(axis=1))
    return {
        "explained": np.array(shares),
        "agreement": np.array([agreement]),
        "lengths": np.array([[np.mean([_length(x, z, t) for x in its]) for t in TEMPERATURES] for its in lengths]),
    }


def _length(embedding: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    """Pearson's r with the entropy; NaN where all lengths, or all entropies, are equal."""
    try:
        return strength_entropy_pearson(embedding, logits, temperature)
    except ValueError:
        return float("nan")


def of_regions(
    view: LayerView, controls: Mapping[str, np.ndarray], chosen: np.ndarray, shapley: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Pearson's r over the regions of each image, of what has to do with importance w, or with Shapley values.

    The controls are those of :func:`~nbhelpers.report.regions.control_lengths`; the Shapley values (m, R) are of the
    ``chosen`` (m,) images of the view, where there are any.
    """
    lengths = {
        "length of h": view.strength,
        "length of f": view.raw_strength,
        "length of h, fitted to permuted w": controls["permuted"],
        "length of f projected at random": controls["drawn"],
    }
    pairs = {f"w with {name}": per_image_pearson(its, view.weights) for name, its in lengths.items()}
    if shapley is not None:
        maps = {"w": view.weights, "length of h": view.strength, "length of f": view.raw_strength}
        pairs |= {f"Shapley with {name}": per_image_pearson(its[chosen], shapley) for name, its in maps.items()}
    return pairs


def mean_of(correlations: np.ndarray) -> float:
    """Over the images of which it is defined; NaN where it is of none."""
    known = correlations[~np.isnan(correlations)]
    return float(known.mean()) if len(known) else float("nan")
