"""What students learn of one study's network: Fig. 9. Every seed has its own teacher and its own students."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from nbhelpers.experiments.rows.regions import count_row
from nbhelpers.experiments.stages import Stage
from nbhelpers.experiments.study import Study
from nbhelpers.method.activations import Activations
from nbhelpers.method.portraits import Portrait, portray, turn
from nbhelpers.method.regional import regional_features
from nbhelpers.method.samples import SampleProjection
from nbhelpers.method.trajectories import changes
from nbhelpers.networks.distillation import ALONE, SOFT
from nbhelpers.networks.network import Network
from nbhelpers.networks.recording import record

QUANTILES = (5, 25, 50, 75, 95)


def lessons(study: Study) -> tuple[str, ...]:
    """What the book's students learn: to mimic the deepest or the penultimate layer, soft labels, or alone."""
    return (study.deepest, study.penultimate, SOFT, ALONE)


def stages(study: Study) -> dict[str, Any]:
    """One stage for the teacher, and one for each of its students; training is part of it."""
    students = {lesson: Stage(student_row, (study, lesson), seconds=270) for lesson in lessons(study)}
    return {"teacher": Stage(teacher_row, (study,)), "students": {str(study.seed): students}}


def results(values: dict[str, Any]) -> dict[str, Any]:
    """The keys that a recorded result holds of students."""
    students = values["students"]
    return {
        "distillation": {
            seed: {"teacher": values["teacher"], **{lesson: row["layers"] for lesson, row in rows.items()}}
            for seed, rows in students.items()
        },
        "students": {
            seed: {lesson: {key: row[key] for key in ("accuracy", "frames")} for lesson, row in rows.items()}
            for seed, rows in students.items()
        },
    }


def portrait(study: Study, network: Network, reference: Portrait | None = None) -> Portrait:
    """One network in the frame of another."""
    grid = study.setting.grid
    return portray(record(network, study.fitted(), study.counted, grid=grid), reference, grid=grid)


@lru_cache(maxsize=1)
def teacher(study: Study) -> Portrait:
    """What all students of a study are laid over."""
    return portrait(study, study.load())


def teacher_row(study: Study) -> dict[str, Any]:
    """Counts of the teacher."""
    return layer_rows(teacher(study))


def layer_rows(seen: Portrait) -> dict[str, Any]:
    """Knowledge points per image of every layer, with both normalisations of strength."""
    own = seen.points("own")
    return {layer: {**count_row(points), "own": count_row(own[layer])} for layer, points in seen.points().items()}


def student_row(study: Study, lesson: str) -> dict[str, Any]:
    """Accuracy of one student, its counts, and how its regions differ from the teacher's."""
    student = study.student(lesson)
    seen = portrait(study, student, teacher(study))
    frames = frame_rows(seen, teacher(study), study.deepest)
    return {"accuracy": record(student, study.images()).accuracy, "layers": layer_rows(seen), "frames": frames}


def frame_rows(student: Portrait, teacher: Portrait, layer: str) -> dict[str, Any]:
    """How the regions of a layer differ from the teacher's, by the choice of a common frame."""
    mine, theirs = student.regions[layer], teacher.regions[layer]
    frames = {
        "turned only": turned_only(student.activations, teacher, layer),
        "started and turned": mine.h,
        "turned by regions": turn(mine.h, theirs.h),
        "teacher's projection": theirs.projection.transform(mine.raw),
    }
    return {name: difference(h, theirs.h) for name, h in frames.items()}


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
    means = {f"{name}_mean": float(values.mean()) for name, values in kinds.items()}
    return found | means | {"strength_size_mean": float(np.abs(strength).mean())}
