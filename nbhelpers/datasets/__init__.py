"""Data sets behind one protocol: ``load(name, split)`` gives an :class:`ImageSet`."""

from __future__ import annotations

# ruff: noqa: E402
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from nbhelpers.extras import require

require("data")

from nbhelpers.datasets import coco, cub, folder, scenes, tiny_imagenet
from nbhelpers.datasets.about import About
from nbhelpers.images import ImageSet

__all__ = ["About", "ImageSet", "available", "load"]

_MODULES: dict[str, ModuleType] = {
    "scenes": scenes,
    "tiny-imagenet": tiny_imagenet,
    "coco": coco,
    "cub": cub,
    "folder": folder,
}


def available() -> dict[str, About]:
    """Every data set's name, and what it is, its licence, and where it comes from.

    >>> available()["scenes"].origin
    'bundled'
    """
    return {name: module.ABOUT for name, module in _MODULES.items()}


def load(name: str, split: str, root: str | Path | None = None, **options: Any) -> ImageSet:
    """Load one split of a data set.

    Parameters
    ----------
    name : str
        One of :func:`available`.
    split : {"train", "held_out"}
    root : path, optional
        Where the data set's own files are, if it is not bundled; your own images for ``"folder"``.
    **options
        What the data set's own ``load`` takes, for example ``size`` for scenes, ``categories`` for Tiny ImageNet, or
        ``side`` for COCO.

    Raises
    ------
    ValueError
        If the name or split is unknown, or ``root`` is given for a bundled data set or missing for ``"folder"``.
    OSError
        If the files are missing or damaged.

    Examples
    --------
    >>> load("scenes", "held_out", size=30)
    ImageSet(30 images of 64x64, 10 categories, 'held_out')
    """
    if name not in _MODULES:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(map(repr, _MODULES))}")
    if root is not None:
        if "root" not in signature(_MODULES[name].load).parameters:
            raise ValueError(f"{name!r} is bundled and takes no root, got {str(root)!r}")
        options["root"] = root
    return _MODULES[name].load(split, **options)
