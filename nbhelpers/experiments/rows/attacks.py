"""The attacks on one study: Fig. 7 and 8, what carries them, and how all that goes with their size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from nbhelpers.experiments.rows.regions import mean_of, on_grid
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.maths.kappa import KappaCurve
from nbhelpers.method.knowledge import THRESHOLD, category_probabilities, knowledge_points, probability_of
from nbhelpers.method.portraits import Portrait, portray
from nbhelpers.method.samples import SampleProjection
from nbhelpers.method.trajectories import TYPES, changes, trajectory_types
from nbhelpers.probes.attacks import Trail, follow, pgd, random_path
from nbhelpers.probes.truth import PLACES, named_by_chance, region_truth, shown_categories

SIZES = (1, 2, 4, 8)
"""Radii of the attack in 1/255; a step is a tenth of them, and there are twenty. The paper's is the first."""
STEPS = 20
BINS = 20


def stages(study: Study) -> dict[str, Any]:
    """One stage for each size of the attack."""
    return {"attack_sweep": {f"{size}/255": Stage(attack_row, (study, size), seconds=170) for size in SIZES}}


def results(values: dict[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of the attacks: the first two at the paper's size."""
    paper = next(iter(values["attack_sweep"].values()))
    return {"attack": paper["layers"], "attack_types": paper.get("types"), **values}


@lru_cache(maxsize=1)
def clean(study: Study) -> Portrait:
    """What the trained network says of the images before any attack."""
    return portray(on_grid(study, *study.layers), grid=study.setting.grid)


def attack_row(study: Study, size: int) -> dict[str, Any]:
    """All that is measured of one untargeted attack of ``size`` / 255, and of its random control.

    Changes are measured on the images that were classified correctly; the rest on those of them that were fooled, and
    is left out where there is none.

    Raises
    ------
    ValueError
        If the network classifies no image correctly, so that there is nothing to attack.
    """
    images, network = study.fitted(), study.load()
    if not study.activations(images=images).accuracy:
        raise ValueError(
            f"{study.name} names none of its {len(images)} images rightly, so that an attack has nothing to change: "
            "train it for longer, or leave attacks out of --experiments"
        )
    samples, views = clean(study).samples, clean(study).regions
    deepest = {study.deepest: views[study.deepest]}
    eps = size / 255
    path = pgd(network, (images.images / 255).astype(np.float32), images.labels, eps, eps / 10, STEPS)
    control = random_path(path)
    ends = {name: follow(network, p[[0, -1]], images, views) for name, p in (("", path), ("control_", control))}
    whole = {name: follow(network, p, images, deepest) for name, p in (("", path), ("control_", control))}
    trail = whole[""]
    right, fooled = trail.before == images.labels, trail.fooled(images.labels)
    row: dict[str, Any] = {
        "right": int(right.sum()),
        "fooled": int(fooled.sum()),
        **{f"{name}success_rate": number(t.success_rate(images.labels)) for name, t in whole.items()},
        "layers": {
            layer: {k: v for name, t in ends.items() for k, v in change_row(t.h[layer][:, right], name).items()}
            for layer in study.layers
        },
    }
    kappa = views[study.deepest].kappa
    said = trail.h[study.deepest][0, right], samples.directions_, samples.weights_, images.labels[right], kappa
    reliable = knowledge_points(*said).reliable_masks
    row["by_reliability"] = {
        name or "attack": reliability_row(t.h[study.deepest][:, right], reliable) for name, t in whole.items()
    }
    if not fooled.any():
        return row
    some, new = images.subset(fooled), trail.after[fooled]
    speaks = {}
    for name, t in whole.items():
        h = t.h[study.deepest][:, fooled]
        speaks[name] = speaking(h, samples, kappa, some.labels, new)
        kinds = trajectory_types(h, samples.directions_, samples.weights_, some.labels, new, kappa)
        row[f"{name}types"] = {str(i or "none"): kinds.shares[kind] for i, kind in enumerate(TYPES)}
    row["before"] = before_row(speaks)
    row["overlap"] = {name or "attack": overlap_row(p) for name, p in speaks.items()}
    if images.masks is not None:
        row["carriers"] = {
            name or "attack": carrier_row(s, some, new, study.setting.grid) for name, s in speaks.items()
        }
        row["fragment"] = fragment_row(trail, images, fooled)
    return row


def change_row(h: np.ndarray, prefix: str) -> dict[str, float | None]:
    """Fig. 8 left for one layer: means over regions, then mean and spread over images; null for no image."""
    orientation, strength = changes(h) if h.size else np.full((2, 1, 1), np.nan)
    kinds = {"delta_orientation": orientation, "delta_strength": strength, "delta_strength_size": np.abs(strength)}
    row = {}
    for name, values in kinds.items():
        each = values.mean(axis=1)
        row[f"{prefix}{name}"], row[f"{prefix}{name}_std"] = number(each.mean()), number(each.std())
    return row


def reliability_row(h: np.ndarray, reliable: np.ndarray) -> dict[str, Any]:
    """How much more the unreliable regions of an image turn and fade than its reliable ones: means over images.

    Reliable are knowledge points that name the truth, (N, R); only ``images`` that have both kinds are compared.
    """
    both = reliable.any(axis=1) & ~reliable.all(axis=1)
    row: dict[str, Any] = {"images": int(both.sum())}
    for name, values in zip(("orientation", "strength"), changes(h[:, both]) if both.any() else (), strict=False):
        one, other = (np.average(values, axis=1, weights=where) for where in (reliable[both], ~reliable[both]))
        row[name] = float((other - one).mean())
    return {"orientation": None, "strength": None, **row}


def overlap_row(p: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Fig. 7 left: of an image's regions that carry the new category, the share that spoke for the original one.

    ``chance`` is the share of all its regions that did; both are means over the ``images`` with a carrier.
    """
    spoke, carry = p["original before"] > THRESHOLD, p["new after"] > THRESHOLD
    some = carry.any(axis=1)
    spoke, carry = spoke[some], carry[some]
    return {
        "images": int(some.sum()),
        "share": mean_of((spoke & carry).sum(axis=1) / carry.sum(axis=1)),
        "chance": mean_of(spoke.mean(axis=1)),
    }


def speaking(
    h: np.ndarray, samples: SampleProjection, kappa: KappaCurve, original: np.ndarray, new: np.ndarray
) -> dict[str, np.ndarray]:
    """What regions say before and after: p of the original and of the new category before, of the new one after."""
    first, last = (category_probabilities(h[t], samples.directions_, samples.weights_, kappa) for t in (0, -1))
    return {
        "original before": probability_of(first, original),
        "new before": probability_of(first, new),
        "new after": probability_of(last, new),
    }


def before_row(speaks: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Fig. 7 right: what regions that speak for the new category said of the original one before."""
    row: dict[str, Any] = {}
    for name, p in speaks.items():
        values = p["original before"][p["new after"] > THRESHOLD]
        row[name or "attack"] = {
            "regions": len(values),
            "counts": np.histogram(values, bins=BINS, range=(0, 1))[0].tolist(),
            "median": number(np.median(values)) if len(values) else None,
        }
    every = speaks[""]["original before"]
    row["all regions"] = {"regions": every.size, "counts": np.histogram(every, bins=BINS, range=(0, 1))[0].tolist()}
    return row


def carrier_row(
    p: Mapping[str, np.ndarray], images: ImageSet, new: np.ndarray, grid: int | tuple[int, int]
) -> dict[str, Any]:
    """Where the regions lie that came to speak for the new category, and whether a fragment of it is there."""
    truth = region_truth(images, grid)
    carry = (p["new after"] > THRESHOLD) & (p["new before"] <= THRESHOLD)
    on = carry & (truth.place == "fragment")
    named = truth.fragment_category == new[:, None]
    return {
        "regions": int(carry.sum()),
        "share": {place: mean_of(truth.place[carry] == place) for place in PLACES},
        "area": {place: float((truth.place == place).mean()) for place in PLACES},
        "on_fragments": int(on.sum()),
        "of_the_new_category": mean_of(named[on]),
    }


def fragment_row(trail: Trail, images: ImageSet, fooled: np.ndarray) -> dict[str, Any]:
    """Does the attack move towards the category of a fragment, more often than chance and than a second guess would?"""
    shows = shown_categories(images)[fooled]
    original, new = images.labels[fooled], trail.after[fooled]
    row: dict[str, Any] = {"images": len(new)}
    second = np.where(np.eye(shows.shape[1], dtype=bool)[original], -np.inf, trail.logits[0, fooled]).argmax(axis=1)
    for name, named in (("", new), ("second_", second)):
        chance = named_by_chance(named, original, shows)
        row |= {f"{name}share": chance.share, f"{name}chance": chance.expected, f"{name}p_value": chance.p_value}
    return {**row, "new_is_second": float((new == second).mean())}


def number(value: Any) -> float | None:
    """As JSON, which knows no NaN."""
    return None if np.isnan(value) else float(value)
