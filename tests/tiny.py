"""Scenes x VGG-16 so small that everything that is recorded of it takes seconds."""

import pytest

from nbhelpers import reproduce, reproduce_attacks, reproduce_regions, reproduce_students, study
from nbhelpers.datasets import scenes
from nbhelpers.study import Setting
from nbhelpers.training import Recipe

SIZES = {"train": 100, "held_out": 50}
PARTS = (reproduce_regions, reproduce_attacks, reproduce_students)


def shrink(patch: pytest.MonkeyPatch, *parts) -> None:
    """Make the study small, and of the experiments record those of ``parts`` beside the ones that always run."""
    patch.setattr(study.datasets, "load", lambda name, split, root=None: scenes.load(split, size=SIZES[split]))
    recipe = Recipe(epochs=2, batch_size=10, checkpoints=3)
    students = Recipe(epochs=1, batch_size=10, learning_rate=0.002, checkpoints=2)
    patch.setitem(study.SETTINGS, ("scenes", "vgg16"), Setting(width=0.05, recipe=recipe, students=students))
    patch.setattr(reproduce, "PER_CATEGORY", 5)
    patch.setattr(reproduce, "METHODS", {"raw_strength": reproduce.METHODS["raw_strength"]})
    for part in PARTS:
        if part not in parts:
            patch.setattr(part, "stages", lambda *_: {})
            patch.setattr(part, "results", lambda _: {})
