"""What is recorded of a network that others trained: the paper's tables, with cues that need no projection beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nbhelpers.datasets.imagenet import NAMES
from nbhelpers.experiments.pretrained import OUTPUTS, PretrainedStudy
from nbhelpers.experiments.rows.attacks import STEPS, change_row
from nbhelpers.experiments.rows.importance import FEWER, importance_row
from nbhelpers.experiments.rows.regions import TABLE2, count_row, fit_row, mean_of
from nbhelpers.experiments.rows.samples import METHODS, correlations
from nbhelpers.maths.arrays import Array
from nbhelpers.method.knowledge import knowledge_points
from nbhelpers.networks.recording import record
from nbhelpers.networks.store import Store
from nbhelpers.networks.tails import tail_of
from nbhelpers.probes.attacks import pgd, random_path
from nbhelpers.probes.cues import region_cues
from nbhelpers.probes.metrics import per_image_partial, per_image_pearson
from nbhelpers.probes.shapley import region_shapley

FEWEST = 3
"""Images a category of which each takes many runs of much of the network."""
MOST = 32
"""Permutations of each image: a round of 16 and their reverses."""
SIZE = 1
"""Radius of the attack in 1/255, the paper's."""
PIXELS = ("brightness", "contrast", "saturation")
"""Cues of pixels that mean something of a whole image, too."""
AS_IT_IS = "as it is"
"""In place of a training step."""


def samples_rows(study: PretrainedStudy) -> dict[str, Any]:
    """Table 1, which knows no grid, with cues that need no projection."""
    return {
        "sample_fit": {"kl": study.samples().loss_},
        "table1": {method: kept(study, table1_row, method) for method in METHODS},
        "table1_cues": cues_row(study),
    }


def regions_rows(study: PretrainedStudy) -> dict[str, Any]:
    """Table 2 and knowledge points of every layer."""
    views, samples, labels = {layer: study.view(layer) for layer in study.depth}, study.samples(), study.images().labels
    strength = views[study.deepest].strength.mean()
    points = {}
    for layer, view in views.items():
        own, last = (
            knowledge_points(h, samples.directions_, samples.weights_, labels, view.kappa)
            for h in (view.h / view.strength.mean(), view.h * (strength / view.strength.mean()))
        )
        points[layer] = {AS_IT_IS: {**count_row(last), "own": count_row(own)}}
    fits = {layer: fit_row(view) for layer, view in views.items()}
    table2 = {layer: {key: fit[key] for key in TABLE2} for layer, fit in fits.items()}
    return {"table2": table2, "knowledge_points": points}


def importance_rows(study: PretrainedStudy) -> dict[str, Any]:
    """Importance against Shapley values in the two deepest layers."""
    few = dict(zip(study.depth[-2:], (FEWEST, FEWER), strict=True))
    return {"importance": {layer: importance_of(study, layer, count) for layer, count in few.items()}}


def attacks_rows(study: PretrainedStudy) -> dict[str, Any]:
    """The attack of the paper's size."""
    attack = attack_row(study)
    return {"attack": attack["layers"], "attack_sweep": {f"{SIZE}/255": attack}}


EXPERIMENTS: dict[str, Callable[[PretrainedStudy], dict[str, Any]]] = {
    "samples": samples_rows,
    "regions": regions_rows,
    "importance": importance_rows,
    "attacks": attacks_rows,
}
"""What can be recorded on 7 x 7 regions; on a finer grid it is ``regions`` alone."""


def rows(study: PretrainedStudy, experiments: Sequence[str] = tuple(EXPERIMENTS)) -> dict[str, Any]:
    """All keys that a recorded file holds of one network, grid and draw."""
    count = len(study.images())
    result: dict[str, Any] = {
        "experiments": [name for name in EXPERIMENTS if name in experiments and (study.grid == 7 or name == "regions")],
        "images": {"train": 0, "held_out": count, "fitted": count},
        "accuracy": {"train": None, "held_out": study.activations().accuracy, "of_1000": study.accuracy_of_all},
    }
    for name in result["experiments"]:
        result |= EXPERIMENTS[name](study)
    return result


def kept(study: PretrainedStudy, function: Any, *arguments: Any) -> Any:
    """A number that takes long, from the study's folder where it is there."""
    about = study.described(function, what=function.__name__, draw=study.draw, arguments=list(arguments))
    return Store(study.home / "numbers").numbers(about, lambda: function(study, *arguments))


def table1_row(study: PretrainedStudy, method: str) -> dict[str, float | None]:
    """Table 1 for one way to embed the sample features."""
    seen = study.activations()
    embed = METHODS[method]
    g = study.samples().transform(seen.features) if method == "ours" else embed(seen.features, seen.logits, study.draw)
    return correlations(g, seen.logits)


