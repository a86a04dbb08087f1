"""The regional experiments of one study: Table 2, Fig. 4-6, Shapley values, the ablation. Each returns JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from nbhelpers.activations import Activations
from nbhelpers.datasets.base import ImageSet
from nbhelpers.importance import RegionImportance
from nbhelpers.knowledge import KnowledgePoints, knowledge_points
from nbhelpers.metrics import per_image_auroc, per_image_partial, per_image_pearson
from nbhelpers.regional import GRID, RegionalFeatures, regional_along, regional_features
from nbhelpers.regions import RegionProjection
from nbhelpers.samples import SampleProjection, fit_along
from nbhelpers.shapley import region_shapley, tail_of
from nbhelpers.study import Study
from nbhelpers.truth import PLACES, RegionTruth, region_truth

LAYERS = ("conv_12", "conv_22", "conv_33", "conv_43", "conv_53")
"""The paper's layers, shallow to deep (Fig. 4)."""
FINER = 14
"""The paper's regions a side."""
COUNTED = ("conv_33", "conv_43", "conv_53")
"""Layers whose knowledge points are counted along training (Fig. 6)."""
DEEPEST = LAYERS[-1]
PAPER_CHANNELS = 512
"""Of conv_53 at full width."""
FEW, FEWER = 10, 5
"""Images a category where every image takes many runs of much of the network."""
PRECISION = 0.05
"""Largest standard error of a sampled Shapley value, as a share of the range of its image's values."""

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "target: logits, κ_p 5": ({"kappa_target": 5.0}, {"kappa_target": 5.0}),
    "target: logits, κ_p 80": ({"kappa_target": 80.0}, {"kappa_target": 80.0}),
    "target: P at T 4, κ_p 5": ({"target": "probabilities", "kappa_target": 5.0},) * 2,
    "target: P at T 4, κ_p 20": ({"target": "probabilities"},) * 2,
    "target: P at T 1, κ_p 20": ({"target": "probabilities", "temperature": 1.0},) * 2,
    "κ_regions 0.25": ({"kappa_regions": 0.25}, {}),
    "κ_regions 4": ({"kappa_regions": 4.0}, {}),
    "κ_regions 16": ({"kappa_regions": 16.0}, {}),
    "v shared": ({"channels": "shared"}, {}),
    "v fitted": ({"channels": "fitted"}, {}),
    "regions without strength": ({"radial": False}, {}),
    "penalty 0.1": ({"ridge": 0.1}, {}),
    "penalty 2": ({"ridge": 2.0}, {}),
    "α 0": ({}, {"alpha": 0.0}),
    "α 1": ({}, {"alpha": 1.0}),
    "κ′ 1": ({}, {"kappa_align": 1.0}),
    "matches in h": ({}, {"match": "projection"}),
    "weight decay 0": ({}, {"weight_decay": 0.0}),
    "weight decay 0.01": ({}, {"weight_decay": 0.01}),
}
"""One change at a time: of the importance, and of the projection. "As published" and the grids come beside."""


