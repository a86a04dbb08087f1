"""Figures 2 to 6: where categories lie, and how regions come to speak for them along training and depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from nbhelpers.experiments.claims.claim import Part
from nbhelpers.experiments.claims.measured import Measure, NotRecorded, Runs, at, part
from nbhelpers.experiments.claims.tables import less
from nbhelpers.experiments.claims.wordnet import distances

COUNTED = ("conv_33", "conv_43", "conv_53")
DEEPEST = COUNTED[-1]
NORMALISATIONS = {"mean of conv_53": (), "own mean": ("own",)}
"""To which mean the strengths of a layer are brought before its points are counted, and where that is recorded."""


def alike_lie_near(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F2: rank correlation of the angles between categories with their distances in WordNet."""

    def agreement(key: str) -> Measure:
        return lambda run: spearmanr(at(run, "angles", key), distances(at(run, "categories"))).statistic

    return [part(runs, "", agreement("directions"), controls={"mean features": agreement("features")})]


def grow_along_training(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F3: strength and reliable ratio of the deepest layer, last less first checkpoint, and rank correlation."""
    return [
        part(runs, f"{key}, {called}", measure(DEEPEST, key))
        for key in ("strength", "ratio")
        for called, measure in (("last less first", growth), ("trend", trend))
    ]


def become_discriminative(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F4: of regions that are reliable in the deepest layer, the share that are knowledge points in layers before it.

    The deepest layer itself was chosen by, so that the rise is measured up to the last layer before it.
    """

    def share(layer: str, key: str) -> Measure:
        return lambda run: at(run, "followed", layer, key)

    return [
        part(runs, "in conv_12", share("conv_12", "points"), bound=0.5, above=False),
        part(
            runs,
            "conv_43 less conv_12",
            less(share("conv_43", "points"), share("conv_12", "points")),
            controls={"all regions": less(share("conv_43", "all_points"), share("conv_12", "all_points"))},
        ),
        part(
            runs,
            "the same, reliable ones",
            less(share("conv_43", "reliable"), share("conv_12", "reliable")),
            beside=True,
        ),
    ]


def is_like_shapley(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F5: mean correlation of w with the Shapley values of an image's regions."""

    def agreement(prefix: str) -> Measure:
        return lambda run: at(run, "importance", DEEPEST, f"{prefix}shapley_pearson_mean")

    controls = {"‖f‖": agreement("strength_"), "‖f − mean‖": agreement("centred_")}
    return [part(runs, "", agreement(""), controls=controls)]


def points_grow(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F6a: knowledge points per image, last less first trained checkpoint, layer by layer and by normalisation."""
    return [
        part(runs, f"{layer}, {name}", growth(layer, *way, "total"))
        for name, way in NORMALISATIONS.items()
        for layer in COUNTED
    ]


def deep_are_more_reliable(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F6b: the reliable ratio of each counted layer less that of the one before it."""
    poster = printed["poster"].get("ratio")
    return [
        part(
            runs,
            called,
            less(at_the_end(place, "ratio"), at_the_end(place - 1, "ratio")),
            paper=poster and poster[place] - poster[place - 1],
        )
        for place, called in ((1, "second less first layer"), (2, "third less second layer"))
    ]


def deep_lie_on_the_foreground(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F6c: share of the points that lie on the object, deepest less first counted layer."""

    def on_object(layer: str) -> Measure:
        def share(run: Mapping[str, Any]) -> float:
            step = trained(run, layer)[-1]
            reliable, total = (points(run, layer, step, key) for key in ("reliable", "total"))
            on, off = (points(run, layer, step, "truth", kind, "object") for kind in ("reliable", "unreliable"))
            return (on * reliable + off * (total - reliable)) / total

        return share

    return [part(runs, "", less(on_object(DEEPEST), on_object(COUNTED[0])))]


def at_the_end(place: int, key: str) -> Measure:
    """The number of a counted layer, shallow to deep, at the last checkpoint."""

    def of_run(run: Mapping[str, Any]) -> float:
        layer = list(at(run, "knowledge_points"))[place]
        return points(run, layer, trained(run, layer)[-1], key)

    return of_run


def growth(layer: str, *keys: str) -> Measure:
    """Last less first trained checkpoint."""

    def of_run(run: Mapping[str, Any]) -> float:
        first, *_, last = trained(run, layer)
        return points(run, layer, last, *keys) - points(run, layer, first, *keys)

    return of_run


def trend(layer: str, *keys: str) -> Measure:
    """Rank correlation with the order of the trained checkpoints."""

    def of_run(run: Mapping[str, Any]) -> float:
        values = [points(run, layer, step, *keys) for step in trained(run, layer)]
        return float(spearmanr(np.arange(len(values)), values).statistic)

    return of_run


def points(run: Mapping[str, Any], layer: str, step: str, *keys: str) -> float:
    """What is recorded of a layer's knowledge points at one checkpoint."""
    return at(run, "knowledge_points", layer, step, *keys)


def trained(run: Mapping[str, Any], layer: str) -> list[str]:
    """The checkpoints after the first, which has learned nothing."""
    steps = list(at(run, "knowledge_points", layer))[1:]
    if len(steps) < 2:
        raise NotRecorded(f"knowledge_points.{layer} at two trained checkpoints")
    return steps