def cues_row(study: PretrainedStudy) -> dict[str, dict[str, float | None]]:
    """The same for what needs no projection: lengths, the logits themselves, and what the pixels are like."""
    seen, pixels = study.activations(), region_cues(study.images(), 1)
    centred = seen.logits - seen.logits.mean(axis=1, keepdims=True)
    first, second = np.sort(seen.logits, axis=1)[:, :-3:-1].T
    cues = {
        "‖f − mean‖": np.linalg.norm(seen.features - seen.features.mean(axis=0), axis=1),
        "‖z‖, centred": np.linalg.norm(centred, axis=1),
        "largest logit before the second": first - second,
        **{name: pixels[name][:, 0] for name in PIXELS},
    }
    return {name: correlations(cue[:, None], seen.logits) for name, cue in cues.items()}


def shapley_values(study: PretrainedStudy, layer: str, per_category: int) -> dict[str, list[list[float]]]:
    """Shapley values of the cells of the common grid for the true category's logit, with their standard errors."""
    images = study.images().subset(per_category=per_category)
    network, targets = study.load_whole(), np.array(list(OUTPUTS.values()))[images.labels]
    images = replace(images, labels=targets, categories=NAMES)
    regions = record(network, images, (layer,)).regions[layer]
    rows, columns = (np.arange(size) * study.grid // size for size in regions.shape[2:])
    players = (rows[:, None] * study.grid + columns).ravel()
    options: dict[str, Any] = {"method": "permutation", "precision": 0, "permutations": MOST}
    pair = region_shapley(tail_of(network, layer), regions, targets, players=players, **options)
    return {name: each.tolist() for name, each in zip(("values", "errors"), pair, strict=True)}


def importance_of(study: PretrainedStudy, layer: str, per_category: int) -> dict[str, Any]:
    """Agreement with Shapley values: of w, of h, of the raw strength, and of cues that need no network."""
    sampled = kept(replace(study, draw=0), shapley_values, layer, per_category)
    values, errors = np.array(sampled["values"]), np.array(sampled["errors"])
    images, view = study.images(), study.view(layer)
    rows = images.first_of_each(per_category)
    named = study.activations().logits.argmax(axis=1) == images.labels
    maps = {"": view.weights, "strength_": view.raw_strength, "h_": view.strength}
    cues = region_cues(images.subset(rows), study.grid)
    return {
        **importance_row(maps, study.grid, values, images, rows),
        "standard_error": float((errors.max(axis=1) / np.ptp(values, axis=1)).mean()),
        "named_rightly": int(named[rows].sum()),
        "beyond_strength": mean_of(per_image_partial(view.weights[rows], values, view.raw_strength[rows])),
        "cues": {name: mean_of(per_image_pearson(cues[name], values)) for name in (*PIXELS, "nearness to the centre")},
    }


def attack_ends(study: PretrainedStudy) -> dict[str, Array]:
    """Logits and layers of some images after the attack, and after its random control."""
    images, network = study.images().subset(per_category=FEWEST), study.load()
    eps = SIZE / 255
    path = pgd(network, (images.images / 255).astype(np.float32), images.labels, eps, eps / 10, STEPS)
    ends = {}
    for name, moved in (("", path), ("control_", random_path(path))):
        seen = record(network, images, study.depth, grid=study.grid, pixels=moved[-1])
        ends |= {f"{name}logits": seen.logits, **{f"{name}{layer}": seen.regions[layer] for layer in study.depth}}
    return ends


def attack_row(study: PretrainedStudy) -> dict[str, Any]:
    """Success and what changed in each layer, on the images that were classified correctly, as of Fig. 8."""
    about = study.described(attack_ends, grid=study.grid, layers=list(study.depth))
    ends = Store(study.home / "attacks").arrays(about, lambda: attack_ends(study))
    images, seen = study.images(), study.activations()
    rows = images.first_of_each(FEWEST)
    right = seen.logits[rows].argmax(axis=1) == images.labels[rows]
    row: dict[str, Any] = {"attacked": len(rows), "right": int(right.sum()), "layers": {}}
    for name in ("", "control_"):
        fooled = ends[f"{name}logits"].argmax(axis=1) != images.labels[rows]
        row[f"{name}success_rate"] = float(fooled[right].mean())
        for layer in study.depth:
            view = study.view(layer)
            after = view.projection.transform(ends[f"{name}{layer}"][right])
            h = np.stack([view.h[rows][right], after]) / view.strength.mean()
            row["layers"].setdefault(layer, {}).update(change_row(h, name))
    return row