def as_published(channels: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The paper's settings, where its 1000 v_k means 1000 / K times a mean over channels."""
    target = {"target": "probabilities", "kappa_target": 5.0}
    return {**target, "kappa_regions": 1000 / channels, "radial": False, "channels": "fitted"}, {
        **target,
        "kappa_align": 1.0,
    }


def stages(study: Study, images: ImageSet, found: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Every regional experiment by name; later ones read what earlier ones ``found``."""
    few, fewer = images.first_of_each(FEW), images.first_of_each(FEWER)

    def deepest() -> list[float]:
        return [row["mean_strength"] for row in found[f"along {DEEPEST}"]]

    def known() -> np.ndarray:
        return np.array(found[f"shapley {DEEPEST}"])

    def features() -> Activations:
        return recorded_regions(study, images, DEEPEST)

    some = images.subset(few)
    side = images.images.shape[2] * FINER // GRID

    def finer(chosen: ImageSet) -> ImageSet:
        """Enlarged images, which the same weights see on a finer grid."""
        return enlarged(chosen, side)

    def finer_features() -> Activations:
        return study.activations(layers=(DEEPEST,), images=finer(images))

    todo: dict[str, Callable[[], Any]] = {f"along {DEEPEST}": lambda: along(study, images, DEEPEST)}
    for layer in COUNTED[:-1]:
        todo[f"along {layer}"] = lambda at=layer: along(study, images, at, deepest())
    for layer in (layer for layer in LAYERS if layer not in COUNTED):
        todo[f"table2 {layer}"] = lambda at=layer: table2_row(study, images, at)
    todo[f"shapley {DEEPEST}"] = lambda: shapley(study, images).tolist()
    todo[f"importance {DEEPEST}"] = lambda: layer_importance(study, images, DEEPEST, known())
    todo["importance conv_43"] = lambda: layer_importance(
        study, images, "conv_43", shapley(study, images.subset(fewer), "conv_43", precision=2 * PRECISION), fewer
    )
    todo["shapley choices"] = lambda: shapley_choices(study, images, known(), fewer)
    for name, settings in SETTINGS.items():
        todo[f"ablation {name}"] = lambda chosen=settings: ablation_row(features(), images, known(), chosen)
    todo["ablation as published"] = lambda: ablation_row(
        features(), images, known(), as_published(features().regions[DEEPEST].shape[1])
    )
    todo["ablation as published, as sharp as there"] = lambda: ablation_row(
        features(), images, known(), as_published(PAPER_CHANNELS)
    )
    todo["shapley 4×4"] = lambda: shapley(study, some, side=4).tolist()
    todo["ablation grid 4×4"] = lambda: ablation_row(
        features(), images, np.array(found["shapley 4×4"]), grid=4, rows=few
    )
    todo["shapley 14×14"] = lambda: shapley(study, finer(some), side=FINER).tolist()
    todo[f"ablation grid 14×14, images of {side} px"] = lambda: {
        **ablation_row(finer_features(), finer(images), np.array(found["shapley 14×14"]), grid=FINER, rows=few),
        "accuracy": finer_features().accuracy,
    }
    return todo


def results(found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    last = {layer: found[f"along {layer}"][-1] for layer in COUNTED}
    fits = {layer: last.get(layer) or found[f"table2 {layer}"] for layer in LAYERS}
    table2 = ("mean", "std", "control_mean", "mean_strength", "loss")
    return {
        "table2": {layer: {key: fit[key] for key in table2} for layer, fit in fits.items()},
        "importance": {layer: found[f"importance {layer}"] for layer in ("conv_43", DEEPEST)},
        "shapley_choices": found["shapley choices"],
        "knowledge_points": {
            layer: {str(row["step"]): {**row["last"], "own": row["own"]} for row in found[f"along {layer}"]}
            for layer in COUNTED
        },
        "ablation": {
            stage.removeprefix("ablation "): row for stage, row in found.items() if stage.startswith("ablation ")
        },
    }


def recorded_regions(study: Study, images: ImageSet, layer: str, checkpoint: int = -1) -> Activations:
    """Regional features of one layer on the common grid."""
    return study.activations(checkpoint, layers=(layer,), images=images, grid=GRID)


def along(study: Study, images: ImageSet, layer: str, deepest: list[float] | None = None) -> list[dict[str, Any]]:
    """Knowledge points of one layer at every checkpoint, and how well the fits converged (Fig. 6).

    ``deepest`` are the mean strengths of the deepest layer at the checkpoints: what strengths are normalised to.
    """
    history = [recorded_regions(study, images, layer, i) for i in range(len(study.steps))]
    samples = fit_along([(a.features, a.logits) for a in history])
    truth = region_truth(images, GRID) if images.masks is not None else None
    rows = []
    for i, found in enumerate(regional_along(history, samples)):
        view, sample = found[layer], samples[i]
        mean = float(view.strength.mean())
        row = {"step": study.steps[i], "epoch": study.epochs[i], "accuracy": history[i].accuracy, **fit_row(view)}
        for name, wanted in (("last", deepest[i] if deepest else mean), ("own", 1.0)):
            scaled = view.h * (wanted / (mean or 1.0))
            points = knowledge_points(scaled, sample.directions_, sample.weights_, images.labels)
            row[name] = {**count_row(points), **({"truth": truth_row(points, truth)} if truth else {})}
        rows.append(row)
    return rows


def fit_row(view: RegionalFeatures) -> dict[str, Any]:
    """Table 2 for one layer, with its control, and both losses at the start and the end of the fit."""
    agreement = per_image_pearson(view.strength, view.weights)
    control = per_image_pearson(view.raw_strength, view.weights)
    start, end = view.projection.loss_curve_[[0, -1]].tolist()
    return {
        "mean": _mean(agreement),
        "std": _std(agreement),
        "control_mean": _mean(control),
        "mean_strength": float(view.strength.mean()),
        "loss": {"start": start, "end": end, "iterations": view.projection.n_iter_},
    }


def table2_row(study: Study, images: ImageSet, layer: str) -> dict[str, Any]:
    """Table 2 of one layer of the trained network."""
    activations = recorded_regions(study, images, layer)
    samples = SampleProjection().fit(activations.features, activations.logits)
    return fit_row(regional_features(activations, samples)[layer])


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


def _mean(values: np.ndarray) -> float | None:
    """Over the images that have a number; None where none has: JSON knows no NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _std(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else None


def share(mask: np.ndarray) -> float | None:
    return float(mask.mean()) if len(mask) else None


def shapley(study: Study, images: ImageSet, layer: str = DEEPEST, *, side: int = GRID, **options: Any) -> np.ndarray:
    """Shapley values of the cells of a common grid for each image's true category, (N, R).

    A cell of a layer with a finer grid is a block of regions that come and go together.
    """
    activations = study.activations(layers=(layer,), images=images)
    regions = activations.regions[layer]
    rows, columns = (np.arange(size) * side // size for size in regions.shape[2:])
    settings = {"method": "permutation", "precision": PRECISION, "target": activations.labels, **options}
    players = (rows[:, None] * side + columns).ravel()
    return region_shapley(tail_of(study.load(), layer), regions, players=players, **settings)[0]


def importance_row(
    maps: Mapping[str, np.ndarray], grid: int, values: np.ndarray, images: ImageSet, rows: np.ndarray | slice
) -> dict[str, float | None]:
    """Maps of regions (by the prefix of their keys) against Shapley values of the images at ``rows``, and masks."""
    row: dict[str, float | None] = {"images": len(values)}
    for name, score in maps.items():
        agreement = per_image_pearson(score[rows], values)
        row[f"{name}shapley_pearson_mean"] = _mean(agreement)
        row[f"{name}shapley_pearson_std"] = _std(agreement)
        row[f"{name}object_auroc"] = None
        if images.masks is not None:
            truth = region_truth(images, grid).object >= 0.5
            row[f"{name}object_auroc"] = _mean(per_image_auroc(score, truth))
    return row


def importance_and_strength(study: Study, images: ImageSet, layer: str) -> tuple[Activations, np.ndarray, np.ndarray]:
    """What the trained network computed at one layer, w, and the control that is the length of the raw features."""
    activations = recorded_regions(study, images, layer)
    regions = activations.regions[layer]
    w = RegionImportance().fit(regions, activations.logits).weights_
    return activations, w, np.linalg.norm(regions, axis=1).reshape(w.shape)


def layer_importance(
    study: Study, images: ImageSet, layer: str, values: np.ndarray, rows: np.ndarray | slice = slice(None)
) -> dict[str, float | None]:
    """:func:`importance_row` of one layer of the trained network, and where w agrees with the Shapley values.

    ``right`` and ``wrong`` are means over the images that the network names rightly and wrongly;
    ``beyond_strength`` is the partial correlation that is left when both are cleared of the raw strength.
    """
    activations, w, strength = importance_and_strength(study, images, layer)
    agreement = per_image_pearson(w[rows], values)
    right = (activations.logits.argmax(axis=1) == activations.labels)[rows]
    return {
        **importance_row({"": w, "strength_": strength}, GRID, values, images, rows),
        "right": _mean(agreement[right]),
        "wrong": _mean(agreement[~right]),
        "beyond_strength": _mean(per_image_partial(w[rows], values, strength[rows])),
    }


def shapley_choices(study: Study, images: ImageSet, known: np.ndarray, few: np.ndarray) -> dict[str, dict[str, float]]:
    """What a baseline, a score and a target change: agreement of w, of the raw strength, and of the usual choice."""
    activations, w, strength = importance_and_strength(study, images, DEEPEST)
    choices = {
        "zero baseline, logit": {},
        "mean baseline, logit": {"baseline": "mean"},
        "zero baseline, log-probability": {"output": "log_probability"},
        "mean baseline, log-probability": {"baseline": "mean", "output": "log_probability"},
        "zero baseline, logit of the predicted category": {"target": activations.logits[few].argmax(axis=1)},
    }
    found: dict[str, dict[str, float]] = {}
    for name, options in choices.items():
        values = known[few] if not options else shapley(study, images.subset(few), precision=2 * PRECISION, **options)
        pairs = {"w": w[few], "strength": strength[few], "usual": known[few]}
        agreement = {key: per_image_pearson(score, values) for key, score in pairs.items()}
        found[name] = {key: _mean(r) for key, r in agreement.items()}
        found[name] |= {"images": len(few), "w_std": _std(agreement["w"])}
    return found


def ablation_row(
    activations: Activations,
    images: ImageSet,
    values: np.ndarray,
    settings: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    *,
    grid: int = GRID,
    rows: np.ndarray | slice = slice(None),
) -> dict[str, float | None]:
    """What one setting of the fits does: agreement with Shapley values and masks, Table 2, reliability."""
    samples = SampleProjection().fit(activations.features, activations.logits)
    importance, projection = RegionImportance(**settings[0]), RegionProjection(**settings[1])
    view = regional_features(activations, samples, grid=grid, importance=importance, projection=projection)[DEEPEST]
    points = knowledge_points(view.h, samples.directions_, samples.weights_, images.labels)
    fit = fit_row(view)
    return {
        **importance_row({"": view.weights, "strength_": view.raw_strength}, grid, values, images, rows),
        "h_pearson": fit["mean"],
        "h_pearson_std": fit["std"],
        "control_h_pearson": fit["control_mean"],
        "reliable_ratio": count_row(points)["ratio"],
    }


def enlarged(images: ImageSet, side: int) -> ImageSet:
    """The same images at another size: a network without fixed size then has a finer grid."""
    pixels = torch.from_numpy(images.images).float()
    pixels = F.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True).round().clamp(0, 255)
    masks = images.masks
    if masks is not None:
        masks = F.interpolate(torch.from_numpy(masks)[:, None].float(), size=(side, side)).to(torch.int8)[:, 0].numpy()
    return replace(images, images=pixels.to(torch.uint8).numpy(), masks=masks)
