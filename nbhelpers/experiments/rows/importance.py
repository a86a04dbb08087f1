"""Importance against Shapley values on one study, and what each choice changes: the ablation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from nbhelpers.experiments.rows.regions import count_row, fit_row, mean_of, on_grid, std_of
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet, resized
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.knowledge import knowledge_points
from nbhelpers.method.regional import regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes import attributions
from nbhelpers.probes.metrics import per_image_auroc, per_image_partial, per_image_pearson
from nbhelpers.probes.shapley import region_shapley
from nbhelpers.probes.truth import region_truth

FINER = 14
"""The paper's regions a side."""
FEW, FEWER = 10, 5
"""Images a category where every image takes many runs of much of the network."""
PRECISION = 0.05
"""Largest standard error of a sampled Shapley value, as a share of the range of its image's values."""
USUAL = "zero baseline, logit"
CHOICES: dict[str, dict[str, str]] = {
    USUAL: {},
    "mean baseline, logit": {"baseline": "mean"},
    "zero baseline, log-probability": {"output": "log_probability"},
    "mean baseline, log-probability": {"baseline": "mean", "output": "log_probability"},
    "zero baseline, logit of the predicted category": {"target": "predicted"},
}
"""Of the Shapley values."""

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
PUBLISHED = {"as published": None, "as published, as sharp as there": 512}
"""The paper's settings, where its 1000 v_k means 1000 / K times a mean over K channels: the layer's own, or as many as
VGG-16's conv_53 has at full width."""


def stages(study: Study) -> dict[str, Any]:
    """Shapley values, and all that is measured against them."""
    before, deepest = study.counted[-2:]
    grid = study.setting.grid
    values = Stage(shapley_values, (study, deepest, grid, None, PRECISION), seconds=150)
    fewer = Stage(shapley_values, (study, before, grid, FEWER, 2 * PRECISION), seconds=150)
    ablation = {name: Stage(ablation_row, (study, name, grid, None), (values,), 12) for name in (*SETTINGS, *PUBLISHED)}
    others = {4: "grid 4×4"}
    if grid < FINER:
        others[FINER] = f"grid {FINER}×{FINER}, images of {study.setting.input_size * FINER // grid} px"
    for side, name in others.items():
        blocks = Stage(shapley_values, (study, deepest, side, FEW, PRECISION), seconds=50)
        ablation[name] = Stage(ablation_row, (study, "default", side, FEW), (blocks,), 12)
    return {
        "importance": {
            before: Stage(layer_importance, (study, before, FEWER), (fewer,), 90),
            deepest: Stage(layer_importance, (study, deepest, None), (values,), 90),
        },
        "shapley_choices": {name: Stage(shapley_choice, (study, name), (values,), 30) for name in CHOICES},
        "ablation": ablation,
    }


def first(images: ImageSet, per_category: int | None) -> np.ndarray:
    """Where the first images of each category stand, or all."""
    return images.first_of_each(per_category or len(images), or_all=True)


