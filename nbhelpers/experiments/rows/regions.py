"""The regional experiments of one study: Table 2, and knowledge points along training (Fig. 4-6). Returns JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.knowledge import KnowledgePoints, knowledge_points
from nbhelpers.method.regional import RegionalFeatures, regional_along, regional_features
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.probes.metrics import per_image_pearson
from nbhelpers.probes.truth import PLACES, RegionTruth, region_truth


def stages(study: Study, images: ImageSet, found: Mapping[str, Any]) -> dict[str, Stage]:
    """Every regional experiment by name; other layers take their scale from the deepest."""
    *others, deepest = study.counted

    def strengths() -> list[float]:
        return [row["mean_strength"] for row in found[f"along {deepest}"]]

    todo = {f"along {deepest}": Stage(lambda: along(study, images, deepest), ("training",))}
    for layer in others:
        todo[f"along {layer}"] = Stage(lambda at=layer: along(study, images, at, strengths()), (f"along {deepest}",))
    for layer in study.layers[:-3]:
        todo[f"table2 {layer}"] = Stage(lambda at=layer: table2_row(study, images, at), ("training",))
    todo["table2 by certainty"] = Stage(lambda: by_certainty(study, images), ("training",))
    return todo


def results(study: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    last = {layer: found[f"along {layer}"][-1] for layer in study.counted}
    fits = {layer: last.get(layer) or found[f"table2 {layer}"] for layer in study.layers}
    table2 = ("mean", "std", "control_mean", "mean_strength", "loss")
    return {
        "table2": {layer: {key: fit[key] for key in table2} for layer, fit in fits.items()},
        "table2_by_certainty": found["table2 by certainty"],
        "knowledge_points": {
            layer: {str(row["step"]): {**row["last"], "own": row["own"]} for row in found[f"along {layer}"]}
            for layer in study.counted
        },
    }


def recorded_regions(study: Study, images: ImageSet, layer: str, checkpoint: int = -1) -> Activations:
    """Regional features of one layer on the common grid."""
    return study.activations(checkpoint, layers=(layer,), images=images, grid=study.setting.grid)


def along(study: Study, images: ImageSet, layer: str, deepest: list[float] | None = None) -> list[dict[str, Any]]:
    """Knowledge points of one layer at every checkpoint, and how well the fits converged (Fig. 6).

    ``deepest`` are the mean strengths of the deepest layer at the checkpoints: what strengths are normalised to.
    """
    history = [recorded_regions(study, images, layer, i) for i in range(len(study.steps))]
    samples = fit_along([(a.features, a.logits) for a in history])
    truth = region_truth(images, study.setting.grid) if images.masks is not None else None
    rows = []
    for i, found in enumerate(regional_along(history, samples, grid=study.setting.grid)):
        view, sample = found[layer], samples[i]
        mean = float(view.strength.mean())
        row = {"step": study.steps[i], "epoch": study.epochs[i], "accuracy": history[i].accuracy, **fit_row(view)}
        for name, wanted in (("last", deepest[i] if deepest else mean), ("own", 1.0)):
            scaled = view.h * (wanted / (mean or 1.0))
            points = knowledge_points(scaled, sample.directions_, sample.weights_, images.labels, view.kappa)
            row[name] = {**count_row(points), **({"truth": truth_row(points, truth)} if truth else {})}
        rows.append(row)
    return rows


def fit_row(view: RegionalFeatures) -> dict[str, Any]:
    """Table 2 for one layer, with its control, and both losses at the start and the end of the fit."""
    agreement = per_image_pearson(view.strength, view.weights)
    control = per_image_pearson(view.raw_strength, view.weights)
    start, end = view.projection.loss_curve_[[0, -1]].tolist()
    return {
        "mean": mean_of(agreement),
        "std": std_of(agreement),
        "control_mean": mean_of(control),
        "mean_strength": float(view.strength.mean()),
        "loss": {"start": start, "end": end, "iterations": view.projection.n_iter_},
    }


def by_certainty(study: Study, images: ImageSet) -> dict[str, float | None]:
    """Table 2 of the deepest layer for the half of the images of which the network is surer, and for the other half.

    Sure is an image whose sample feature is longer than the median.
    """
    activations = recorded_regions(study, images, study.deepest)
    samples = SampleProjection().fit(activations.features, activations.logits)
    (view,) = regional_features(activations, samples, grid=study.setting.grid).values()
    agreement = per_image_pearson(view.strength, view.weights)
    certainty = np.linalg.norm(samples.transform(activations.features), axis=1)
    sure = certainty > np.median(certainty)
    return {"sure": mean_of(agreement[sure]), "unsure": mean_of(agreement[~sure])}


def table2_row(study: Study, images: ImageSet, layer: str) -> dict[str, Any]:
    """Table 2 of one layer of the trained network."""
    activations = recorded_regions(study, images, layer)
    samples = SampleProjection().fit(activations.features, activations.logits)
    return fit_row(regional_features(activations, samples, grid=study.setting.grid)[layer])


def count_row(points: KnowledgePoints) -> dict[str, float]:
    """Per-image means and spreads of the counts."""
    return {
        "total": float(points.total.mean()),
        "total_std": float(points.total.std()),
        "reliable": float(points.reliable.mean()),
        "reliable_std": float(points.reliable.std()),
        "ratio": points.ratio if points.masks.any() else None,
    }


def truth_row(points: KnowledgePoints, truth: RegionTruth) -> dict[str, Any]:
    """Where knowledge points lie, and whether the unreliable ones on fragments name the fragment's category.

    ``chance`` is how often they would if their names were dealt out among the unreliable points at random.
    """
    place = truth.place
    unreliable = points.masks & ~points.reliable_masks
    chosen = {"area": np.ones_like(points.masks), "reliable": points.reliable_masks, "unreliable": unreliable}
    row: dict[str, Any] = {
        name: {where: share(place[mask] == where) for where in PLACES} for name, mask in chosen.items()
    }
    on = unreliable & (place == "fragment")
    names, shown = points.category[on], truth.fragment_category[on]
    every = np.bincount(points.category[unreliable], minlength=points.category.max() + 1) / max(1, unreliable.sum())
    known = shown < len(every)
    row["fragment_named"] = {
        "points": int(on.sum()),
        "share": share(names == shown),
        "chance": float((every[shown[known]].sum()) / len(shown)) if len(shown) else None,
    }
    return row


def mean_of(values: np.ndarray) -> float | None:
    """Over the images that have a number; None where none has: JSON knows no NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def std_of(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else None


def share(mask: np.ndarray) -> float | None:
    return float(mask.mean()) if len(mask) else None
