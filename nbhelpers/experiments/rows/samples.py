"""The experiments on whole images of one study: Table 1 with its baselines, along training too."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from nbhelpers.experiments.intervals import halves
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.maths.arrays import Array
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.recording import record
from nbhelpers.probes.baselines import BASELINES, BY_NEIGHBOURS, NEIGHBOURS, tsne
from nbhelpers.probes.metrics import strength_entropy_pearson

WEIGHT_DECAYS = (1e-4, 1e-3, 0.01, 0.03, 0.1)
TSNE_SEEDS = 5
"""From so many random starts t-SNE is drawn: how far they differ is what it adds of its own."""


def stages(study: Study) -> dict[str, Any]:
    """Accuracy, Table 1 on held-out and on training images, and what the one free choice of the fit does."""
    tables = {"table1": "held_out", "table1_train": "train"}
    return {
        "accuracy": Stage(accuracies, (study,), seconds=15),
        "grids": Stage(grids, (study,)),
        "sample_fit": Stage(sample_fit, (study,)),
        "angles": Stage(angles, (study,)),
        "weight_decay": Stage(weight_decay, (study,)),
        **{
            key: {method: Stage(table1_row, (study, split, method)) for method in METHODS}
            for key, split in tables.items()
        },
        "table1_halves": {method: Stage(table1_halves, (study, method), seconds=20) for method in METHODS},
        "tsne_seeds": [Stage(tsne_of_seed, (study, seed), seconds=5) for seed in range(TSNE_SEEDS)],
        "table1_along": [Stage(checkpoint_row, (study, i), seconds=20) for i in range(len(study.steps))],
    }


def accuracies(study: Study) -> dict[str, float]:
    """Share of the images that are classified correctly, training and held out."""
    return {split: record(study.load(), study.images(split)).accuracy for split in ("train", "held_out")}


def grids(study: Study) -> dict[str, list[int]]:
    """Height and width of every named layer's grid of regions."""
    network = study.load()
    regions = record(network, study.images().subset([0]), tuple(network.layers)).regions
    return {layer: list(array.shape[2:]) for layer, array in regions.items() if array.ndim == 4}


def sample_fit(study: Study) -> dict[str, float]:
    """How close the projection comes to the network's soft labels, mean KL in nats, and the seconds it took."""
    activations = study.activations(images=study.fitted())
    start = time.perf_counter()
    projection = SampleProjection().fit(activations.features, activations.logits)
    return {"kl": projection.loss_, "seconds": time.perf_counter() - start}


def angles(study: Study) -> dict[str, list[float]]:
    """Between all pairs of categories in the order of ``combinations``, in degrees.

    Of their directions, and of their mean features, which no fit has projected.
    """
    activations = study.activations(images=study.fitted())
    features, labels = activations.features, activations.labels
    projection = SampleProjection().fit(features, activations.logits)
    means = np.stack([features[labels == category].mean(axis=0) for category in np.unique(labels)])
    return {"directions": between(projection.directions_), "features": between(means)}


def between(vectors: np.ndarray) -> list[float]:
    """Angles of all pairs, in degrees, in the order of ``itertools.combinations``."""
    return np.degrees(np.arccos(np.clip(1 - pdist(vectors, "cosine"), -1, 1))).tolist()


def weight_decay(study: Study) -> dict[str, dict[str, float | None]]:
    """What the one free choice of the fit does: its divergence (nats) and Table 1's correlation for each value."""
    activations = study.activations(images=study.fitted())
    rows = {}
    for value in WEIGHT_DECAYS:
        projection = SampleProjection(weight_decay=value).fit(activations.features, activations.logits)
        g = projection.transform(activations.features)
        rows[f"{value:g}"] = {"kl": projection.loss_, "pearson_t4": correlation(g, activations.logits)}
    return rows


def table1_row(study: Study, split: str, method: str) -> dict[str, float | None]:
    """Table 1: how the strength goes with the network's uncertainty, for one way to embed the sample features.

    Correlations are null where all images have the same features: no embedding tells them apart.
    """
    activations = study.activations(images=study.fitted(split))
    if (activations.features == activations.features[0]).all():
        return {"pearson_t4": None, "pearson_t1": None, "seconds": 0.0}
    start = time.perf_counter()
    embedding = METHODS[method](activations.features, activations.logits)
    seconds = time.perf_counter() - start
    return {**correlations(embedding, activations.logits), "seconds": seconds}


def table1_halves(study: Study, method: str) -> dict[str, list[float | None]] | None:
    """Table 1 of refits on random halves of the held-out images; null where a half has too few of them to embed."""
    activations = study.activations(images=study.fitted())
    features, logits = activations.features, activations.logits
    drawn = halves(len(features))
    if method in BY_NEIGHBOURS and len(drawn[0]) <= NEIGHBOURS:
        return None
    rows = [correlations(METHODS[method](features[half], logits[half]), logits[half]) for half in drawn]
    return {key: [row[key] for row in rows] for key in rows[0]}


def tsne_of_seed(study: Study, random_state: int) -> dict[str, float | None] | None:
    """Table 1 of t-SNE from one random start; null where there are too few images."""
    activations = study.activations(images=study.fitted())
    if len(activations.features) <= NEIGHBOURS:
        return None
    embedding = tsne(activations.features, activations.logits, random_state, init="random")
    return correlations(embedding, activations.logits)


def checkpoint_row(study: Study, checkpoint: int) -> dict[str, Any]:
    """Table 1 of the network as it was at one checkpoint."""
    activations = study.activations(checkpoint, images=study.fitted())
    projection = SampleProjection().fit(activations.features, activations.logits)
    g = projection.transform(activations.features)
    strength = np.linalg.norm(g, axis=1)
    own = (g * projection.directions_[activations.labels]).sum(axis=1)
    return {
        "step": study.steps[checkpoint],
        "epoch": study.epochs[checkpoint],
        "accuracy": activations.accuracy,
        "pearson_t4": correlation(g, activations.logits),
        "kl": projection.loss_,
        "strength": float(strength.mean()),
        "cosine": float((own / strength.clip(min=1e-12)).mean()),
    }


def correlations(embedding: Array, logits: Array) -> dict[str, float | None]:
    """:func:`correlation` at the temperature of the authors' code, and at the network's own."""
    return {f"pearson_t{t}": correlation(embedding, logits, temperature=t) for t in (4, 1)}


def correlation(embedding: Array, logits: Array, temperature: float = 4.0) -> float | None:
    """Of strengths and entropies; None where either is the same for all images, as of an untrained network."""
    try:
        return strength_entropy_pearson(embedding, logits, temperature=temperature)
    except ValueError:
        return None


def ours(features: Array, logits: Array) -> Array:
    """The book's own embedding."""
    return SampleProjection().fit(features, logits).transform(features)


METHODS = {"ours": ours, **BASELINES}