def enlarged(study: Study, images: ImageSet, side: int) -> ImageSet:
    """Images that the same weights see on a grid of ``side`` regions, where that is finer than theirs."""
    grid = study.setting.grid
    return resized(images, images.images.shape[2] * max(side, grid) // grid)


def shapley_values(
    study: Study, layer: str, side: int, per_category: int | None, precision: float
) -> list[list[float]]:
    """:func:`shapley` of the first images of each category."""
    images = study.fitted()
    images = enlarged(study, images.subset(first(images, per_category)), side)
    return shapley(study, images, layer, side, precision=precision).tolist()


def shapley(study: Study, images: ImageSet, layer: str, side: int, **options: Any) -> np.ndarray:
    """Shapley values of the cells of a common grid for each image's true category, (N, R).

    A cell of a layer with a finer grid is a block of regions that come and go together.
    """
    activations = study.activations(layers=(layer,), images=images)
    regions = activations.regions[layer]
    rows, columns = (np.arange(size) * side // size for size in regions.shape[2:])
    settings = {"method": "permutation", "target": activations.labels, **options}
    players = (rows[:, None] * side + columns).ravel()
    return region_shapley(tail_of(study.load(), layer), regions, players=players, **settings)[0]


def importance_row(
    maps: Mapping[str, np.ndarray], grid: int, values: np.ndarray, images: ImageSet, rows: np.ndarray
) -> dict[str, float | None]:
    """Maps of regions (by the prefix of their keys) against Shapley values of the images at ``rows``, and masks."""
    row: dict[str, float | None] = {"images": len(values)}
    for name, score in maps.items():
        agreement = per_image_pearson(score[rows], values)
        row[f"{name}shapley_pearson_mean"] = mean_of(agreement)
        row[f"{name}shapley_pearson_std"] = std_of(agreement)
        row[f"{name}object_auroc"] = None
        if images.masks is not None:
            truth = region_truth(images, grid).object >= 0.5
            row[f"{name}object_auroc"] = mean_of(per_image_auroc(score, truth))
    return row


def layer_importance(
    study: Study, layer: str, per_category: int | None, known: list[list[float]]
) -> dict[str, float | None]:
    """:func:`importance_row` of one layer of the trained network, and where w agrees with the Shapley values.

    ``right`` and ``wrong`` are means over the images that the network classifies correctly and wrongly;
    ``beyond_strength`` is the partial correlation that is left when both are cleared of the raw strength.
    """
    images, values = study.fitted(), np.array(known)
    rows = first(images, per_category)
    w, strength, centred, named = importance_and_strength(study, layer)
    agreement = per_image_pearson(w[rows], values)
    maps = {"": w, "strength_": strength, "centred_": centred}
    right = (named == images.labels)[rows]
    return {
        **importance_row(maps, study.setting.grid, values, images, rows),
        "right": mean_of(agreement[right]),
        "wrong": mean_of(agreement[~right]),
        "beyond_strength": mean_of(per_image_partial(w[rows], values, strength[rows])),
    }


@lru_cache(maxsize=1)
def importance_and_strength(study: Study, layer: str) -> tuple[np.ndarray, ...]:
    """Of the trained network at one layer: w, the raw features' lengths and distances from their mean, the names."""
    activations = on_grid(study, layer)
    regions = activations.regions[layer]
    w = RegionImportance().fit(regions, activations.logits).weights_
    lengths, centred = attributions.strength(regions), attributions.distance_from_mean(regions)
    return w, lengths, centred, activations.logits.argmax(axis=1)


def shapley_choice(study: Study, name: str, known: list[list[float]]) -> dict[str, float | None]:
    """What a baseline, a score or a target changes: agreement of w, of the raw strength, and of the usual choice."""
    images, options = study.fitted(), dict(CHOICES[name])
    rows = first(images, FEWER)
    w, strength, _, predicted = importance_and_strength(study, study.deepest)
    if "target" in options:
        options["target"] = predicted[rows]
    values = usual = np.array(known)[rows]
    if name != USUAL:
        options["precision"] = 2 * PRECISION
        values = shapley(study, images.subset(rows), study.deepest, study.setting.grid, **options)
    pairs = {"w": w[rows], "strength": strength[rows], "usual": usual}
    agreement = {key: per_image_pearson(score, values) for key, score in pairs.items()}
    means = {key: mean_of(r) for key, r in agreement.items()}
    return {**means, "images": len(rows), "w_std": std_of(agreement["w"])}


def as_published(channels: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The paper's settings of the importance and of the projection, for so many channels."""
    target = {"target": "probabilities", "kappa_target": 5.0}
    importance = {**target, "kappa_regions": 1000 / channels, "radial": False, "channels": "fitted"}
    return importance, {**target, "kappa_align": 1.0}


def ablation_row(
    study: Study, name: str, side: int, per_category: int | None, known: list[list[float]]
) -> dict[str, float | None]:
    """What one setting of the fits does: agreement with Shapley values and masks, Table 2, reliability."""
    images, grid, layer = enlarged(study, study.fitted(), side), study.setting.grid, study.deepest
    activations = study.activations(layers=(layer,), images=images, grid=max(side, grid))
    channels = activations.regions[layer].shape[1]
    of_w, of_h = as_published(PUBLISHED[name] or channels) if name in PUBLISHED else SETTINGS[name]
    samples = SampleProjection().fit(activations.features, activations.logits)
    fits = {"importance": RegionImportance(**of_w), "projection": RegionProjection(**of_h)}
    view = regional_features(activations, samples, grid=side, **fits)[layer]
    points = knowledge_points(view.h, samples.directions_, samples.weights_, images.labels, view.kappa)
    fit, maps = fit_row(view), {"": view.weights, "strength_": view.raw_strength}
    return {
        **importance_row(maps, side, np.array(known), images, first(images, per_category)),
        "h_pearson": fit["mean"],
        "h_pearson_std": fit["std"],
        "control_h_pearson": fit["control_mean"],
        "reliable_ratio": count_row(points)["ratio"],
        **({"accuracy": activations.accuracy} if side > grid else {}),
    }
