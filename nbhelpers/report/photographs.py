"""All images of a folder that holds one for each category, read where they are needed; no split."""

from __future__ import annotations

# ruff: noqa: E402
import unicodedata
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nbhelpers.extras import require

require("data")

from nbhelpers.datasets import layout
from nbhelpers.datasets.crops import Crop
from nbhelpers.datasets.lazy import lazy_images, looked_at
from nbhelpers.datasets.selection import by_lot
from nbhelpers.datasets.telling import Notes, shown
from nbhelpers.images import ImageSet


def photographs(root: Path, side: int, limit: int | None = None) -> tuple[ImageSet, list[str], str]:
    """The images of ``root/<category>/``, the name of each file below the root, and what was left out, in a line.

    Parameters
    ----------
    root : path
    side : int
        Of the square images: the largest in the middle of each file, resized.
    limit : int, optional
        At most so many images, about as many of each category, chosen by lot but always the same.

    Raises
    ------
    ValueError
        If the folder holds splits instead of categories, or fewer than two categories.
    OSError
        If there is no such folder.
    """
    if not root.is_dir():
        raise OSError(f"there is no folder {shown(root)}; it should hold a folder of images for each category")
    told = Notes()
    training, held_out = layout.splits(root, told)
    if training != held_out:
        raise ValueError(f"{shown(root)} holds {training.name} and {held_out.name}: name one of these folders instead")
    folders = layout.categories(root, root, told)
    groups = [_crops(name, folders[name], root, told) for name in sorted(folders)]
    if limit is not None:
        groups = _limited(groups, limit, told)
    with tqdm(desc="looking at images", unit=" files", delay=2) as bar:
        groups = [looked_at(group, root, told, bar) for group in groups]
    names = [name for name, group in zip(sorted(folders), groups, strict=True) if group]
    told.left_out["folders without images are left out"] += sorted(set(folders) - set(names))
    if len(names) < 2:
        there = ", ".join(repr(shown(name)) for name in names) or "none"
        needed = f"a report compares categories: {shown(root)} should hold at least two folders of images, and has"
        raise ValueError(told.after(f"{needed} {there}"))
    crops = [crop for group in groups for crop in group]
    labels = np.repeat(np.arange(len(names)), [len(group) for group in groups if group])
    images = ImageSet(lazy_images(crops, root, side), labels, tuple(names), "held_out", left_out=told.counts())
    return images, [shown(crop.key) for crop in crops], str(told)


def _crops(name: str, folder: Path, root: Path, told: Notes) -> list[Crop]:
    return [
        Crop(str(path), 0, f"{name}/{unicodedata.normalize('NFC', path.relative_to(folder).as_posix())}")
        for path in layout.images(folder, root, told)
    ]


def _limited(groups: list[list[Crop]], limit: int, told: Notes) -> list[list[Crop]]:
    """So many of all groups, which take turns."""
    lots = [sorted(group, key=by_lot) for group in groups]
    turns = sorted((turn, number) for number, lot in enumerate(lots) for turn in range(len(lot)))
    kept = np.bincount([number for _, number in turns[:limit]], minlength=len(lots))
    told.left_out["images beyond the limit are left out"] += [
        crop.file for lot, count in zip(lots, kept, strict=True) for crop in lot[count:]
    ]
    return [sorted(lot[:count], key=lambda crop: crop.key) for lot, count in zip(lots, kept, strict=True)]
