"""How large networks are and how they are trained: the presets ``"laptop"`` and ``"paper"``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nbhelpers.networks.training import Recipe

GRID = 8
"""Regions a side of the laptop preset."""


@dataclass(frozen=True)
class Setting:
    """The size of a network and of its grid of regions, and how it and its students are trained on one data set.

    ``finetune`` is the recipe of a network that starts from given weights.
    """

    width: float
    input_size: int = 64
    grid: int = GRID
    recipe: Recipe = field(default_factory=Recipe)
    finetune: Recipe = field(default_factory=lambda: Recipe(epochs=5, learning_rate=0.02))
    students: Recipe = field(default_factory=lambda: Recipe(epochs=12, checkpoints=2))


PRESETS = ("laptop", "paper")
"""``"laptop"``: 64 px, 8 x 8 regions, narrow networks, hours on two cores; ``"paper"``: 224 px, 14 x 14, 200 epochs."""
PAPER = Setting(
    width=1.0,
    input_size=224,
    grid=14,
    recipe=Recipe(epochs=200, batch_size=32, learning_rate=0.02),
    finetune=Recipe(epochs=50, batch_size=32, learning_rate=0.01),
    students=Recipe(epochs=50, batch_size=32, learning_rate=0.02, checkpoints=2),
)
_NARROW = Recipe(epochs=36, batch_size=32, learning_rate=0.03, first_checkpoint=300)
_HALF = replace(_NARROW, epochs=18, checkpoints=2)
_EIGHT = Recipe(epochs=8, batch_size=32, checkpoints=2)
_FEW_IMAGES = Recipe(epochs=60, batch_size=32, learning_rate=0.02)
SETTINGS = {
    ("scenes", "vgg16"): Setting(width=0.125, recipe=_NARROW, students=_HALF),
    ("scenes", "resnet34"): Setting(width=0.125, recipe=_NARROW, students=_HALF),
    ("scenes", "resnet50"): Setting(width=0.125, recipe=_NARROW, students=_HALF),
    ("scenes", "mobilenet_v2"): Setting(width=0.35, recipe=_NARROW, students=_HALF),
    ("tiny-imagenet", "vgg16"): Setting(width=0.25, students=_EIGHT),
    ("tiny-imagenet", "resnet34"): Setting(width=0.25, students=_EIGHT),
    ("tiny-imagenet", "resnet50"): Setting(width=0.25, recipe=Recipe(epochs=15), students=_EIGHT),
    ("tiny-imagenet", "mobilenet_v2"): Setting(width=1.0, students=_EIGHT),
} | {
    (dataset, network): Setting(width=width, finetune=_FEW_IMAGES, students=_EIGHT)
    for dataset in ("coco", "cub", "folder")
    for network, width in {"vgg16": 0.25, "resnet34": 0.25, "resnet50": 0.25, "mobilenet_v2": 1.0}.items()
}
"""Of the laptop preset."""
DATASETS = tuple(sorted({dataset for dataset, _ in SETTINGS}))
"""Those that a network can be trained on."""
