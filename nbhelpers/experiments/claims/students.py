"""Figure 9: what students of a layer take over from their teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbhelpers.experiments.claims.claim import Part
from nbhelpers.experiments.claims.measured import Measure, Runs, at, each, part
from nbhelpers.experiments.claims.regions import COUNTED, DEEPEST
from nbhelpers.experiments.claims.tables import less

NEAR, FAR = DEEPEST, "fc"
"""What the students mimic that the paper compares."""
TEACHERS = 3
"""From how many teachers their students' loss is judged."""
FRAME = "turned by regions"
"""In which student and teacher are compared: no turn brings the regions of the two closer."""


def encode_fewer(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F9a: reliable points per image, students' less their own teacher's."""
    return [
        part(runs, f"student of {lesson}", less(reliable(lesson), reliable("teacher")), above=False, at_least=TEACHERS)
        for lesson in (NEAR, FAR)
    ]


def far_encode_far_fewer(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F9b: the same, the student of fc less that of conv_53."""
    return [part(independent(runs), "", less(reliable(FAR), reliable(NEAR)), above=False)]


def far_are_less_alike(runs: Runs, printed: Mapping[str, Any]) -> list[Part]:
    """F9c: distance of conv_53's regions to the teacher's, the student of fc less that of conv_53."""

    def distance(lesson: str, key: str) -> Measure:
        return averaged("students", lesson, "frames", FRAME, key)

    return [
        part(independent(runs), name, less(distance(FAR, key), distance(NEAR, key)))
        for name, key in {"orientation": "orientation_mean", "strength": "strength_size_mean"}.items()
    ]


def reliable(network: str) -> Measure:
    """Reliable points per image of the teacher or of the students of one layer, mean over the counted layers."""
    layers = [averaged("distillation", network, layer, "reliable") for layer in COUNTED]
    return lambda run: float(np.mean([layer(run) for layer in layers]))


def averaged(experiment: str, *keys: str) -> Measure:
    """The mean over the seeds of a run's students."""
    return lambda run: float(np.mean([at(seed, *keys) for seed in at(run, experiment).values()]))


def independent(runs: Runs) -> Runs:
    """The runs that have students; where that is one, its students by their seeds, as if each were of a run."""
    having, _ = each(runs, lambda run: at(run, "distillation") and run)
    if len(having) != 1:
        return having or runs
    (run,) = having
    keys = [key for key in ("distillation", "students") if key in run]
    return [{key: {seed: run[key][seed]} for key in keys} for seed in run["distillation"]]
