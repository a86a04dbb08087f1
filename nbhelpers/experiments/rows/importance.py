"""Importance against Shapley values on one study, and what each choice changes: the ablation. Returns JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nbhelpers.experiments.rows.regions import count_row, fit_row, mean_of, recorded_regions, std_of
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet, resized
from nbhelpers.method.activations import Activations
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.knowledge import knowledge_points
from nbhelpers.method.regional import regional_features
from nbhelpers.method.regions import RegionProjection
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes.metrics import per_image_auroc, per_image_partial, per_image_pearson
from nbhelpers.probes.shapley import region_shapley
from nbhelpers.probes.truth import region_truth

FINER = 14
"""The paper's regions a side."""
PAPER_CHANNELS = 512
"""Of VGG-16's conv_53 at full width."""
FEW, FEWER = 10, 5
"""Images a category where every image takes many runs of much of the network."""
USUAL = "zero baseline, logit"
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


def stages(study: Study, images: ImageSet, found: Mapping[str, Any]) -> dict[str, Stage]:
    """Every experiment by name; later ones read what earlier ones ``found``."""
    few, fewer = (images.first_of_each(most, or_all=True) for most in (FEW, FEWER))
    before, deepest = study.counted[-2:]
    grid = study.setting.grid

    def known() -> np.ndarray:
        return np.array(found[f"shapley {deepest}"])

    def features() -> Activations:
        return recorded_regions(study, images, deepest)

    def ablation(settings: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, float | None]:
        return ablation_row(features(), images, known(), grid, settings)

    todo: dict[str, Callable[[], Any]] = {
        f"importance {deepest}": lambda: layer_importance(study, images, deepest, known()),
        f"importance {before}": lambda: layer_importance(
            study, images, before, shapley(study, images.subset(fewer), before, precision=2 * PRECISION), fewer
        ),
        "shapley choices": lambda: shapley_choices(study, images, known(), fewer),
        **{f"ablation {name}": lambda chosen=settings: ablation(chosen) for name, settings in SETTINGS.items()},
        "ablation as published": lambda: ablation(as_published(features().regions[deepest].shape[1])),
        "ablation as published, as sharp as there": lambda: ablation(as_published(PAPER_CHANNELS)),
    }
    values = f"shapley {deepest}"
    some = images.subset(few)
    stages = {values: Stage(lambda: shapley(study, images, deepest).tolist(), ("training",))}
    stages |= {name: Stage(run, (values,)) for name, run in todo.items()}
    stages["shapley 4×4"] = Stage(lambda: shapley(study, some, deepest, side=4).tolist(), ("training",))
    stages["ablation grid 4×4"] = Stage(
        lambda: ablation_row(features(), images, np.array(found["shapley 4×4"]), 4, rows=few), ("shapley 4×4",)
    )
    if grid >= FINER:
        return stages
    side = images.images.shape[2] * FINER // grid

    def finer(chosen: ImageSet) -> ImageSet:
        """Enlarged images, which the same weights see on a finer grid."""
        return resized(chosen, side)

    def finer_features() -> Activations:
        return study.activations(layers=(deepest,), images=finer(images))

    stages["shapley 14×14"] = Stage(lambda: shapley(study, finer(some), deepest, side=FINER).tolist(), ("training",))
    stages[f"ablation grid 14×14, images of {side} px"] = Stage(
        lambda: {
            **ablation_row(finer_features(), finer(images), np.array(found["shapley 14×14"]), FINER, rows=few),
            "accuracy": finer_features().accuracy,
        },
        ("shapley 14×14",),
    )
    return stages


def results(study: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of these experiments."""
    return {
        "importance": {layer: found[f"importance {layer}"] for layer in study.counted[-2:]},
        "shapley_choices": found["shapley choices"],
        "ablation": {stage.removeprefix("ablation "): found[stage] for stage in found if stage.startswith("ablation ")},
    }


def shapley(study: Study, images: ImageSet, layer: str, *, side: int | None = None, **options: Any) -> np.ndarray:
    """Shapley values of the cells of a common grid for each image's true category, (N, R).

    A cell of a layer with a finer grid is a block of regions that come and go together.
    """
    activations = study.activations(layers=(layer,), images=images)
    regions, side = activations.regions[layer], side or study.setting.grid
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
        row[f"{name}shapley_pearson_mean"] = mean_of(agreement)
        row[f"{name}shapley_pearson_std"] = std_of(agreement)
        row[f"{name}object_auroc"] = None
        if images.masks is not None:
            truth = region_truth(images, grid).object >= 0.5
            row[f"{name}object_auroc"] = mean_of(per_image_auroc(score, truth))
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
        **importance_row({"": w, "strength_": strength}, study.setting.grid, values, images, rows),
        "right": mean_of(agreement[right]),
        "wrong": mean_of(agreement[~right]),
        "beyond_strength": mean_of(per_image_partial(w[rows], values, strength[rows])),
    }


def shapley_choices(study: Study, images: ImageSet, known: np.ndarray, few: np.ndarray) -> dict[str, dict[str, float]]:
    """What a baseline, a score and a target change: agreement of w, of the raw strength, and of the usual choice."""
    activations, w, strength = importance_and_strength(study, images, study.deepest)
    choices = {
        USUAL: {},
        "mean baseline, logit": {"baseline": "mean"},
        "zero baseline, log-probability": {"output": "log_probability"},
        "mean baseline, log-probability": {"baseline": "mean", "output": "log_probability"},
        "zero baseline, logit of the predicted category": {"target": activations.logits[few].argmax(axis=1)},
    }
    found: dict[str, dict[str, float]] = {}
    for name, options in choices.items():
        options = {"precision": 2 * PRECISION, **options}
        values = known[few] if name == USUAL else shapley(study, images.subset(few), study.deepest, **options)
        pairs = {"w": w[few], "strength": strength[few], "usual": known[few]}
        agreement = {key: per_image_pearson(score, values) for key, score in pairs.items()}
        found[name] = {key: mean_of(r) for key, r in agreement.items()}
        found[name] |= {"images": len(few), "w_std": std_of(agreement["w"])}
    return found


def ablation_row(
    activations: Activations,
    images: ImageSet,
    values: np.ndarray,
    grid: int,
    settings: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    *,
    rows: np.ndarray | slice = slice(None),
) -> dict[str, float | None]:
    """What one setting of the fits does: agreement with Shapley values and masks, Table 2, reliability."""
    samples = SampleProjection().fit(activations.features, activations.logits)
    importance, projection = RegionImportance(**settings[0]), RegionProjection(**settings[1])
    views = regional_features(activations, samples, grid=grid, importance=importance, projection=projection)
    (view,) = views.values()
    points = knowledge_points(view.h, samples.directions_, samples.weights_, images.labels, view.kappa)
    fit = fit_row(view)
    return {
        **importance_row({"": view.weights, "strength_": view.raw_strength}, grid, values, images, rows),
        "h_pearson": fit["mean"],
        "h_pearson_std": fit["std"],
        "control_h_pearson": fit["control_mean"],
        "reliable_ratio": count_row(points)["ratio"],
    }
