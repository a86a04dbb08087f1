"""What students learn of one study's network: Fig. 9, over seeds. Returns JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from nbhelpers.experiments.rows.regions import count_row
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.portraits import Portrait, portray, turn
from nbhelpers.method.regional import regional_features
from nbhelpers.method.samples import SampleProjection
from nbhelpers.method.trajectories import changes
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

SEEDS = (0, 1, 2)
QUANTILES = (5, 25, 50, 75, 95)


def stages(study: Study, images: ImageSet, found: Mapping[str, Any]) -> dict[str, Stage]:
    """One stage for the teacher, and one for each student of each seed; training is part of it."""

    @cache
    def teacher() -> Portrait:
        return portrait(study, study.load(), images)

    def student(lesson: str, seed: int) -> dict[str, Any]:
        network = study.student(lesson, seed)
        return student_row(study, network, teacher(), images) | {"accuracy": record(network, study.images()).accuracy}

    todo = {"teacher": Stage(lambda: {"layers": layer_rows(teacher())}, ("training",))}
    for seed in SEEDS:
        for lesson in study.lessons:
            todo[f"student {lesson} {seed}"] = Stage(lambda at=lesson, s=seed: student(at, s), ("training",))
    return todo


def results(study: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of students."""
    students = {str(seed): {lesson: found[f"student {lesson} {seed}"] for lesson in study.lessons} for seed in SEEDS}
    return {
        "distillation": {
            seed: {"teacher": found["teacher"]["layers"], **{lesson: row["layers"] for lesson, row in rows.items()}}
            for seed, rows in students.items()
        },
        "students": {
            seed: {lesson: {key: row[key] for key in ("accuracy", "frames")} for lesson, row in rows.items()}
            for seed, rows in students.items()
        },
    }


def portrait(study: Study, network: Network, images: ImageSet, reference: Portrait | None = None) -> Portrait:
    """One network in the frame of another."""
    grid = study.setting.grid
    return portray(record(network, images, study.counted, grid=grid), reference, grid=grid)


def layer_rows(seen: Portrait) -> dict[str, Any]:
    """Knowledge points per image of every layer, with both normalisations of strength."""
    own = seen.points("own")
    return {layer: {**count_row(points), "own": count_row(own[layer])} for layer, points in seen.points().items()}


def student_row(study: Study, network: Network, teacher: Portrait, images: ImageSet) -> dict[str, Any]:
    """Counts of one student, and how its regions differ from the teacher's by the choice of a common frame."""
    seen, deepest = portrait(study, network, images, teacher), study.deepest
    mine, theirs = seen.regions[deepest], teacher.regions[deepest]
    frames = {
        "turned only": turned_only(seen.activations, teacher, deepest),
        "started and turned": mine.h,
        "turned by regions": turn(mine.h, theirs.h),
        "teacher's projection": theirs.projection.transform(mine.raw),
    }
    return {"layers": layer_rows(seen), "frames": {name: difference(h, theirs.h) for name, h in frames.items()}}


def turned_only(activations: Activations, teacher: Portrait, layer: str) -> np.ndarray:
    """Regional features in a frame whose sample features were fitted with no eye on the teacher's, then turned."""
    samples = SampleProjection().fit(activations.features, activations.logits)
    samples.align(activations.features, teacher.embedding)
    regions = activations.regions[layer]
    only = replace(activations, regions={layer: regions})
    return regional_features(only, samples, grid=regions.shape[2])[layer].h


def difference(student: np.ndarray, teacher: np.ndarray) -> dict[str, Any]:
    """Fig. 9 right in numbers: quantiles of 1 - cos, and of the student's strength minus the teacher's.

    Directions are compared where the teacher's region is stronger than the mean: weak ones' directions mean little.
    """
    orientation, strength = changes(np.stack([student, teacher]))
    length = np.linalg.norm(teacher, axis=2)
    kinds = {"orientation": orientation[length > length.mean()], "strength": strength}
    found = {
        name: dict(zip(map(str, QUANTILES), np.percentile(v, QUANTILES), strict=True)) for name, v in kinds.items()
    }
    return found | {f"{name}_mean": float(values.mean()) for name, values in kinds.items()}
