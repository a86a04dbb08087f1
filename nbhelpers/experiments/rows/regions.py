"""The regional experiments of one study: Table 2, and knowledge points along training (Fig. 4-6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from nbhelpers.experiments.intervals import halves
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.method.activations import Activations
from nbhelpers.method.knowledge import KnowledgePoints, knowledge_points
from nbhelpers.method.portraits import portray
from nbhelpers.method.regional import RegionalFeatures, regional_along, regional_features
from nbhelpers.method.samples import SampleProjection, fit_along
from nbhelpers.probes.attributions import distance_from_mean
from nbhelpers.probes.metrics import per_image_pearson
from nbhelpers.probes.truth import PLACES, RegionTruth, region_truth

DRAWS = 10
"""Random projections whose agreement with w is averaged."""
TABLE2 = ("mean", "std", "control_mean", "mean_strength", "loss")


def stages(study: Study) -> dict[str, Any]:
    """Table 2, and knowledge points along training, where other layers take their scale from the deepest."""
    *others, deepest = study.counted
    last = Stage(along, (study, deepest), seconds=130)
    return {
        "table2": {layer: Stage(table2_row, (study, layer), seconds=20) for layer in study.layers[:-3]},
        "along": {**{layer: Stage(along, (study, layer), (last,), 130) for layer in others}, deepest: last},
        "table2_by_certainty": Stage(by_certainty, (study,), seconds=20),
        "table2_controls": Stage(table2_controls, (study,), seconds=60),
        "table2_halves": Stage(table2_halves, (study,), seconds=200),
        "followed": Stage(followed, (study,), seconds=100),
    }


def results(values: dict[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    fits = {**values["table2"], **{layer: rows[-1] for layer, rows in values["along"].items()}}
    return {
        "table2": {layer: {key: fit[key] for key in TABLE2} for layer, fit in fits.items()},
        **{key: value for key, value in values.items() if key not in ("table2", "along")},
        "knowledge_points": {
            layer: {
                str(row["step"]): {**row["last"], "own": row["own"], "strength": row["mean_strength"]} for row in rows
            }
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
    return fit_row(fitted(on_grid(study, layer), layer)[1])


def by_certainty(study: Study) -> dict[str, float | None]:
    """Table 2 of the deepest layer for the half of the images of which the network is surer, and for the other half.

    Sure is an image whose sample feature is longer than the median.
    """
    activations = on_grid(study, study.deepest)
    samples, view = fitted(activations, study.deepest)
    agreement = per_image_pearson(view.strength, view.weights)
    certainty = np.linalg.norm(samples.transform(activations.features), axis=1)
    sure = certainty > np.median(certainty)
    return {"sure": mean_of(agreement[sure]), "unsure": mean_of(agreement[~sure])}


def followed(study: Study) -> dict[str, dict[str, float | None]]:
    """What becomes of the regions that are reliable in the deepest layer: the same places in every layer (Fig. 4).

    By layer, ``points`` and ``reliable`` are the shares of these regions that are knowledge points and reliable ones
    there, and ``all_points`` and ``all_reliable`` the same of all regions.
    """
    points = portray(on_grid(study, *study.layers), grid=study.setting.grid).points()
    chosen = points[study.deepest].reliable_masks
    return {
        layer: {
            f"{who}{kind}": mean_of(masks[where])
            for who, where in (("", chosen), ("all_", np.ones_like(chosen)))
            for kind, masks in (("points", its.masks), ("reliable", its.reliable_masks))
        }
        for layer, its in points.items()
    }


def table2_controls(study: Study) -> dict[str, float | None]:
    """What agrees with w although nothing was fitted to it: means over images, as in Table 2.

    ``centred_mean`` is of the distance of f from the mean, ``random_mean`` of a random projection, ``uniform_mean`` and
    ``permuted_mean`` of h where Lambda was fitted to equal weights, and to w dealt out among the regions of an image.
    """
    activations = on_grid(study, study.deepest)
    samples, view = fitted(activations, study.deepest)
    w, raw, rng = view.weights, view.raw, np.random.default_rng(0)
    weights = {"uniform": np.full_like(w, 1 / w.shape[1]), "permuted": rng.permuted(w, axis=1)}
    g = samples.transform(activations.features)
    lengths = {"centred": [distance_from_mean(raw)], "random": [at_random(raw, rng) for _ in range(DRAWS)]}
    for name, others in weights.items():
        h = clone(view.projection).fit(raw, activations.logits, others, g).transform(raw)
        lengths[name] = [np.linalg.norm(h, axis=2)]
    return {
        f"{name}_mean": mean_of(np.concatenate([per_image_pearson(length, w) for length in each]))
        for name, each in lengths.items()
    }


def at_random(raw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lengths of regional features (N, K, H, W) on three random directions, (N, R)."""
    h = np.einsum("nkhw,kd->nhwd", raw, rng.normal(size=(raw.shape[1], 3)))
    return np.linalg.norm(h, axis=3).reshape(len(raw), -1)


def table2_halves(study: Study) -> dict[str, list[float | None]]:
    """Table 2 where M, w and Lambda are fitted to random halves of the held-out images, and its control there."""
    whole = on_grid(study, study.deepest)
    rows = [fit_row(fitted(part_of(whole, half), study.deepest)[1]) for half in halves(len(whole))]
    return {key: [row[key] for row in rows] for key in ("mean", "control_mean")}


def part_of(activations: Activations, chosen: np.ndarray) -> Activations:
    """Those of some of the images."""
    return replace(
        activations,
        logits=activations.logits[chosen],
        features=activations.features[chosen],
        labels=activations.labels[chosen],
        regions={layer: regions[chosen] for layer, regions in activations.regions.items()},
    )


def fitted(activations: Activations, layer: str) -> tuple[SampleProjection, RegionalFeatures]:
    """Sample projection and regional features of images whose regions lie on the common grid."""
    samples = SampleProjection().fit(activations.features, activations.logits)
    return samples, regional_features(activations, samples)[layer]


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
