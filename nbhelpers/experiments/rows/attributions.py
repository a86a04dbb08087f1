"""What tells a reader where to look: maps of a layer's regions against Shapley values, masks and removal."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from nbhelpers.experiments.intervals import spread_interval
from nbhelpers.experiments.rows import importance
from nbhelpers.experiments.rows.regions import mean_of, on_grid
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.importance import RegionImportance
from nbhelpers.method.regional import regional_features
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes import attributions
from nbhelpers.probes.metrics import (
    per_image_auroc,
    per_image_pearson,
    per_image_pointing,
    per_image_spearman,
    relevance_mass,
)
from nbhelpers.probes.removal import curve_area, removal_curves
from nbhelpers.probes.shapley import region_shapley
from nbhelpers.probes.truth import region_truth

W, JOINT, SHAPLEY, RANDOM = "w", "z(w) + z(‖f‖)", "Shapley values", "at random"
ASKED: dict[str, Callable[..., np.ndarray]] = {
    "gradient × feature": attributions.gradient_times_feature,
    "Grad-CAM": attributions.grad_cam,
    "integrated gradients": attributions.integrated_gradients,
    "occlusion": attributions.occlusion,
}
"""Maps that ask the network for a category."""
TIMED = 5
"""Images on which Shapley values are timed; the values themselves are computed once for all that needs them."""


def stages(study: Study) -> dict[str, Any]:
    """The last two layers, each on the images whose Shapley values are known for the experiment ``importance``."""
    before, deepest = study.counted[-2:]
    extent = {before: (importance.FEWER, 2 * importance.PRECISION), deepest: (None, importance.PRECISION)}
    layers = {}
    for layer, (per_category, precision) in extent.items():
        values = Stage(importance.shapley_values, (study, layer, study.setting.grid, per_category, precision), (), 150)
        layers[layer] = Stage(attribution_rows, (study, layer, per_category, precision), (values,), 120)
    return {"attributions": layers}


def attribution_rows(
    study: Study, layer: str, per_category: int | None, precision: float, known: list[list[float]]
) -> dict[str, Any]:
    """All maps of one layer of the trained network by all measures, on the first images of each category.

    Of a map and a measure: the mean over the ``images`` that have a number, with a 95 % interval over images, and the
    same of the difference to w, image by image. ``seconds`` are those of an image on one core.

    Shapley values are not held against themselves. The mass of z(w) + z(‖f‖) is left out: its zero is the mean of the
    image, and a mass counts what is above zero. Where there are no masks, so is all that needs them.
    """
    images, grid = study.fitted(), study.setting.grid
    rows = importance.first(images, per_category)
    seen = images.subset(rows)
    own = study.activations(layers=(layer,), images=seen)
    asked = {
        "tail": tail_of(study.load(), layer),
        "regions": own.regions[layer],
        "target": own.labels,
        "players": (grid, grid),
    }
    few = {**asked, "regions": asked["regions"][:TIMED], "target": asked["target"][:TIMED]}
    maps, seconds = fitted_maps(study, layer, rows)
    for name, attribution in ASKED.items():
        maps[name], seconds[name] = timed(lambda attribution=attribution: attribution(**asked), len(rows))
    maps[SHAPLEY], maps[RANDOM] = np.array(known), np.random.default_rng(0).random(np.shape(known))
    sampled = {"method": "permutation", "precision": precision}
    _, seconds[SHAPLEY] = timed(lambda: region_shapley(**few, **sampled), len(few["target"]))
    measured = {}
    for name, score in maps.items():
        curves = removal_curves(scores=score, **asked)
        measured[name] = {
            **({} if name == SHAPLEY else against(score, maps[SHAPLEY])),
            **({} if images.masks is None else on_masks(score, seen, grid, mass=name != JOINT)),
            "deletion": curve_area(curves.deletion),
            "insertion": curve_area(curves.insertion),
        }
    return {
        name: {
            "seconds": seconds.get(name),
            **{key: interval_row(values, measured[W].get(key)) for key, values in measures.items()},
        }
        for name, measures in measured.items()
    }


def timed(compute: Callable[[], Any], images: int) -> tuple[Any, float]:
    """A value, and the seconds an image that it took."""
    start = perf_counter()
    value = compute()
    return value, (perf_counter() - start) / images


def fitted_maps(study: Study, layer: str, rows: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Maps (n, R) of the images at ``rows`` that are made of all fitted images, and their seconds an image."""
    recorded = on_grid(study, layer)
    regions = recorded.regions[layer]

    def strength_of_h() -> np.ndarray:
        samples = SampleProjection().fit(recorded.features, recorded.logits)
        return regional_features(recorded, samples, grid=study.setting.grid)[layer].strength

    ways: dict[str, Callable[[], np.ndarray]] = {
        W: lambda: RegionImportance().fit(regions, recorded.logits).weights_,
        "‖h‖": strength_of_h,
        "‖f‖": lambda: attributions.strength(regions),
        "‖f − mean‖": lambda: attributions.distance_from_mean(regions),
    }
    maps, seconds = {}, {}
    for name, way in ways.items():
        whole, seconds[name] = timed(way, len(regions))
        maps[name] = whole[rows]
    maps[JOINT], seconds[JOINT] = attributions.joint(maps[W], maps["‖f‖"]), seconds[W] + seconds["‖f‖"]
    return maps, seconds


def against(score: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """Agreement of a map with Shapley values, image by image."""
    return {
        "shapley_pearson": per_image_pearson(score, values),
        "shapley_spearman": per_image_spearman(score, values),
    }


def on_masks(score: np.ndarray, images: ImageSet, grid: int, *, mass: bool) -> dict[str, np.ndarray]:
    """Whether a map finds the object, image by image; and where its relevance lies, if that is asked for."""
    truth = region_truth(images, grid)
    seen = truth.object >= 0.5
    measures = {"object_auroc": per_image_auroc(score, seen), "pointing": per_image_pointing(score, seen)}
    shares = {"object": truth.object, "fragment": truth.fragment}
    shares["background"] = (1 - truth.object - truth.fragment).clip(0, 1)
    return measures | (
        {f"{place}_mass": relevance_mass(score, share) for place, share in shares.items()} if mass else {}
    )


def interval_row(values: np.ndarray, usual: np.ndarray | None) -> dict[str, float | int | None]:
    """Mean and 95 % interval over the images that have a number, and of what they are above the ``usual`` ones."""
    row: dict[str, float | int | None] = {"images": int((~np.isnan(values)).sum())}
    for prefix, each in (("", values), ("above_w_", None if usual is None else values - usual)):
        known = np.array([]) if each is None else each[~np.isnan(each)]
        ends = (None, None)
        if len(known) > 1:
            ends = spread_interval(float(known.mean()), float(known.std(ddof=1)), len(known))
        row |= {f"{prefix}mean": mean_of(known), f"{prefix}low": ends[0], f"{prefix}high": ends[1]}
    return row
