"""Scenes x VGG-16 so small that everything that is recorded of it takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nbhelpers.datasets import scenes
from nbhelpers.experiments import intervals, study
from nbhelpers.experiments.reproduce import sweep
from nbhelpers.experiments.rows import choices, importance, samples
from nbhelpers.experiments.settings import Setting
from nbhelpers.networks.training import Recipe

SIZES = {"train": 100, "held_out": 50}


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Make the study, and all that is recorded of it, small."""
    patch.setattr(study.datasets, "load", lambda name, split, root=None: scenes.load(split, size=SIZES[split]))
    recipe = Recipe(epochs=2, batch_size=10, checkpoints=3)
    # So slow that students stay about where they start, with no silent layer, on any machine.
    students = Recipe(epochs=1, batch_size=10, learning_rate=1e-5, checkpoints=2)
    for network, width in {"vgg16": 0.05, "resnet34": 0.0625, "resnet50": 0.0625, "mobilenet_v2": 0.1}.items():
        small = Setting(width=width, recipe=recipe, students=students)
        patch.setitem(study.SETTINGS, ("scenes", network), small)
    patch.setattr(study, "PER_CATEGORY", 5)
    patch.setattr(intervals, "REFITS", 2)
    patch.setattr(choices, "CANDIDATES", {name: values[:2] for name, values in choices.CANDIDATES.items()})
    patch.setattr(samples, "METHODS", {"raw_strength": samples.METHODS["raw_strength"]})
    chosen = ("default", "v shared", "κ_regions 16")
    patch.setattr(importance, "SETTINGS", {name: importance.SETTINGS[name] for name in chosen})
    for name, value in {"FEW": 2, "FEWER": 1, "PRECISION": 0.5}.items():
        patch.setattr(importance, name, value)


@contextmanager
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[study.Study, Path, pytest.MonkeyPatch]]:
    """A study so small that its stages take seconds, its folder, and what a test may change further while it is so."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        folder = tmp_path_factory.mktemp("tiny")
        yield study.Study("scenes", retrain=True, workspace=str(folder)), folder, patch


def reproduce(one: study.Study, out: Path, command: str = "x", **options: Any) -> dict[str, Any]:
    """What a sweep of one study records."""
    return sweep({out: one}, commands=[command], **options)[0]
