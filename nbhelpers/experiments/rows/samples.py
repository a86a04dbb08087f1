"""The experiments on whole images of one study: Table 1 with its baselines, along training too. Returns JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.recording import record
from nbhelpers.probes.baselines import BASELINES
from nbhelpers.probes.metrics import strength_entropy_pearson

WEIGHT_DECAYS = (1e-4, 1e-3, 0.01, 0.03, 0.1)


def stages(study: Study, images: ImageSet, found: Mapping[str, Any]) -> dict[str, Stage]:
    """Accuracy, Table 1 on held-out and on training images, and what the one free choice of the fit does."""
    train = study.images("train")
    # As many as there are held-out ones, so that the two tables compare.
    as_many = train.first_of_each(np.bincount(images.labels).max(), or_all=True)
    sets = {"table1": images, "table1_train": train.subset(as_many)}
    after = ("training",)
    todo: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: {
            "train": record(study.load(), train).accuracy,
            "held_out": record(study.load(), study.images()).accuracy,
        },
        "grids": lambda: grids(study),
        "sample_fit": lambda: sample_fit(study.activations(images=images)),
        "weight_decay": lambda: weight_decay(study.activations(images=images)),
    }
    for key, some in sets.items():
        for method in METHODS:
            todo[f"{key} {method}"] = lambda m=method, i=some: table1_row(m, study.activations(images=i))
    for i in range(len(study.steps)):
        todo[f"checkpoint {i}"] = lambda at=i: checkpoint_row(study, images, at)
    return {name: Stage(run, after) for name, run in todo.items()}


def results(study: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    return {
        **{key: found[key] for key in ("accuracy", "grids", "sample_fit", "weight_decay")},
        **{key: {method: found[f"{key} {method}"] for method in METHODS} for key in ("table1", "table1_train")},
        "table1_along": [found[f"checkpoint {i}"] for i in range(len(study.steps))],
    }


def grids(study: Study) -> dict[str, list[int]]:
    """Height and width of every named layer's grid of regions."""
    network = study.load()
    regions = record(network, study.images().subset([0]), tuple(network.layers)).regions
    return {layer: list(array.shape[2:]) for layer, array in regions.items() if array.ndim == 4}


def sample_fit(activations: Activations) -> dict[str, float]:
    """How close the projection comes to the network's soft labels, mean KL in nats, and the seconds it took."""
    start = time.perf_counter()
    projection = SampleProjection().fit(activations.features, activations.logits)
    return {"kl": projection.loss_, "seconds": time.perf_counter() - start}


def weight_decay(activations: Activations) -> dict[str, dict[str, float]]:
    """What the one free choice of the fit does: its divergence (nats) and Table 1's correlation for each value."""
    found = {}
    for value in WEIGHT_DECAYS:
        projection = SampleProjection(weight_decay=value).fit(activations.features, activations.logits)
        embedding = projection.transform(activations.features)
        found[f"{value:g}"] = {
            "kl": projection.loss_,
            "pearson_t4": strength_entropy_pearson(embedding, activations.logits, temperature=4.0),
        }
    return found


def table1_row(method: str, activations: Activations) -> dict[str, float]:
    """Table 1: how the strength goes with the network's uncertainty, for one way to embed the sample features."""
    start = time.perf_counter()
    embedding = METHODS[method](activations.features, activations.logits)
    seconds = time.perf_counter() - start
    return {
        "pearson_t4": strength_entropy_pearson(embedding, activations.logits, temperature=4.0),
        "pearson_t1": strength_entropy_pearson(embedding, activations.logits, temperature=1.0),
        "seconds": seconds,
    }


def checkpoint_row(study: Study, images: ImageSet, checkpoint: int) -> dict[str, Any]:
    """Table 1 of the network as it was at one checkpoint."""
    activations = study.activations(checkpoint, images=images)
    projection = SampleProjection().fit(activations.features, activations.logits)
    g = projection.transform(activations.features)
    strength = np.linalg.norm(g, axis=1)
    own = (g * projection.directions_[activations.labels]).sum(axis=1)
    return {
        "step": study.steps[checkpoint],
        "epoch": study.epochs[checkpoint],
        "accuracy": activations.accuracy,
        "pearson_t4": _pearson(g, activations.logits),
        "kl": projection.loss_,
        "strength": float(strength.mean()),
        "cosine": float((own / strength.clip(min=1e-12)).mean()),
    }


def _pearson(embedding: np.ndarray, logits: np.ndarray) -> float | None:
    """Nothing where an untrained network is equally uncertain of all images."""
    try:
        return strength_entropy_pearson(embedding, logits, temperature=4.0)
    except ValueError:
        return None


def _ours(features: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return SampleProjection().fit(features, logits).transform(features)


METHODS = {"ours": _ours, **BASELINES}
