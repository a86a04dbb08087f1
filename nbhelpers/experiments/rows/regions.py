"""The regional experiments of one study: Table 2, and knowledge points along training (Fig. 4-6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.method.activations import Activations
from nbhelpers.method.knowledge import KnowledgePoints, knowledge_points
from nbhelpers.method.regional import RegionalFeatures, regional_along, regional_features
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.probes.metrics import per_image_pearson
from nbhelpers.probes.truth import PLACES, RegionTruth, region_truth

TABLE2 = ("mean", "std", "control_mean", "mean_strength", "loss")


def stages(study: Study) -> dict[str, Any]:
    """Table 2, and knowledge points along training, where other layers take their scale from the deepest."""
    *others, deepest = study.counted
    last = Stage(along, (study, deepest), seconds=130)
    return {
        "table2": {layer: Stage(table2_row, (study, layer), seconds=20) for layer in study.layers[:-3]},
        "along": {**{layer: Stage(along, (study, layer), (last,), 130) for layer in others}, deepest: last},
        "table2_by_certainty": Stage(by_certainty, (study,), seconds=20),
    }


def results(values: dict[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    fits = {**values["table2"], **{layer: rows[-1] for layer, rows in values["along"].items()}}
    return {
        "table2": {layer: {key: fit[key] for key in TABLE2} for layer, fit in fits.items()},
        "table2_by_certainty": values["table2_by_certainty"],
        "knowledge_points": {
            layer: {str(row["step"]): {**row["last"], "own": row["own"]} for row in rows}
            for layer, rows in values["along"].items()
        },
    }


def on_grid(study: Study, *layers: str, checkpoint: int = -1) -> Activations:
    """What the network computed of the fitted images, with these layers on the common grid."""
    return study.activations(checkpoint, layers, study.fitted(), study.setting.grid)


def along(study: Study, layer: str, deepest: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Knowledge points of one layer at every checkpoint, and how well the fits converged (Fig. 6).

    ``deepest`` are the rows of the deepest layer, to whose mean strengths those of this one are brought.
    """
    grid, images = study.setting.grid, study.fitted()
    history = [on_grid(study, layer, checkpoint=i) for i in range(len(study.steps))]
    samples = fit_along([(a.features, a.logits) for a in history])
    truth = region_truth(images, grid) if images.masks is not None else None
    rows = []
    for i, views in enumerate(regional_along(history, samples, grid=grid)):
        view = views[layer]
        row = {"step": study.steps[i], "epoch": study.epochs[i], "accuracy": history[i].accuracy, **fit_row(view)}
        mean = row["mean_strength"]
        for name, strength in (("last", deepest[i]["mean_strength"] if deepest else mean), ("own", 1.0)):
            h = view.h * (strength / (mean or 1.0))
            points = knowledge_points(h, samples[i].directions_, samples[i].weights_, images.labels, view.kappa)
            row[name] = {**count_row(points), **({"truth": truth_row(points, truth)} if truth else {})}
        rows.append(row)
    return rows


def table2_row(study: Study, layer: str) -> dict[str, Any]:
    """Table 2 of one layer of the trained network."""
    return fit_row(_last_view(study, layer)[1])


def by_certainty(study: Study) -> dict[str, float | None]:
    """Table 2 of the deepest layer for the half of the images of which the network is surer, and for the other half.

    Sure is an image whose sample feature is longer than the median.
    """
    g, view = _last_view(study, study.deepest)
    agreement = per_image_pearson(view.strength, view.weights)
    certainty = np.linalg.norm(g, axis=1)
    sure = certainty > np.median(certainty)
    return {"sure": mean_of(agreement[sure]), "unsure": mean_of(agreement[~sure])}


def _last_view(study: Study, layer: str) -> tuple[np.ndarray, RegionalFeatures]:
    """Sample features of the trained network, and the regional features of one of its layers."""
    activations = on_grid(study, layer)
    samples = SampleProjection().fit(activations.features, activations.logits)
    view = regional_features(activations, samples, grid=study.setting.grid)[layer]
    return samples.transform(activations.features), view


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
        name: {where: mean_of(place[mask] == where) for where in PLACES} for name, mask in chosen.items()
    }
    on = unreliable & (place == "fragment")
    names, shown = points.category[on], truth.fragment_category[on]
    every = np.bincount(points.category[unreliable], minlength=points.category.max() + 1) / max(1, unreliable.sum())
    known = shown < len(every)
    row["fragment_named"] = {
        "points": int(on.sum()),
        "share": mean_of(names == shown),
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
